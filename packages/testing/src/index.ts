export { postgresUrl } from './postgres-url.ts';
