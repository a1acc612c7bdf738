import type { Client } from 'pg';
import { withClient } from './with-client.ts';

/** Rows of every table of every database of a server, by `database.schema.table`, sorted. */
export async function countRows(url: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const database of await withClient(url, databases)) {
    const count = async (client: Client) => {
      for (const { name, sql } of await tables(client)) {
        const { rows } = await client.query<{ count: string }>(sql);
        counts[`${database}.${name}`] = Number(rows[0]!.count);
      }
    };
    await withClient(url, count, database).catch((error: { cause?: { code?: string } }) => {
      if (error.cause?.code !== '3D000') throw error; // PGlite lists databases that it does not serve
    });
  }
  return counts;
}

/** Names the tables whose rows in a dump are not those that `countRows` finds: unlogged ones, and an extension's. */
export const otherTables = `
  SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relpersistence <> 'p' OR EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`;

/** Names the databases of a server that hold somebody's data. */
export const databaseNames =
  'SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1';

async function databases(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(databaseNames);
  return rows.map(({ name }) => name);
}

/** Tables with rows of their own: not partitioned ones, whose rows are in their partitions, and not PostgreSQL's. */
async function tables(client: Client): Promise<{ name: string; sql: string }[]> {
  const { rows } = await client.query<{ name: string; sql: string }>(`
    SELECT format('%s.%s', n.nspname, c.relname) AS name,
           format('SELECT count(*) FROM ONLY %I.%I', n.nspname, c.relname) AS sql
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 1`);
  return rows;
}

/** One line for each table whose rows differ. */
export function differences(
  expected: Readonly<Record<string, number>>,
  found: Readonly<Record<string, number>>,
): string[] {
  const tables = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  return tables.flatMap((table) =>
    expected[table] === found[table]
      ? []
      : [
          `${table}: ${expected[table] ?? 'absent'} in the backup, ${found[table] ?? 'absent'} after the restore`,
        ],
  );
}
