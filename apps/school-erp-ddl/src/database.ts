import type { Queryable } from '@stackyard/postgres';

export type { Client, Queryable } from '@stackyard/postgres';

/**
 * Makes the transaction that of a tenant: as the app role, which row-level security binds whoever logged in, and
 * with the tenant's number. Both end with the transaction.
 */
export async function enterTenant(db: Queryable, tenant: number): Promise<void> {
  await db.execute('SET LOCAL ROLE erp_app');
  await db.query('SELECT tenancy.enter($1)', [tenant]);
}
