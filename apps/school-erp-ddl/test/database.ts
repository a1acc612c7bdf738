import type { Client } from '@stackyard/postgres';
import { type TestDatabase, type TestDatabases, testDatabases } from '@stackyard/postgres/testing';
import { postgresUrl } from '@stackyard/testing';
import { afterAll, beforeAll } from 'vitest';
import { asTenant, type Queryable } from '../src/database.ts';
import { MIGRATIONS } from '../src/migrations.ts';

/** A migrated database of a test file's own. Its tests keep apart by using different tenants. */
export interface FileDatabase {
  readonly client: Client;
  readonly url: string;
  /** Makes a tenant and returns its number. */
  tenant(code: string, countryPack?: string): Promise<number>;
  /** Runs `work` in a transaction of the app role, as a tenant. */
  asTenant<T>(tenant: number, work: (tx: Queryable) => Promise<T>): Promise<T>;
}

export function useDatabase(): FileDatabase {
  let databases: TestDatabases;
  let database: TestDatabase;
  beforeAll(async () => {
    // A file asks for one database, which is of some thousand files: no more are to be copied.
    databases = await testDatabases({ url: await postgresUrl(), migrations: MIGRATIONS, ahead: 0 });
    database = await databases.open();
  }, 60_000);
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]();
    await databases?.close();
  });
  return {
    get client() {
      return database.client;
    },
    get url() {
      return database.url;
    },
    async tenant(code, countryPack = 'generic') {
      const row = await database.client.one<{ id: number }>(
        'INSERT INTO tenancy.tenant (code, name, country_pack) VALUES ($1, $1, $2) RETURNING id',
        [code, countryPack],
      );
      return row.id;
    },
    asTenant(tenant, work) {
      return asTenant(database.client, tenant, work);
    },
  };
}
