import { createHash, randomUUID } from 'node:crypto';
import type { Client, Transaction } from '@stackyard/postgres';
import type { JsonValue } from '../pipeline/index.ts';
import { asTenant } from './database.ts';

export interface NewDocument {
  readonly name: string;
  readonly hash: Buffer;
  readonly bytes: number;
  readonly declaredType?: string | undefined;
  /** The sender's identifier: the same key again is a new version. */
  readonly key?: string | undefined;
  /** The document that gets a new version. */
  readonly target?: string | undefined;
  readonly sourceUrl?: string | undefined;
  readonly metadata: { readonly [key: string]: JsonValue };
  readonly expiresAt?: Date | undefined;
  readonly idempotencyKey?: string | undefined;
  /** -100 to 100; higher goes first. */
  readonly priority: number;
  readonly trace?: string | undefined;
}

export interface Registered {
  readonly documentId: string;
  readonly versionId: string;
  readonly outcome: 'created' | 'updated' | 'duplicate' | 'replayed';
}

/**
 * Notes content that is about to get its place in storage, in the given transaction, which must be the tenant's. A purge
 * of the same content is waited for; until {@link CONTENT_FRESH} has passed, there is no other.
 */
export async function noteContents(
  tx: Transaction,
  tenantId: string,
  contents: readonly { readonly hash: Buffer; readonly bytes: number }[],
): Promise<void> {
  const noted = contents.map(({ hash, bytes }) => ({ hash: hash.toString('hex'), bytes }));
  await tx.query(
    `INSERT INTO object (tenant_id, hash, bytes) SELECT DISTINCT ON (x.hash) $1, decode(x.hash, 'hex'), x.bytes
     FROM jsonb_to_recordset($2) AS x(hash text, bytes bigint) ORDER BY x.hash
     ON CONFLICT (tenant_id, hash) DO UPDATE SET created_at = now()`,
    [tenantId, JSON.stringify(noted)],
  );
}

/** Content that was noted this recently stays, though no version names it: its document is on the way. */
export const CONTENT_FRESH = '1 hour';

/** Notes documents in the given transaction, which must be the tenant's; all of them or, with an error, none. */
export function registerDocuments(
  tx: Transaction,
  tenantId: string,
  documents: readonly NewDocument[],
): Promise<Registered[]> {
  return tx.query<Registered>(
    `SELECT document_id AS "documentId", version_id AS "versionId", outcome FROM register_documents($1, $2)`,
    [
      tenantId,
      JSON.stringify(
        documents.map((document) => ({
          document: randomUUID(),
          version: randomUUID(),
          target: document.target,
          key: document.key,
          name: document.name,
          hash: document.hash.toString('hex'),
          bytes: document.bytes,
          type: document.declaredType,
          source_url: document.sourceUrl,
          metadata: document.metadata,
          expires: document.expiresAt,
          idempotency: document.idempotencyKey,
          fingerprint:
            document.idempotencyKey === undefined ? undefined : fingerprint(document).toString('hex'),
          priority: document.priority,
          trace: document.trace,
        })),
      ),
    ],
  );
}

/** What makes a request the same request. */
function fingerprint({ hash, sourceUrl, name, key, target, metadata }: NewDocument): Buffer {
  // What a URL answers may change from one request to the next.
  const digest = createHash('sha256').update(sourceUrl ?? hash);
  return digest.update(JSON.stringify([name, key, target, metadata])).digest();
}

