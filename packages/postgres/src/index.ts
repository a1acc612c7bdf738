export { type Client, type ClientOptions, type CloseOptions, createClient } from './client.ts';
export type { CopyOptions } from './copy.ts';
export type { Listener, ListenOptions, Notification } from './listen.ts';
export { type Migrated, type MigrateOptions, migrate } from './migrate.ts';
export { PostgresError, toPostgresError } from './postgres-error.ts';
export type { Queryable, QueryOptions, Row } from './queryable.ts';
export { identifier, type Statement, sql } from './statement.ts';
export { retryable, type Transaction, type TransactionOptions } from './transaction.ts';
