import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from } from 'pg-copy-streams';
import { type InterruptOptions, interruptible } from './interrupt.ts';
import { PostgresError } from './postgres-error.ts';
import { quoteIdentifier } from './statement.ts';
import { copyField, fieldText } from './text-format.ts';

export interface CopyOptions extends InterruptOptions {
  /** `copy` and `unnest` force a way; `auto` (the default) asks the server what it can. */
  readonly method?: 'auto' | 'copy' | 'unnest';
}

export interface CopySource {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>;
}

/**
 * Loads `rows`; all of them or, on an error or interruption, none. `inTransaction` says whether the connection is in
 * one already.
 */
export async function copyRows(
  client: ClientBase,
  source: CopySource,
  inTransaction: boolean,
  options: CopyOptions = {},
): Promise<number> {
  const method = options.method ?? 'auto';
  if (method === 'copy' || (method === 'auto' && (await canCopy(client)))) {
    return interruptible(client, () => copy(client, source), options);
  }
  return interruptible(client, () => (inTransaction ? unnest : unnestAtomically)(client, source), options);
}

const abilities = new WeakMap<ClientBase, Promise<boolean>>();

/** PostgreSQL compiled to WebAssembly (PGlite) loses the protocol's thread when COPY comes over its socket. */
function canCopy(client: ClientBase): Promise<boolean> {
  let known = abilities.get(client);
  if (!known) {
    known = client
      .query<{ version: string }>('SELECT version()')
      .then(({ rows }) => !/emcc|wasm/i.test(rows[0]?.version ?? ''));
    known.catch(() => abilities.delete(client));
    abilities.set(client, known);
  }
  return known;
}

async function copy(client: ClientBase, { table, columns, rows }: CopySource): Promise<number> {
  const target = client.query(from(`COPY ${tableName(table)} (${columnList(columns)}) FROM STDIN`));
  await pipeline(Readable.from(copyText(rows), { objectMode: true, highWaterMark: 4 }), target);
  return target.rowCount;
}

/** Lines of COPY's text format, in pieces of about 64 KiB. */
async function* copyText(rows: CopySource['rows']): AsyncGenerator<Buffer> {
  let piece = '';
  for await (const row of rows) {
    piece += `${row.map(copyField).join('\t')}\n`;
    if (piece.length < 65_536) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  if (piece !== '') yield Buffer.from(piece);
}

async function unnestAtomically(client: ClientBase, source: CopySource): Promise<number> {
  await client.query('BEGIN');
  try {
    const count = await unnest(client, source);
    await client.query('COMMIT');
    return count;
  } catch (error) {
    // A lost connection has rolled back already.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

const batchRows = 1000;

/** Every column travels as an array of texts, which the server casts: that fits any type, arrays included. */
async function unnest(client: ClientBase, { table, columns, rows }: CopySource): Promise<number> {
  const types = await columnTypes(client, table, columns);
  const casts = types.map((type, index) => `rows.c${index}::${type}`).join(', ');
  const arrays = columns.map((_, index) => `$${index + 1}::text[]`).join(', ');
  const names = columns.map((_, index) => `c${index}`).join(', ');
  const text = `INSERT INTO ${tableName(table)} (${columnList(columns)}) SELECT ${casts} FROM unnest(${arrays}) AS rows (${names})`;
  let count = 0;
  let batch: (readonly unknown[])[] = [];
  const flush = async () => {
    const values = columns.map((_, index) => batch.map((row) => fieldText(row[index])));
    count += (await client.query(text, values)).rowCount ?? 0;
    batch = [];
  };
  for await (const row of rows) {
    batch.push(row);
    if (batch.length === batchRows) await flush();
  }
  if (batch.length > 0) await flush();
  return count;
}

async function columnTypes(client: ClientBase, table: string, columns: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type
       FROM pg_attribute WHERE attrelid = $1::regclass AND attname = ANY ($2) AND NOT attisdropped`,
    [tableName(table), columns],
  );
  return columns.map((column) => {
    const found = rows.find(({ name }) => name === column);
    if (found) return found.type;
    throw new PostgresError('POSTGRES_QUERY', `Table ${table} has no column ${column}`, {
      hint: 'Correct the list of columns.',
    });
  });
}

function tableName(table: string): string {
  return table.split('.').map(quoteIdentifier).join('.');
}

function columnList(columns: readonly string[]): string {
  return columns.map(quoteIdentifier).join(', ');
}
