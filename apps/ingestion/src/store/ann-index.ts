import type { Client } from '@stackyard/postgres';
import { asService } from './database.ts';
import { partitionOf, type StoredModel } from './models.ts';

/** Chunks from which an approximate index pays; fewer are searched exactly within milliseconds. */
const ANN_FROM = 20_000;

/** A bulk load is one that has more documents waiting than this part of those that are there. */
const BULK = 0.1;

/** Keeps two workers from building the same index. */
const LOCK = 7_301_456;

/** Whether so much waits to be stored that the index would better come after it. */
export async function isBulkLoading(client: Client): Promise<boolean> {
  const { bulk } = await asService(client, (tx) =>
    tx.one<{ bulk: boolean }>(
      `SELECT (SELECT count(*) FROM job WHERE state IN ('queued', 'active'))
         > $1::float8 * (SELECT coalesce(sum(documents), 0) FROM tenant) AS bulk`,
      [BULK],
    ),
  );
  return bulk;
}

/**
 * Builds the HNSW index of a model's vectors, once there are `from` chunks: after a bulk load, which an index that is
 * there already slows down many times over. Writing goes on meanwhile. True when this call has built it; an aborted one
 * is begun anew by the next call.
 *
 * The embedded engine has one backend, which could do nothing else for minutes, so it goes on searching exactly.
 */
export async function ensureAnnIndex(
  client: Client,
  model: Pick<StoredModel, 'id' | 'dimensions'>,
  { from = ANN_FROM, signal }: { from?: number; signal?: AbortSignal } = {},
): Promise<boolean> {
  const table = partitionOf(model.id);
  const name = `${table}_ann`;
  const state = await client.one<{ valid: boolean | null; enough: boolean; embedded: boolean }>(
    `SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)) AS valid,
            (SELECT count(*) FROM (SELECT FROM ${table} LIMIT $2) AS found) >= $2 AS enough,
            version() ~* 'emcc|wasm' AS embedded`,
    [name, from],
  );
  if (state.valid === true || !state.enough || state.embedded) return false;
  return client.connection(async (connection) => {
    const { rows } = await connection.query<{ held: boolean; pid: number }>(
      'SELECT pg_try_advisory_lock($1) AS held, pg_backend_pid() AS pid',
      [LOCK],
    );
    if (!rows[0]?.held) return false;
    const { pid } = rows[0];
    const cancel = () => void client.query('SELECT pg_cancel_backend($1)', [pid]).catch(() => undefined);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      // One that was cut off is left behind invalid.
      await connection.query(`DROP INDEX IF EXISTS ${name}`);
      // The graph is built in memory; without room for it, building takes five times as long.
      await connection.query(`SET maintenance_work_mem = '1GB'`);
      await connection.query(
        `CREATE INDEX CONCURRENTLY ${name} ON ${table}
         USING hnsw ((embedding::halfvec(${model.dimensions})) halfvec_cosine_ops)`,
      );
      return true;
    } catch (error) {
      if (signal?.aborted) return false;
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      await connection.query(`RESET maintenance_work_mem; SELECT pg_advisory_unlock(${LOCK})`);
    }
  });
}
