/** The part of a Postgres client that this app uses; `@stackyard/postgres` provides it. */
export interface Database {
  query<R extends object>(statement: string, values?: readonly unknown[]): Promise<R[]>;
  execute(statement: string, values?: readonly unknown[]): Promise<number>;
  copyInto(
    table: string,
    columns: readonly string[],
    rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>,
  ): Promise<number>;
}

export interface Transactions {
  tx<T>(work: (db: Database) => Promise<T>): Promise<T>;
}

/**
 * Makes the transaction that of a tenant: as the app role, which row-level security binds whoever logged in, and
 * with the tenant's number. Both end with the transaction.
 */
export async function enterTenant(db: Database, tenant: number): Promise<void> {
  await db.execute('SET LOCAL ROLE erp_app');
  await db.query('SELECT tenancy.enter($1)', [tenant]);
}