export interface VersionView {
  readonly id: string;
  readonly number: number;
  readonly status: 'queued' | 'processing' | 'ready' | 'failed' | 'superseded';
  readonly stage: string | null;
  readonly done: number | null;
  readonly total: number | null;
  readonly bytes: number;
  readonly sha256: string;
  readonly format: string | null;
  readonly mediaType: string | null;
  readonly title: string | null;
  readonly pages: number | null;
  readonly characters: number | null;
  readonly chunks: number | null;
  readonly model: string | null;
  readonly dimensions: number | null;
  readonly extracted: { [key: string]: JsonValue };
  readonly notes: { code: string; message: string }[];
  readonly error: { code: string; message: string; hint: string } | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

export interface DocumentView {
  readonly id: string;
  readonly key: string | null;
  readonly name: string;
  readonly sourceUrl: string | null;
  readonly metadata: { [key: string]: JsonValue };
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly expiresAt: Date | null;
  readonly deletedAt: Date | null;
  /** What search sees; null until the first version is ready. */
  readonly currentVersion: string | null;
  readonly latest: VersionView;
}

const versionJson = `jsonb_build_object('id', v.id, 'number', v.number, 'status', v.status, 'stage', v.stage,
  'done', v.done, 'total', v.total, 'bytes', v.bytes, 'sha256', encode(v.hash, 'hex'), 'format', v.format,
  'mediaType', v.media_type, 'title', v.title, 'pages', v.pages, 'characters', v.characters, 'chunks', v.chunks,
  'model', v.model, 'dimensions', v.dimensions, 'extracted', v.extracted, 'notes', v.notes,
  'error', CASE WHEN v.error_code IS NOT NULL THEN
    jsonb_build_object('code', v.error_code, 'message', v.error_message, 'hint', v.error_hint) END,
  'createdAt', v.created_at, 'finishedAt', v.finished_at)`;

const documentColumns = `d.id, d.key, d.name, d.source_url AS "sourceUrl", d.metadata, d.created_at AS "createdAt",
  d.updated_at AS "updatedAt", d.expires_at AS "expiresAt", d.deleted_at AS "deletedAt",
  d.current_version AS "currentVersion", ${versionJson} AS latest`;

export interface DocumentFilter {
  readonly status?: string | undefined;
  readonly deleted?: boolean | undefined;
  readonly limit: number;
  /** From {@link DocumentPage.next}. */
  readonly cursor?: { readonly createdAt: string; readonly id: string } | undefined;
}

/** Documents, newest first. */
export function listDocuments(
  client: Client,
  tenantId: string,
  filter: DocumentFilter,
): Promise<DocumentView[]> {
  return asTenant(
    client,
    tenantId,
    (tx) =>
      tx.query<DocumentView>(
        `SELECT ${documentColumns} FROM document d JOIN version v ON v.id = d.latest_version
         WHERE d.tenant_id = $1 AND (d.deleted_at IS NOT NULL) = $2 AND ($3::text IS NULL OR v.status::text = $3)
           AND ($4::timestamptz IS NULL OR (date_trunc('milliseconds', d.created_at), d.id) < ($4, $5::uuid))
         ORDER BY date_trunc('milliseconds', d.created_at) DESC, d.id DESC LIMIT $6`,
        [
          tenantId,
          filter.deleted ?? false,
          filter.status ?? null,
          filter.cursor?.createdAt ?? null,
          filter.cursor?.id ?? null,
          filter.limit,
        ],
      ),
    { readOnly: true },
  );
}

export async function findDocument(
  client: Client,
  tenantId: string,
  id: string,
): Promise<DocumentView | undefined> {
  const [found] = await asTenant(
    client,
    tenantId,
    (tx) =>
      tx.query<DocumentView>(
        `SELECT ${documentColumns} FROM document d JOIN version v ON v.id = d.latest_version
         WHERE d.tenant_id = $1 AND d.id = $2`,
        [tenantId, id],
      ),
    { readOnly: true },
  );
  return found;
}

export async function listVersions(
  client: Client,
  tenantId: string,
  documentId: string,
): Promise<VersionView[]> {
  const rows = await asTenant(
    client,
    tenantId,
    (tx) =>
      tx.query<{ version: VersionView }>(
        `SELECT ${versionJson} AS version FROM version v WHERE v.tenant_id = $1 AND v.document_id = $2
         ORDER BY v.number DESC`,
        [tenantId, documentId],
      ),
    { readOnly: true },
  );
  return rows.map(({ version }) => version);
}

/** Counts of the tenant's documents by the status of their latest version. */
export async function documentCounts(client: Client, tenantId: string): Promise<Record<string, number>> {
  const rows = await asTenant(
    client,
    tenantId,
    (tx) =>
      tx.query<{ status: string; count: number }>(
        `SELECT v.status, count(*)::int AS count FROM document d JOIN version v ON v.id = d.latest_version
         WHERE d.tenant_id = $1 AND d.deleted_at IS NULL GROUP BY 1`,
        [tenantId],
      ),
    { readOnly: true },
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

/** The extracted text of the current version, or a part of it; undefined where there is none. */
export async function readText(
  client: Client,
  tenantId: string,
  documentId: string,
  range: { readonly start: number; readonly end: number },
): Promise<{ text: string; start: number; length: number } | undefined> {
  const [row] = await asTenant(
    client,
    tenantId,
    (tx) =>
      tx.query<{ text: string }>(
        `SELECT t.text FROM document d JOIN version_text t ON t.version_id = d.current_version
         WHERE d.tenant_id = $1 AND d.id = $2 AND d.deleted_at IS NULL`,
        [tenantId, documentId],
      ),
    { readOnly: true },
  );
  // Offsets are UTF-16 code units, which SQL cannot count.
  return row && { text: row.text.slice(range.start, range.end), start: range.start, length: row.text.length };
}

/** Hides a document at once; {@link restoreDocument} brings it back until retention removes it. */
export async function deleteDocument(client: Client, tenantId: string, id: string): Promise<boolean> {
  return asTenant(client, tenantId, async (tx) => {
    const rows = await tx.query(
      `UPDATE document SET deleted_at = now(), updated_at = now()
       WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING id`,
      [tenantId, id],
    );
    await tx.query(
      `UPDATE job j SET state = 'cancelled', updated_at = now() FROM version v
       WHERE v.document_id = $1 AND j.version_id = v.id AND j.state IN ('queued', 'dead')`,
      [id],
    );
    return rows.length > 0;
  });
}

/** Undoes a deletion, and an expiry. What had not been processed is queued again. */
export async function restoreDocument(client: Client, tenantId: string, id: string): Promise<boolean> {
  return asTenant(client, tenantId, async (tx) => {
    const [row] = await tx.query<{ version: string; status: string; found: boolean }>(
      `UPDATE document d SET deleted_at = NULL, updated_at = now(),
         expires_at = CASE WHEN d.expires_at > now() THEN d.expires_at END FROM version v
       WHERE d.tenant_id = $1 AND d.id = $2 AND d.deleted_at IS NOT NULL AND v.id = d.latest_version
       RETURNING v.id AS version, v.status, v.chunks = 0 OR EXISTS (SELECT FROM chunk c
         JOIN embedding_model m ON m.id = c.model_id AND m.state = 'active' WHERE c.version_id = v.id) AS found`,
      [tenantId, id],
    );
    if (!row) return false;
    // Search may have moved to another model while it was away.
    if (row.status !== 'ready' || !row.found) {
      await tx.query(
        `UPDATE version SET status = 'failed' WHERE id = $1 AND status IN ('queued', 'processing')`,
        [row.version],
      );
      await tx.query('SELECT retry_version($1, $2, NULL)', [tenantId, row.version]);
    }
    return true;
  });
}

/** Processes a version again. False when there is none, or it is at work already. */
export async function retryVersion(
  tx: Transaction,
  tenantId: string,
  versionId: string,
  trace?: string,
): Promise<boolean> {
  const { job } = await tx.one<{ job: string | null }>('SELECT retry_version($1, $2, $3) AS job', [
    tenantId,
    versionId,
    trace ?? null,
  ]);
  return job !== null;
}

/** Processes those of the versions again that have failed. Gives how many. */
export async function retryFailed(
  tx: Transaction,
  tenantId: string,
  versionIds: readonly string[],
): Promise<number> {
  const rows = await tx.query<{ job: string | null }>(
    `SELECT retry_version($1, failed.id, NULL) AS job
     FROM (SELECT id FROM version WHERE tenant_id = $1 AND id = ANY ($2) AND status = 'failed') AS failed`,
    [tenantId, versionIds],
  );
  return rows.filter(({ job }) => job !== null).length;
}

export interface DeadLetter {
  readonly id: string;
  readonly documentId: string;
  readonly versionId: string;
  readonly name: string;
  readonly attempts: number;
  readonly code: string;
  readonly message: string;
  readonly failedAt: Date;
}

/** Jobs that were given up, newest first. */
export function listDead(client: Client, tenantId: string, limit: number): Promise<DeadLetter[]> {
  return asTenant(
    client,
    tenantId,
    (tx) =>
      tx.query<DeadLetter>(
        `SELECT j.id, v.document_id AS "documentId", v.id AS "versionId", v.name, j.attempts, j.error_code AS code,
                j.error_message AS message, j.updated_at AS "failedAt"
         FROM job j JOIN version v ON v.id = j.version_id
         WHERE j.tenant_id = $1 AND j.state = 'dead' ORDER BY j.updated_at DESC, j.id LIMIT $2`,
        [tenantId, limit],
      ),
    { readOnly: true },
  );
}

/** Tries dead letters again, all of them where no ids are given. Gives how many. */
export async function redrive(
  tx: Transaction,
  tenantId: string,
  ids: readonly string[] | undefined,
): Promise<number> {
  const rows = await tx.query<{ job: string | null }>(
    `SELECT retry_version($1, dead.version_id, NULL) AS job FROM (
       SELECT DISTINCT version_id FROM job
       WHERE tenant_id = $1 AND state = 'dead' AND model_id IS NULL AND ($2::uuid[] IS NULL OR id = ANY ($2))) AS dead`,
    [tenantId, ids ?? null],
  );
  return rows.filter(({ job }) => job !== null).length;
}
