import type { Client } from '@stackyard/postgres';
import type { ClientBase } from 'pg';
import type { PipelineResult, Vector } from '../pipeline/index.ts';
import { binaryCopy, uuidBytes } from './binary-copy.ts';
import { chunkColumns, writeChunks } from './chunk-rows.ts';
import type { ClaimedJob } from './jobs.ts';
import { partitionOf } from './models.ts';

/** What the pipeline made of one claimed job, ready to be stored. */
export interface Finished {
  readonly job: ClaimedJob;
  readonly result: Pick<PipelineResult, 'document' | 'chunks' | 'embedding'>;
  /** The vectors of every model that is written, by the model's id. */
  readonly vectors: ReadonlyMap<number, readonly Vector[]>;
}

export interface Committed {
  /** Jobs whose results are stored and visible. */
  readonly stored: number;
  /** Jobs that somebody else has taken over, or whose document is gone or newer. Nothing of them was stored. */
  readonly dropped: number;
}

/**
 * Stores the results of several jobs in one transaction: chunks by binary COPY, then the pointers. A claim that does
 * not count any more (the fencing token has moved on) leaves nothing behind.
 */
export async function commit(client: Client, finished: readonly Finished[]): Promise<Committed> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await commitOnce(client, finished);
    } catch (error) {
      // Chosen to give way to a deletion or a renewal: nothing is wrong with any of the documents.
      if ((error as { code?: string }).code !== DEADLOCK || attempt >= ATTEMPTS) throw error;
    }
  }
}

const DEADLOCK = '40P01';
const ATTEMPTS = 5;

function commitOnce(client: Client, finished: readonly Finished[]): Promise<Committed> {
  return client.connection(async (connection) => {
    await connection.query(`BEGIN; SELECT set_config('role', 'ingestion_service', true)`);
    try {
      const outcome = await write(connection, finished);
      await connection.query('COMMIT');
      return outcome;
    } catch (error) {
      // Fails only when the connection is gone, and then the server rolls back by itself.
      await connection.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  });
}

async function write(connection: ClientBase, finished: readonly Finished[]): Promise<Committed> {
  const { rows } = await connection.query<{ job_id: string; wanted: boolean; stored: boolean }>(
    'SELECT job_id, wanted, stored FROM hold_claims($1, $2)',
    [finished.map(({ job }) => job.jobId), finished.map(({ job }) => job.fence)],
  );
  const held = new Map(rows.map((row) => [row.job_id, row]));
  const wanted = finished.filter(({ job }) => held.get(job.jobId)?.wanted === true);
  const unwanted = finished.filter(({ job }) => held.get(job.jobId)?.wanted === false);
  if (unwanted.length > 0) {
    await connection.query('SELECT drop_claims($1)', [unwanted.map(({ job }) => job.jobId)]);
  }
  const stored = wanted.filter(({ job }) => held.get(job.jobId)?.stored).map(({ job }) => job.versionId);
  for (const modelId of new Set(wanted.flatMap(({ vectors }) => [...vectors.keys()]))) {
    await loadChunks(connection, modelId, wanted, stored);
  }
  const versions = wanted.filter(({ job }) => job.modelId === null);
  if (versions.length > 0) {
    await loadTexts(connection, versions, stored);
    await connection.query('SELECT promote($1)', [JSON.stringify(versions.map(summary))]);
  }
  const additions = wanted.filter(({ job }) => job.modelId !== null).map(({ job }) => job.jobId);
  if (additions.length > 0) {
    await connection.query(
      `UPDATE job SET state = 'done', lease_until = NULL, updated_at = now() WHERE id = ANY ($1)`,
      [additions],
    );
  }
  return { stored: wanted.length, dropped: finished.length - wanted.length };
}

/** @param stored versions that may have chunks already, being processed again */
async function loadChunks(
  connection: ClientBase,
  modelId: number,
  finished: readonly Finished[],
  stored: readonly string[],
): Promise<void> {
  const table = partitionOf(modelId);
  if (stored.length > 0) {
    await connection.query(`DELETE FROM ${table} WHERE model_id = $1 AND version_id = ANY ($2)`, [
      modelId,
      stored,
    ]);
  }
  await binaryCopy(connection, table, chunkColumns, async (rows) => {
    for (const { job, result, vectors } of finished) {
      const own = vectors.get(modelId);
      if (own) await writeChunks(rows, modelId, job, result.chunks, own);
    }
  });
}

async function loadTexts(
  connection: ClientBase,
  finished: readonly Finished[],
  stored: readonly string[],
): Promise<void> {
  if (stored.length > 0) {
    await connection.query('DELETE FROM version_text WHERE version_id = ANY ($1)', [stored]);
  }
  await binaryCopy(connection, 'version_text', ['version_id', 'tenant_id', 'text'], async (rows) => {
    for (const { job, result } of finished) {
      rows.row(3);
      rows.bytes(uuidBytes(job.versionId));
      rows.text(job.tenantId);
      rows.text(result.document.text);
      await rows.flush();
    }
  });
}

function summary({ job, result }: Finished): object {
  const { document, chunks, embedding } = result;
  return {
    job: job.jobId,
    version: job.versionId,
    format: document.format,
    mediaType: document.mediaType,
    title: document.title,
    pages: document.pages,
    characters: document.text.length,
    chunks: chunks.length,
    model: embedding.model,
    dimensions: embedding.dimensions,
    extracted: document.metadata,
    notes: document.notes,
  };
}
