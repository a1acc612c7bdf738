import type { Client, Transaction } from '@stackyard/postgres';

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
