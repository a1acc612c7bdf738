import { type Client, PostgresError, type Transaction } from '@stackyard/postgres';

/** A transaction in the name of a tenant: row-level security shows it the tenant's rows and no others. */
export function asTenant<T>(
  client: Client,
  tenantId: string,
  run: (tx: Transaction) => Promise<T>,
  options: { readOnly?: boolean } = {},
): Promise<T> {
  return client.tx(run, { settings: { role: 'ingestion_tenant', 'app.tenant': tenantId }, ...options });
}

/** A transaction over all tenants, for the worker and the housekeeping. */
export function asService<T>(client: Client, run: (tx: Transaction) => Promise<T>): Promise<T> {
  return client.tx(run, { settings: { role: 'ingestion_service' } });
}

/** Whether the database is away, busy or short of something, so that the same may succeed in a while. */
export function isOutage(error: unknown): error is PostgresError {
  if (!(error instanceof PostgresError)) return false;
  const { sqlState, code } = error;
  if (sqlState !== undefined) return /^(08|40|53|57|58|25P0[34]|55P03)/.test(sqlState);
  return /^POSTGRES_(CONNECTION_LOST|UNREACHABLE|POOL_TIMEOUT|COMMIT_UNKNOWN)$/.test(code);
}
