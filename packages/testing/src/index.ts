export { postgresUrl } from './postgres-url.ts';
export { type UsePostgresOptions, usePostgres } from './use-postgres.ts';
