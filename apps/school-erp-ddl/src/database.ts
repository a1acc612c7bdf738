import type { Client, Queryable, Transaction } from '@stackyard/postgres';

export type { Client, Queryable } from '@stackyard/postgres';

/**
 * Makes the transaction that of a tenant: as the app role, which row-level security binds whoever logged in, and
 * with the tenant's number. Both end with the transaction.
 */
export async function enterTenant(db: Queryable, tenant: number): Promise<void> {
  await db.query("SELECT set_config('role', 'erp_app', true), tenancy.enter($1)", [tenant]);
}

/** A transaction of a tenant, as {@link enterTenant} makes one, entered in the same round trip as its BEGIN. */
export function asTenant<T>(
  client: Client,
  tenant: number,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return client.tx(work, { settings: { role: 'erp_app', 'app.tenant_id': tenant } });
}
