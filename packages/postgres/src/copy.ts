import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from } from 'pg-copy-streams';
import { type InterruptOptions, interruptible } from './interrupt.ts';
import { PostgresError, rethrow } from './postgres-error.ts';
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
    return interruptible(client, (stop) => copy(client, source, stop), options);
  }
  const load = inTransaction ? unnest : unnestAtomically;
  return interruptible(client, (stop) => load(client, source, stop), options);
}

const abilities = new WeakMap<ClientBase, Promise<boolean>>();

/**
 * PostgreSQL compiled to WebAssembly (PGlite) loses the protocol's thread when COPY comes over its own socket server.
 * An engine of Stackyard's own serves the socket itself, and can; its databases have the schema `stackyard_locks`.
 */
function canCopy(client: ClientBase): Promise<boolean> {
  let known = abilities.get(client);
  if (!known) {
    known = client
      .query<{ able: boolean }>(
        `SELECT version() !~* 'emcc|wasm' OR to_regnamespace('stackyard_locks') IS NOT NULL AS able`,
      )
      .catch(rethrow)
      .then(({ rows }) => rows[0]?.able === true);
    known.catch(() => abilities.delete(client));
    abilities.set(client, known);
  }
  return known;
}

async function copy(
  client: ClientBase,
  { table, columns, rows }: CopySource,
  stop: AbortSignal | undefined,
): Promise<number> {
  const target = client.query(from(`COPY ${tableName(table)} (${columnList(columns)}) FROM STDIN`));
  const loaded = finished(target).catch(rethrow);
  const failed = loaded.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});
  try {
    for await (const piece of until(copyText(rows), stop, failed)) {
      if (!target.write(piece)) await Promise.race([once(target, 'drain'), failed]);
    }
    target.end();
    await loaded;
    return target.rowCount;
  } catch (error) {
    // Tells the server to give up, which it does not notice otherwise while it waits for data.
    target.destroy(error as Error);
    await loaded.catch(() => undefined);
    throw error;
  }
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

/** What `source` yields, until it ends, `stop` aborts or `failed` rejects. */
async function* until<T>(
  source: AsyncGenerator<T>,
  stop: AbortSignal | undefined,
  ...failed: readonly Promise<never>[]
): AsyncGenerator<T> {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopped.catch(() => {});
  const onAbort = () => reject(stop?.reason);
  stop?.addEventListener('abort', onAbort, { once: true });
  let over = false;
  try {
    for (;;) {
      const next = await Promise.race([source.next(), stopped, ...failed]);
      over = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    stop?.removeEventListener('abort', onAbort);
    // A source that has stalled never answers this; nobody waits for it.
    if (!over) source.return(undefined).catch(() => undefined);
  }
}

async function unnestAtomically(
  client: ClientBase,
  source: CopySource,
  stop: AbortSignal | undefined,
): Promise<number> {
  await client.query('BEGIN').catch(rethrow);
  try {
    const count = await unnest(client, source, stop);
    await client.query('COMMIT').catch(rethrow);
    return count;
  } catch (error) {
    // A lost connection has rolled back already.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

const batchRows = 1000;

/** Every column travels as an array of texts, which the server casts: that fits any type, arrays included. */
async function unnest(
  client: ClientBase,
  { table, columns, rows }: CopySource,
  stop: AbortSignal | undefined,
): Promise<number> {
  const types = await columnTypes(client, table, columns);
  const casts = types.map((type, index) => `rows.c${index}::${type}`).join(', ');
  const arrays = columns.map((_, index) => `$${index + 1}::text[]`).join(', ');
  const names = columns.map((_, index) => `c${index}`).join(', ');
  const text = `INSERT INTO ${tableName(table)} (${columnList(columns)}) SELECT ${casts} FROM unnest(${arrays}) AS rows (${names})`;
  let count = 0;
  for await (const batch of until(batches(rows), stop)) {
    const values = columns.map((_, index) => batch.map((row) => fieldText(row[index])));
    count += (await client.query(text, values).catch(rethrow)).rowCount ?? 0;
  }
  return count;
}

async function* batches(rows: CopySource['rows']): AsyncGenerator<(readonly unknown[])[]> {
  let batch: (readonly unknown[])[] = [];
  for await (const row of rows) {
    batch.push(row);
    if (batch.length < batchRows) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function columnTypes(client: ClientBase, table: string, columns: readonly string[]): Promise<string[]> {
  const { rows } = await client
    .query<{ name: string; type: string }>(
      `SELECT attname AS name, format_type(atttypid, atttypmod) AS type
       FROM pg_attribute WHERE attrelid = $1::regclass AND attname = ANY ($2) AND NOT attisdropped`,
      [tableName(table), columns],
    )
    .catch(rethrow);
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
