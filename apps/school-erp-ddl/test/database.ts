import { randomBytes } from 'node:crypto';
import { type Client, createClient, migrate } from '@stackyard/postgres';
import { postgresUrl } from '@stackyard/testing';
import { afterAll, beforeAll } from 'vitest';
import { MIGRATIONS } from '../src/migrations.ts';

/** A migrated database of this test file's own. Its tests keep apart by using different tenants. */
export function useDatabase(): { readonly client: Client; readonly url: string } {
  const found: { client?: Client; url?: string; drop?: () => Promise<void> } = {};
  beforeAll(async () => {
    const server = await postgresUrl();
    const name = `erp_test_${randomBytes(6).toString('hex')}`;
    const url = new URL(server);
    url.pathname = `/${name}`;
    await using admin = createClient({ url: server });
    await admin.execute(`CREATE DATABASE ${name}`);
    await migrate({ url: url.href, directory: MIGRATIONS });
    found.url = url.href;
    found.client = createClient({ url: url.href });
    found.drop = async () => {
      await found.client!.close();
      await using again = createClient({ url: server });
      await again.execute(`DROP DATABASE ${name} WITH (FORCE)`);
    };
  }, 60_000);
  afterAll(() => found.drop?.());
  return {
    get client() {
      return found.client!;
    },
    get url() {
      return found.url!;
    },
  };
}
