import { expect, test } from 'vitest';
import { resetDemo, setUp } from '../src/cli/setup.ts';
import { useDatabase } from './database.ts';

const db = useDatabase();

/** What the demo holds, by table; but for the moments and transactions in which it was written, and the trail of them. */
async function demo(): Promise<Record<string, string>> {
  const tables = await db.client.query<{ name: string; written: string[] }>(
    `SELECT c.oid::regclass::text AS name, coalesce(array_agg(w.attname::text) FILTER (WHERE w.attname IS NOT NULL), '{}') AS written
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
     LEFT JOIN pg_attribute w ON w.attrelid = c.oid AND w.attnum > 0 AND w.atttypid IN ('timestamptz'::regtype, 'xid8'::regtype)
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.oid <> 'audit.entry'::regclass GROUP BY c.oid`,
  );
  const sums = tables.map(
    ({ name, written }) =>
      `SELECT '${name}' AS name, md5(string_agg(line, E'\\n' ORDER BY line)) AS sum
       FROM (SELECT (to_jsonb(t) - '{${written}}'::text[])::text AS line FROM ${name} t)`,
  );
  const rows = await db.client.query<{ name: string; sum: string | null }>(sums.join(' UNION ALL '));
  return Object.fromEntries(rows.flatMap(({ name, sum }) => (sum ? [[name, sum]] : [])));
}

test('the demo is the same after a reset, and there whole or not at all', async () => {
  await setUp(db.client);
  const before = await demo();
  expect(Object.keys(before).length).toBeGreaterThan(280);
  expect(await resetDemo(db.client)).toBeGreaterThan(5000);
  expect(await demo()).toEqual(before);
  await db.client.execute('ALTER TABLE academics.grade_level RENAME TO level_away'); // fails after the roster
  await expect(resetDemo(db.client)).rejects.toThrow('academics.grade_level');
  expect(await db.client.query('SELECT FROM tenancy.tenant')).toEqual([]);
}, 60_000);
