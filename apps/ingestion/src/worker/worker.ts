import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, toPostgresError } from '@stackyard/postgres';
import { Batcher } from '../batcher.ts';
import {
  type Embedder,
  type Extractor,
  embeddingText,
  PipelineError,
  type Progress,
  type Vector,
} from '../pipeline/index.ts';
import type { Queue } from '../queue/index.ts';
import type { ContentStore } from '../storage/index.ts';
import { ensureAnnIndex, isBulkLoading } from '../store/ann-index.ts';
import { commit, type Finished } from '../store/commit.ts';
import { isOutage } from '../store/database.ts';
import {
  type ClaimedJob,
  claimJobs,
  dueJobs,
  failJob,
  releaseExpired,
  renewLeases,
  reportProgress,
  returnJobs,
} from '../store/jobs.ts';
import { ensureModel, liveModels, type StoredModel } from '../store/models.ts';
import { continueReindex } from '../store/reindex.ts';
import { noteOrphans, type RetentionOptions, sweep } from '../store/retention.ts';
import { failureOf, type RetryPolicies } from './retry.ts';

export interface WorkerOptions {
  readonly client: Client;
  readonly queue: Queue;
  readonly storage: ContentStore;
  readonly extractor: Extractor;
  readonly embedder: Embedder;
  /** Embedders by model, for a model that is built up beside the active one. */
  readonly embedderOf?: (model: StoredModel) => Embedder | undefined;
  /** Documents in work at once. */
  readonly concurrency?: number;
  /** A job is somebody else's after this long without a sign of life. */
  readonly leaseMs?: number;
  readonly reconcileMs?: number;
  /** What is tried again, and when. */
  readonly retries?: RetryPolicies;
  /** Removes what is past its time; never where absent. */
  readonly retention?: RetentionOptions;
  readonly observer?: WorkerObserver;
  readonly onError: (error: unknown) => void;
}

/** Told what happens, for metrics and traces. */
export interface WorkerObserver {
  /** Wraps the work on one job. */
  job?<T>(job: ClaimedJob, run: () => Promise<T>): Promise<T>;
  stage?<T>(job: ClaimedJob, stage: string, run: () => Promise<T>): Promise<T>;
  finished?(job: ClaimedJob, outcome: 'stored' | 'retry' | 'dead', seconds: number): void;
}

export interface RunningWorker extends AsyncDisposable {
  readonly name: string;
  readonly busy: number;
  /** Takes nothing new, ends what runs within the grace time, and gives the rest back. */
  stop(graceMs?: number): Promise<void>;
}

/** Workers go silent over a document this often before it is taken for the culprit. */
const MAX_LOSSES = 3;

/** Chunks of one transaction; more would only make it longer. */
const COMMIT_CHUNKS = 4000;

/** How often what is past its time is removed. */
const SWEEP_MS = 60_000;

/** How often all of the storage is looked through for what the database does not know, and how old that must be. */
const ORPHAN_MS = 6 * 3_600_000;

/** How often is seen whether there are enough chunks for an approximate index. */
const INDEX_MS = 30_000;

/** How often is tried whether the database is back. */
const OUTAGE_MS = 500;
/** Shorter stages are over before a person could see them. */
const PROGRESS_MS = 300;

interface Running {
  readonly job: ClaimedJob;
  readonly stop: AbortController;
  done: Promise<void>;
}

