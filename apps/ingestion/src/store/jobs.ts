import type { Client } from '@stackyard/postgres';
import { asService } from './database.ts';

/** A job that this worker may do, until its lease runs out or somebody claims it with a higher fence. */
export interface ClaimedJob {
  readonly jobId: string;
  /** The fencing token: results count only while the job still has it. */
  readonly fence: number;
  readonly attempts: number;
  readonly tenantId: string;
  readonly documentId: string;
  readonly versionId: string;
  /** Set where only this model's vectors are to be added. */
  readonly modelId: number | null;
  readonly name: string;
  readonly declaredType: string | null;
  readonly hash: Buffer;
  readonly bytes: number;
  /** W3C trace context of the upload. */
  readonly trace: string | null;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** Milliseconds until the next attempt; undefined when there shall be none. */
  readonly retryAfterMs: number | undefined;
}

/** Claims jobs in fair order. */
export async function claimJobs(
  client: Client,
  worker: string,
  limit: number,
  leaseMs: number,
): Promise<ClaimedJob[]> {
  const rows = await asService(client, (tx) =>
    tx.query<ClaimedJob & { bytes: string }>(
      `SELECT job_id AS "jobId", fence, attempts, tenant_id AS "tenantId", document_id AS "documentId",
              version_id AS "versionId", model_id AS "modelId", name, declared_type AS "declaredType", hash, bytes, trace
       FROM claim_jobs($1, $2, $3 * interval '1 millisecond')`,
      [worker, limit, leaseMs],
    ),
  );
  return rows.map((row) => ({ ...row, bytes: Number(row.bytes) }));
}

/** Prolongs leases, and gives the ids of the jobs that are still the worker's. */
export async function renewLeases(
  client: Client,
  jobs: readonly ClaimedJob[],
  leaseMs: number,
): Promise<Set<string>> {
  const rows = await asService(client, (tx) =>
    tx.query<{ id: string }>(
      `UPDATE job j SET lease_until = now() + $3 * interval '1 millisecond'
       FROM unnest($1::uuid[], $2::int[]) AS c(id, fence)
       WHERE j.id = c.id AND j.fence = c.fence AND j.state = 'active' RETURNING j.id`,
      [jobs.map(({ jobId }) => jobId), jobs.map(({ fence }) => fence), leaseMs],
    ),
  );
  return new Set(rows.map(({ id }) => id));
}

/** Notes a failure; false when the job is somebody else's by now. */
export async function failJob(client: Client, job: ClaimedJob, failure: Failure): Promise<boolean> {
  const { counted } = await asService(client, (tx) =>
    tx.one<{ counted: boolean }>(
      `SELECT fail_job($1, $2, $3, $4, $5, $6 * interval '1 millisecond') AS counted`,
      [job.jobId, job.fence, failure.code, failure.message, failure.hint, failure.retryAfterMs ?? null],
    ),
  );
  return counted;
}

/** Gives jobs back unharmed, as when the worker stops: the next one takes them at once. */
export async function returnJobs(client: Client, jobs: readonly ClaimedJob[]): Promise<void> {
  if (jobs.length === 0) return;
  await asService(client, async (tx) => {
    await tx.query(
      `WITH returned AS (
         UPDATE job j SET state = 'queued', attempts = greatest(j.attempts - 1, 0), lease_until = NULL, updated_at = now()
         FROM unnest($1::uuid[], $2::int[]) AS c(id, fence)
         WHERE j.id = c.id AND j.fence = c.fence AND j.state = 'active' RETURNING j.version_id, j.model_id)
       UPDATE version v SET status = 'queued', stage = NULL, done = NULL, total = NULL
       FROM returned r WHERE v.id = r.version_id AND r.model_id IS NULL`,
      [jobs.map(({ jobId }) => jobId), jobs.map(({ fence }) => fence)],
    );
  });
}

/** Jobs of workers that went silent wait again, until that has happened `losses` times. Gives their number. */
export async function releaseExpired(client: Client, losses: number): Promise<number> {
  const { released } = await asService(client, (tx) =>
    tx.one<{ released: number }>('SELECT release_expired($1) AS released', [losses]),
  );
  return released;
}

/** How many jobs could run now. */
export async function dueJobs(client: Client): Promise<number> {
  const { due } = await asService(client, (tx) =>
    tx.one<{ due: number }>(
      `SELECT count(*)::int AS due FROM job WHERE state = 'queued' AND run_after <= now()`,
    ),
  );
  return due;
}

/** How far a version has come, for those who watch. Not kept with the version's own history. */
export async function reportProgress(
  client: Client,
  job: ClaimedJob,
  progress: { stage: string; done: number; total?: number | undefined },
): Promise<void> {
  await asService(client, (tx) =>
    tx.query(
      `WITH moved AS (
         UPDATE version v SET stage = $3, done = $4, total = $5 FROM job j
         WHERE v.id = $2 AND j.id = $1 AND j.fence = $6 AND j.state = 'active' AND v.status = 'processing' RETURNING v)
       SELECT announce(v) FROM moved`,
      [job.jobId, job.versionId, progress.stage, progress.done, progress.total ?? null, job.fence],
    ),
  );
}
