import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { to } from 'pg-copy-streams';
import type { Client } from '../database.ts';
import { LoadError } from './load-error.ts';

/**
 * Writes a tenant's rows of a table or partition as a file that {@link bulkLoad} reads, in the order of the primary key,
 * in which it loads fastest. Returns how many.
 */
export async function unload(client: Client, table: string, tenant: number, folder: string): Promise<number> {
  const [found] = await client.query(
    "SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'tenant_id'",
    [table],
  );
  if (!found) {
    throw new LoadError(
      'LOAD_SOURCE',
      `There is no table ${table} of a tenant`,
      'See `erp docs` for the tables there are.',
    );
  }
  const { columns, key } = await client.one<{ columns: string[]; key: string[] }>(
    `SELECT (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
         AND NOT attisdropped AND attgenerated = '' AND attname <> 'tenant_id') AS columns,
       (SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum)) FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = $1::regclass AND i.indisprimary) AS key`,
    [table],
  );
  return client.connection(async (connection) => {
    const source = connection.query(
      to(
        `COPY (SELECT ${columns.join(', ')} FROM ${table} WHERE tenant_id = ${Number(tenant)} ORDER BY ${key.join(', ')})
         TO STDOUT (FORMAT text, HEADER true)`,
      ),
    );
    await pipeline(source, createWriteStream(join(folder, `${table}.tsv`), { highWaterMark: 1 << 20 }));
    return source.rowCount;
  });
}
