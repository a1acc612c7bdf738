import { once } from 'node:events';
import type { Client } from '@stackyard/postgres';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { PipelineResult, Vector } from '../pipeline/index.ts';
import { ChunkEncoder, chunkColumns } from './chunk-encoder.ts';
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
export function commit(client: Client, finished: readonly Finished[]): Promise<Committed> {
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
  const { rows } = await connection.query<{ job_id: string; wanted: boolean }>(
    'SELECT job_id, wanted FROM hold_claims($1, $2)',
    [finished.map(({ job }) => job.jobId), finished.map(({ job }) => job.fence)],
  );
  const held = new Map(rows.map(({ job_id, wanted }) => [job_id, wanted]));
  const wanted = finished.filter(({ job }) => held.get(job.jobId) === true);
  const unwanted = finished.filter(({ job }) => held.get(job.jobId) === false);
  if (unwanted.length > 0) {
    await connection.query('SELECT drop_claims($1)', [unwanted.map(({ job }) => job.jobId)]);
  }
  for (const modelId of new Set(wanted.flatMap(({ vectors }) => [...vectors.keys()]))) {
    await load(connection, modelId, wanted);
  }
  const versions = wanted.filter(({ job }) => job.modelId === null);
  if (versions.length > 0) {
    await connection.query('SELECT promote($1, $2)', [
      JSON.stringify(versions.map(summary)),
      versions.map(({ result }) => result.document.text),
    ]);
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

async function load(connection: ClientBase, modelId: number, finished: readonly Finished[]): Promise<void> {
  const table = partitionOf(modelId);
  // There are some when a version is processed again.
  await connection.query(`DELETE FROM ${table} WHERE model_id = $1 AND version_id = ANY ($2)`, [
    modelId,
    finished.map(({ job }) => job.versionId),
  ]);
  const target = connection.query(
    copyFrom(`COPY ${table} (${chunkColumns.join(', ')}) FROM STDIN (FORMAT binary)`),
  );
  const encoder = new ChunkEncoder((piece) => {
    if (target.write(piece)) return undefined;
    return once(target, 'drain').then(() => undefined);
  });
  const done = once(target, 'finish');
  done.catch(() => undefined); // awaited below; an error may come before
  for (const { job, result, vectors } of finished) {
    const own = vectors.get(modelId);
    if (own) await encoder.write(modelId, job, result.chunks, own);
  }
  await encoder.end();
  target.end();
  await done;
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
    chunks: chunks.length,
    model: embedding.model,
    dimensions: embedding.dimensions,
    extracted: document.metadata,
    notes: document.notes,
  };
}
