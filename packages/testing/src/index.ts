export { postgresUrl } from './postgres-url.ts';
export { type UsePostgresOptions, usePostgres } from './use-postgres.ts';
export { type TestStack, type UseStackOptions, useStack } from './use-stack.ts';
