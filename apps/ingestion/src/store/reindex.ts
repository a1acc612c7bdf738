import type { Client } from '@stackyard/postgres';
import { ensureAnnIndex } from './ann-index.ts';
import { asService } from './database.ts';
import { activateModel, lacksVectors, partitionOf } from './models.ts';

/**
 * Queues, behind everything else, a job for each visible version that has no vectors of the model. Gives how many. Those
 * that were given up stay so, but for one who asks `again`.
 */
export async function startReindex(
  client: Client,
  modelId: number,
  { again = false }: { again?: boolean } = {},
): Promise<number> {
  const rows = await asService(client, async (tx) => {
    if (again) {
      await tx.query(
        `UPDATE job SET state = 'cancelled', updated_at = now() WHERE model_id = $1 AND state = 'dead'`,
        [modelId],
      );
    }
    return tx.query(
      `SELECT add_job(v.tenant_id, v.id, $1, (-100)::smallint, NULL) FROM document d JOIN version v ON v.id = d.current_version
       WHERE d.deleted_at IS NULL AND v.chunks > 0
         AND NOT EXISTS (SELECT FROM ${partitionOf(modelId)} c WHERE c.version_id = v.id AND c.model_id = $1)
         AND NOT EXISTS (SELECT FROM job j WHERE j.version_id = v.id AND j.model_id = $1 AND j.state IN ('queued', 'active', 'dead'))`,
      [modelId],
    );
  });
  return rows.length;
}

/** Queues, behind everything else, every visible document to be read, cut and embedded anew. Gives how many. */
export async function reprocessAll(client: Client): Promise<number> {
  return asService(client, async (tx) => {
    const queued = await tx.query<{ job: string | null }>(
      `SELECT retry_version(d.tenant_id, v.id, NULL) AS job FROM document d JOIN version v ON v.id = d.latest_version
       WHERE d.deleted_at IS NULL AND v.status = 'ready' ORDER BY d.tenant_id, d.id`,
    );
    const jobs = queued.flatMap(({ job }) => job ?? []);
    await tx.query('UPDATE job SET priority = -100 WHERE id = ANY ($1)', [jobs]);
    return jobs.length;
  });
}

/**
 * Makes a model that is being built the active one, once every visible version has its vectors. Until then, versions
 * that have come without them get a job of their own: a worker that had not heard of the model wrote them.
 */
export async function continueReindex(client: Client, signal?: AbortSignal): Promise<void> {
  const [building] = await client.query<{ id: number; dimensions: number }>(
    `SELECT id, dimensions FROM embedding_model WHERE state = 'building' ORDER BY id LIMIT 1`,
  );
  if (!building) return;
  if (await asService(client, (tx) => lacksVectors(tx, building.id))) {
    await startReindex(client, building.id);
    return;
  }
  await ensureAnnIndex(client, building, signal ? { signal } : {});
  if (!signal?.aborted) await activateModel(client, building.id);
}
