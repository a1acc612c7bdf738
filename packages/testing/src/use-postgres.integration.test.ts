import { test as base, expect } from 'vitest';
import { usePostgres } from './use-postgres.ts';

const seed = {
  version: 'one table',
  run: async (client: { execute(text: string): Promise<unknown> }) => {
    await client.execute('CREATE TABLE t (id int)');
  },
};
const test = base.extend('database', usePostgres({ seed }));
const seen = new Set<string>();

for (const number of [1, 2, 3]) {
  test(`test ${number} finds the seeded database empty and to itself`, async ({
    database: { client, name },
  }) => {
    expect(await client.query('SELECT * FROM t')).toEqual([]);
    await client.execute('INSERT INTO t VALUES (1)');
    expect(seen).not.toContain(name);
    seen.add(name);
  });
}
