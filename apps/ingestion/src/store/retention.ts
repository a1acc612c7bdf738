import type { Client } from '@stackyard/postgres';
import type { ContentStore } from '../storage/index.ts';
import { asService } from './database.ts';
import { CONTENT_FRESH } from './documents.ts';

export interface RetentionOptions {
  /** Deleted documents can be restored for this long. */
  readonly deletedForMs: number;
  /** Chunks of superseded versions go after this. */
  readonly supersededForMs?: number;
  readonly idempotencyForMs?: number;
  /** Uploads nobody continued, and what cut-off requests left in storage. */
  readonly abandonedForMs?: number;
}

export interface Swept {
  readonly expired: number;
  readonly documents: number;
  readonly objects: number;
  readonly chunks: number;
}

const HOUR = 3_600_000;

/** Objects of one sweep; the next one goes on. */
const BATCH = 500;

/** Removes what nobody can ask for any more. Several sweeps at once do no harm. */
export async function sweep(
  client: Client,
  storage: ContentStore,
  options: RetentionOptions,
): Promise<Swept> {
  const { supersededForMs = HOUR, idempotencyForMs = 24 * HOUR, abandonedForMs = 24 * HOUR } = options;
  const ago = (ms: number) => new Date(Date.now() - ms);
  const removed = await asService(client, async (tx) => {
    const expired = await tx.execute(
      'UPDATE document SET deleted_at = now(), updated_at = now() WHERE expires_at < now() AND deleted_at IS NULL',
    );
    const chunks = await tx.execute(
      `DELETE FROM chunk c USING version v WHERE v.id = c.version_id AND v.status = 'superseded' AND v.finished_at < $1
         AND NOT EXISTS (SELECT FROM document d WHERE d.id = v.document_id AND d.current_version = v.id)`,
      [ago(supersededForMs)],
    );
    // One that a worker has in hands waits for it: the worker holds job and document, in this order, when it is done.
    const gone = await tx.query<{ id: string; tenant_id: string; bytes: string }>(
      `SELECT d.id, d.tenant_id, (SELECT sum(v.bytes) FROM version v WHERE v.document_id = d.id) AS bytes
       FROM document d WHERE d.deleted_at < $1 AND NOT EXISTS (
         SELECT FROM version v JOIN job j ON j.version_id = v.id WHERE v.document_id = d.id AND j.state = 'active')
       LIMIT $2 FOR UPDATE SKIP LOCKED`,
      [ago(options.deletedForMs), BATCH],
    );
    const ids = gone.map(({ id }) => id);
    await tx.query(
      'DELETE FROM chunk WHERE version_id IN (SELECT id FROM version WHERE document_id = ANY ($1))',
      [ids],
    );
    await tx.query('DELETE FROM document WHERE id = ANY ($1)', [ids]);
    // These know its name and what else its sender has said of it.
    await tx.query('DELETE FROM idempotency_key WHERE document_id = ANY ($1)', [ids]);
    await tx.query('DELETE FROM upload WHERE document_id = ANY ($1)', [ids]);
    for (const { tenant_id, bytes } of gone) {
      await tx.query(
        'UPDATE tenant SET documents = documents - 1, bytes = greatest(bytes - $2, 0) WHERE id = $1',
        [tenant_id, bytes],
      );
    }
    await tx.query('DELETE FROM idempotency_key WHERE created_at < $1', [ago(idempotencyForMs)]);
    await tx.query('DELETE FROM upload WHERE updated_at < $1', [ago(abandonedForMs)]);
    await tx.query(`DELETE FROM job WHERE state IN ('done', 'cancelled') AND updated_at < $1`, [
      ago(24 * HOUR),
    ]);
    const uploads = await tx.query<{ id: string }>('SELECT id FROM upload');
    return { expired, chunks, documents: ids.length, open: new Set(uploads.map(({ id }) => id)) };
  });
  const { open, ...counts } = removed;
  if (counts.documents > 0) await forgetValues(client);
  const objects = await removeObjects(client, storage);
  await storage.sweep(ago(abandonedForMs), open);
  return { ...counts, objects };
}

/**
 * Takes note of content that is in storage since before `before` and that the database knows nothing of, as when an API
 * was killed between the two. Where no document comes to name it, the next {@link sweep} removes it. Gives how many.
 */
export async function noteOrphans(client: Client, storage: ContentStore, before: Date): Promise<number> {
  let count = 0;
  let batch: object[] = [];
  const note = async () => {
    count += await asService(client, (tx) =>
      tx.execute(
        `INSERT INTO object (tenant_id, hash, bytes) SELECT t.id, decode(x.hash, 'hex'), x.bytes
         FROM jsonb_to_recordset($1) AS x(tenant text, hash text, bytes bigint) JOIN tenant t ON t.id = x.tenant
         ON CONFLICT DO NOTHING`,
        [JSON.stringify(batch)],
      ),
    );
    batch = [];
  };
  for await (const { tenant, hash, bytes } of storage.kept(before)) {
    batch.push({ tenant, hash: hash.toString('hex'), bytes });
    if (batch.length >= BATCH) await note();
  }
  if (batch.length > 0) await note();
  return count;
}

/**
 * Has the planner's statistics made anew, which hold words and metadata of rows that were there: by itself the server
 * does so after many changes only. What has no statistics stays without.
 */
async function forgetValues(client: Client): Promise<void> {
  const samples = await client.query<{ columns: string }>(
    `SELECT DISTINCT format('%I (%I)', tablename, attname) AS columns FROM pg_stats
     WHERE schemaname = current_schema()
       AND (tablename LIKE 'chunk%' AND attname = 'search' OR tablename = 'document' AND attname = 'metadata')`,
  );
  for (const { columns } of samples) await client.query(`ANALYZE ${columns}`);
}

/**
 * Removes content that no version names. The row is held while the bytes go: an upload of the same content waits for
 * that before it puts its own bytes there.
 */
async function removeObjects(client: Client, storage: ContentStore): Promise<number> {
  let count = 0;
  for (;;) {
    const removed = await asService(client, async (tx) => {
      const [row] = await tx.query<{ tenant_id: string; hash: Buffer }>(
        `SELECT o.tenant_id, o.hash FROM object o
         WHERE o.created_at < now() - $1::interval
           AND NOT EXISTS (SELECT FROM version v WHERE v.tenant_id = o.tenant_id AND v.hash = o.hash)
         LIMIT 1 FOR UPDATE SKIP LOCKED`,
        [CONTENT_FRESH],
      );
      if (!row) return undefined;
      // Asked once more: a version may have come to name it before its row was held.
      const gone = await tx.execute(
        `DELETE FROM object o WHERE o.tenant_id = $1 AND o.hash = $2
           AND NOT EXISTS (SELECT FROM version v WHERE v.tenant_id = o.tenant_id AND v.hash = o.hash)`,
        [row.tenant_id, row.hash],
      );
      if (gone > 0) await storage.remove(row.tenant_id, row.hash);
      return gone;
    });
    if (removed === undefined || count >= BATCH) return count;
    count += removed;
  }
}
