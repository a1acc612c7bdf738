import { expect, test } from 'vitest';
import { useDatabase } from './database.ts';

const db = useDatabase();

interface Column {
  readonly name: string;
  readonly type: string;
}
interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
}

/** Every table and partition that has a tenant, with its columns that can be written. */
async function tenantTables(): Promise<Table[]> {
  return db.client.query<{ name: string; columns: Column[] }>(`
    SELECT c.oid::regclass::text AS name,
      (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)))
       FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$|public$)'
      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
    ORDER BY 1`);
}

/** A value of a type; it need not fit the checks, which this test switches off. */
function sample(type: string): string {
  if (type.endsWith('[]')) return `'{}'::${type}`;
  if (/^(bigint|integer|smallint|numeric)/.test(type)) return `1::${type}`;
  if (/multirange$/.test(type)) return `'{}'::${type}`;
  if (/range$/.test(type)) return `'empty'::${type}`;
  if (type === 'boolean') return 'true';
  if (type === 'jsonb') return `'{}'::jsonb`;
  if (type === 'xid8') return `'1'::xid8`;
  if (type === 'date') return `'2026-11-02'::date`;
  if (/^timestamp/.test(type)) return `'2026-11-02'::${type}`;
  if (/^time/.test(type)) return `'08:00'::${type}`;
  return type === 'text' ? `'x'` : `NULL::${type}`;
}

test('no statement of one tenant reaches a row of another, in any table or partition', async () => {
  const mine = await db.tenant('mine');
  const theirs = await db.tenant('theirs');
  const tables = await tenantTables();
  expect(tables.length).toBeGreaterThan(300);
  const leaks: string[] = [];
  let filled = 0;
  await db.client
    .tx(async (tx) => {
      // Rows of the other tenant everywhere. Triggers, foreign keys and checks would only be in the way of rows whose
      // sole purpose is to be reachable, so all three are off, in a transaction that is undone.
      await tx.execute("SET LOCAL session_replication_role = 'replica'");
      for (const { name, columns } of tables) {
        const checks = await tx.query<{ name: string }>(
          "SELECT conname AS name FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c' AND coninhcount = 0",
          [name],
        );
        if (checks.length > 0) {
          await tx.execute(
            `ALTER TABLE ${name} ${checks.map((c) => `DROP CONSTRAINT ${c.name}`).join(', ')}`,
          );
        }
        if (/_\d{4}_\d{2}$/.test(name)) continue; // rows reach partitions through their parents
        const values = columns.map((c) => (c.name === 'tenant_id' ? String(theirs) : sample(c.type)));
        await tx.execute(
          `INSERT INTO ${name} (${columns.map((c) => c.name).join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${values.join(', ')})`,
        );
      }
      // The strongest tenant role there could be: every right on every table, partitions included.
      for (const { name } of tables)
        await tx.execute(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO erp_app`);
      await tx.execute("SET LOCAL session_replication_role = 'origin'");
      await tx.execute('SET LOCAL ROLE erp_app');
      await tx.query('SELECT tenancy.enter($1)', [theirs]);
      for (const { name } of tables) {
        const found = await tx.query(`SELECT FROM ${name}`);
        if (found.length > 0) filled++;
      }
      await tx.query('SELECT tenancy.enter($1)', [mine]);

      for (const { name, columns } of tables) {
        const attempts: Record<string, string> = {
          select: `SELECT FROM ${name} WHERE tenant_id = ${theirs}`,
          update: `UPDATE ${name} SET tenant_id = ${mine} WHERE tenant_id = ${theirs}`,
          delete: `DELETE FROM ${name} WHERE tenant_id = ${theirs}`,
          insert: `INSERT INTO ${name} (${columns.map((c) => c.name).join(', ')}) OVERRIDING SYSTEM VALUE
            VALUES (${columns.map((c) => (c.name === 'tenant_id' ? String(theirs) : sample(c.type))).join(', ')})`,
        };
        for (const [kind, statement] of Object.entries(attempts)) {
          await tx.execute('SAVEPOINT attempt');
          const reached = await tx.execute(statement).catch(() => 0);
          if (reached > 0) leaks.push(`${kind} ${name}`);
          await tx.execute('ROLLBACK TO SAVEPOINT attempt');
        }
      }
      throw new Error('undo');
    })
    .catch((error: Error) => {
      if (error.message !== 'undo') throw error;
    });
  // Every table but the empty partitions had a row to reach.
  expect(filled).toBeGreaterThan(290);
  expect(leaks).toEqual([]);
}, 60_000);

test('no foreign key of any table accepts a row of another tenant', async () => {
  const rows = await db.client.query<{ name: string }>(`
    SELECT con.conrelid::regclass || ' ' || con.conname AS name FROM pg_constraint con
    JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = con.conkey[1]
    JOIN pg_attribute t ON t.attrelid = con.confrelid AND t.attnum = con.confkey[1]
    WHERE con.contype = 'f' AND con.confrelid::regclass::text !~ '^(country\\.|tenancy\\.tenant$)'
      AND (a.attname <> 'tenant_id' OR t.attname <> 'tenant_id' OR con.confmatchtype <> 's')`);
  expect(rows).toEqual([]);
});