export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { client, queue, storage, extractor, embedder, observer, onError } = options;
  const concurrency = options.concurrency ?? 8;
  const leaseMs = options.leaseMs ?? 10_000;
  const name = `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;
  const commits = new Batcher<Finished, void>({
    run: async (finished) => {
      await commit(client, finished).catch((error: unknown) => {
        throw toPostgresError(error);
      });
      return [];
    },
    capacity: COMMIT_CHUNKS,
    isShared: isOutage,
    // A job without chunks costs its row updates.
    weigh: ({ result }) => result.chunks.length + 20,
  });
  const running = new Map<string, Running>();
  const stopping = new AbortController();
  let room = Promise.withResolvers<void>();
  let models = await modelsNow();

  async function modelsNow(): Promise<{ model: StoredModel; embedder: Embedder }[]> {
    await ensureModel(client, embedder);
    const found: { model: StoredModel; embedder: Embedder }[] = [];
    for (const model of await liveModels(client)) {
      const own = isOf(embedder, model) ? embedder : options.embedderOf?.(model);
      if (own) found.push({ model, embedder: own });
    }
    return found;
  }

  async function capacity(): Promise<number> {
    while (running.size >= concurrency) await room.promise;
    return concurrency - running.size;
  }

  async function deliver(count: number): Promise<void> {
    if (stopping.signal.aborted) throw new Error('The worker is stopping');
    for (const job of await claimJobs(client, name, count, leaseMs)) {
      const entry: Running = { job, stop: new AbortController(), done: Promise.resolve() };
      running.set(job.jobId, entry);
      const work = () => run(job, entry.stop.signal);
      entry.done = (observer?.job ? observer.job(job, work) : work()).catch(onError).finally(() => {
        running.delete(job.jobId);
        room.resolve();
        room = Promise.withResolvers();
      });
    }
  }

  async function run(job: ClaimedJob, signal: AbortSignal): Promise<void> {
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1000;
    try {
      await processJob(job, signal);
      observer?.finished?.(job, 'stored', seconds());
    } catch (error) {
      // Given back, or taken over: there is nothing to note.
      if (signal.aborted) return;
      if (!(error instanceof PipelineError)) onError(error);
      const failure = failureOf(error, job.attempts, options.retries && { policies: options.retries });
      const counted = await outlasting(signal, () => failJob(client, job, failure));
      const again = failure.retryAfterMs;
      observer?.finished?.(job, again === undefined ? 'dead' : 'retry', seconds());
      if (counted && again !== undefined) await queue.add(1, { delayMs: again });
    }
  }

  /** Waits until the database is back, or until the job is somebody else's. */
  async function outlasting<T>(signal: AbortSignal, write: () => Promise<T>): Promise<T | undefined> {
    while (!signal.aborted) {
      try {
        return await write();
      } catch (error) {
        if (!isOutage(error)) throw error;
        await sleep(OUTAGE_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  function staged<T>(job: ClaimedJob, stage: string, work: () => Promise<T>): Promise<T> {
    return observer?.stage ? observer.stage(job, stage, work) : work();
  }

  async function processJob(job: ClaimedJob, signal: AbortSignal): Promise<void> {
    const onProgress = progressOf(job);
    const source = await storage.source(job.tenantId, job.hash);
    const { document, chunks } = await staged(job, 'extract', () =>
      extractor.process(
        { name: job.name, declaredType: job.declaredType ?? undefined, source },
        { seed: `${job.tenantId}/${job.documentId}/${job.versionId}`, signal, onProgress },
      ),
    );
    const texts = chunks.map(embeddingText);
    const vectors = new Map<number, Vector[]>();
    const targets = await targetsOf(job);
    await staged(job, 'embed', async () => {
      for (const { model, embedder: own } of targets) {
        vectors.set(
          model.id,
          await own.embed(texts, {
            signal,
            onProgress: (done) => onProgress({ stage: 'embed', done, total: texts.length }),
          }),
        );
      }
    });
    const active = targets.find(({ model }) => model.state === 'active')?.model ?? embedder;
    const embedding = { model: active.model, dimensions: active.dimensions };
    await staged(job, 'index', () => commits.add({ job, result: { document, chunks, embedding }, vectors }));
  }

  /** The models that the job is to have vectors of. */
  async function targetsOf({ modelId }: ClaimedJob): Promise<typeof models> {
    if (modelId === null) return models;
    const own = () => models.filter(({ model }) => model.id === modelId);
    if (own().length === 0) models = await modelsNow();
    if (own().length > 0) return own();
    throw new PipelineError(
      'INGEST_EMBED_UNAVAILABLE',
      'This worker has no embedder for the model that is built up',
      {
        hint: 'Start workers with the settings of that model.',
      },
    );
  }

  function progressOf(job: ClaimedJob): (progress: Progress) => void {
    let last = performance.now();
    return (progress) => {
      const now = performance.now();
      // The end of a stage is told by the next one.
      if (now - last < PROGRESS_MS || progress.done === progress.total) return;
      last = now;
      reportProgress(client, job, progress).catch(onError);
    };
  }

  async function renew(): Promise<void> {
    const jobs = [...running.values()].map(({ job }) => job);
    if (jobs.length === 0) return;
    const still = await renewLeases(client, jobs, leaseMs);
    for (const { jobId } of jobs) {
      if (!still.has(jobId)) running.get(jobId)?.stop.abort(new Error('The job was taken over'));
    }
  }

  async function reconcile(): Promise<void> {
    // After an outage every lease has run out, those of living workers too.
    await renew();
    await releaseExpired(client, MAX_LOSSES);
    models = await modelsNow();
    if (models.some(({ model }) => model.state === 'building'))
      await continueReindex(client, stopping.signal);
    const missing = (await dueJobs(client)) - (await queue.waiting());
    if (missing > 0) await queue.add(Math.min(missing, 1000));
  }

  async function index(): Promise<void> {
    if (await isBulkLoading(client)) return;
    for (const { model } of models) {
      if (model.state === 'active') await ensureAnnIndex(client, model, { signal: stopping.signal });
    }
  }

  async function repeat(everyMs: number, task: () => Promise<void>): Promise<void> {
    while (!stopping.signal.aborted) {
      await task().catch(onError);
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const loops = [repeat(leaseMs / 4, renew), repeat(options.reconcileMs ?? 2000, reconcile)];
  loops.push(repeat(INDEX_MS, index));
  const { retention } = options;
  if (retention) {
    loops.push(repeat(SWEEP_MS, async () => void (await sweep(client, storage, retention))));
    const orphaned = () => new Date(Date.now() - ORPHAN_MS);
    loops.push(repeat(ORPHAN_MS, async () => void (await noteOrphans(client, storage, orphaned()))));
  }
  const consumer = await queue.consume({ capacity, deliver, onError });

  let stopped: Promise<void> | undefined;
  async function stopOnce(graceMs: number): Promise<void> {
    stopping.abort();
    await consumer.stop();
    const all = [...running.values()];
    await Promise.race([Promise.all(all.map(({ done }) => done)), sleep(graceMs, undefined, { ref: false })]);
    const left = [...running.values()];
    for (const entry of left) entry.stop.abort(new Error('The worker stops'));
    await Promise.all(loops);
    await returnJobs(
      client,
      left.map(({ job }) => job),
    ).catch(onError);
    await queue.add(left.length).catch(onError);
    await Promise.all(left.map(({ done }) => done));
  }

  const stop = (graceMs = 8000) => {
    stopped ??= stopOnce(graceMs);
    return stopped;
  };
  return {
    name,
    get busy() {
      return running.size;
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

function isOf(embedder: Embedder, model: StoredModel): boolean {
  return embedder.model === model.model && embedder.dimensions === model.dimensions;
}
