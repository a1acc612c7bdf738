import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue as BullQueue, type ConnectionOptions, type Job, Worker } from 'bullmq';
import type { ConsumeOptions, Consumer, Queue } from './queue.ts';
import { untilAborted } from './until-aborted.ts';

const NAME = 'ingest';

/** The braces keep the keys together in a Redis cluster. */
const PREFIX = '{ingestion}';

/** A permission that was taken and not used comes again after this. */
const LOCK_MS = 10_000;

const RETRY_MS = 500;
/** A Redis that answers nothing for this long is away, whether it was there once, takes commands or refuses to. */
const ANSWER_MS = 2000;

/** The queue on Redis. It may lose everything: the database knows what is to be done. */
export async function openBullQueue(url: URL, onError: (error: unknown) => void): Promise<Queue> {
  const connection = connectionOf(url);
  const queue = new BullQueue(NAME, {
    // Fails at once while Redis is away, instead of holding an upload up until it is back.
    connection: { ...connection, enableOfflineQueue: false },
    prefix: PREFIX,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1000 },
  });
  queue.on('error', onError);

  return {
    description: `BullMQ on Redis at ${url.host}`,
    transactional: false,

    async add(count, { delayMs } = {}) {
      if (count <= 0) return;
      const one = { name: 'claim', data: {}, ...(delayMs ? { opts: { delay: delayMs } } : {}) };
      await soon(queue.addBulk(Array.from({ length: count }, () => one)));
    },

    consume: (options) => consume(connection, options),

    async waiting() {
      return (await soon(queue.getWaitingCount())) + (await soon(queue.getPrioritizedCount()));
    },

    async check(signal) {
      signal?.throwIfAborted();
      await queue.getWaitingCount();
    },

    async [Symbol.asyncDispose]() {
      await queue.close();
    },
  };
}

/** Takes jobs by hand: BullMQ's own loop spins without a pause while Redis is away. */
async function consume(connection: ConnectionOptions, options: ConsumeOptions): Promise<Consumer> {
  const { capacity, deliver, onError } = options;
  const worker = new Worker(NAME, null, {
    connection,
    prefix: PREFIX,
    lockDuration: LOCK_MS,
    stalledInterval: LOCK_MS / 2,
    maxStalledCount: 1000,
    drainDelay: 1,
  });
  worker.on('error', () => {}); // the calls below fail with the same
  const token = randomUUID();
  const stopping = new AbortController();

  async function take(free: number): Promise<Job[]> {
    const jobs: Job[] = [];
    while (jobs.length < free) {
      const job = await worker.getNextJob(token, { block: jobs.length === 0 });
      if (!job) break;
      jobs.push(job);
    }
    return jobs;
  }

  async function handle(jobs: readonly Job[]): Promise<void> {
    try {
      await deliver(jobs.length);
    } catch (error) {
      for (const job of jobs) await job.moveToFailed(error as Error, token, false);
      throw error;
    }
    for (const job of jobs) await job.moveToCompleted(true, token, false);
  }

  const running = (async () => {
    await worker.startStalledCheckTimer().catch(onError);
    while (!stopping.signal.aborted) {
      const free = await untilAborted(capacity(), stopping.signal);
      if (free === undefined) return;
      try {
        const jobs = await take(free);
        if (jobs.length > 0) await handle(jobs);
      } catch (error) {
        if (stopping.signal.aborted) return;
        onError(error);
        await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  })();

  const stop = async () => {
    stopping.abort();
    // While Redis is away the loop waits in a call that never ends. Without a connection it can do no harm.
    await Promise.race([running, sleep(ANSWER_MS, undefined, { ref: false })]);
    await worker.close(true);
  };
  return { stop, [Symbol.asyncDispose]: stop };
}

async function soon<T>(answer: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = sleep(ANSWER_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error('Redis does not answer');
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    over.abort();
    late.catch(() => {});
    answer.catch(() => {});
  }
}

function connectionOf(url: URL): ConnectionOptions {
  const database = Number(url.pathname.slice(1) || 0);
  return {
    host: url.hostname,
    port: Number(url.port || 6379),
    db: database,
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' && { tls: {} }),
    // What BullMQ's blocking reads ask for.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(times * 100, 2000),
  };
}
