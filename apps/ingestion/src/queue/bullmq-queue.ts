import { Queue as BullQueue, type ConnectionOptions, Worker } from 'bullmq';
import type { ConsumeOptions, Consumer, Queue } from './queue.ts';

const NAME = 'ingest';

/** Deliveries of one consumer at once; each waits for room and makes one claim. */
const PARALLEL = 32;

/** The queue on Redis. It may lose everything: the database knows what is to be done. */
export async function openBullQueue(url: URL, onError: (error: unknown) => void): Promise<Queue> {
  const connection = connectionOf(url);
  const queue = new BullQueue(NAME, {
    // Fails at once while Redis is away, instead of holding an upload up until it is back.
    connection: { ...connection, enableOfflineQueue: false },
    prefix: '{ingestion}',
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1000 },
  });
  queue.on('error', onError);

  return {
    description: `BullMQ on Redis at ${url.host}`,
    transactional: false,

    async add(count, { delayMs } = {}) {
      if (count <= 0) return;
      const one = { name: 'claim', data: {}, ...(delayMs ? { opts: { delay: delayMs } } : {}) };
      await queue.addBulk(Array.from({ length: count }, () => one));
    },

    consume: (options) => consume(connection, options),

    async waiting() {
      return (await queue.getWaitingCount()) + (await queue.getPrioritizedCount());
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

async function consume(connection: ConnectionOptions, options: ConsumeOptions): Promise<Consumer> {
  const { capacity, deliver, onError } = options;
  const worker = new Worker(
    NAME,
    async () => {
      await capacity();
      await deliver(1);
    },
    {
      connection,
      prefix: '{ingestion}',
      concurrency: PARALLEL,
      lockDuration: 10_000,
      stalledInterval: 5000,
      maxStalledCount: 1000,
    },
  );
  worker.on('error', onError);
  const stop = () => worker.close();
  return { stop, [Symbol.asyncDispose]: stop };
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
