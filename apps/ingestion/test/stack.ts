import { createHash } from 'node:crypto';
import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createHealth } from '@stackyard/healthchecks';
import { type Client, createClient } from '@stackyard/postgres';
import type { FastifyInstance } from 'fastify';
import { startPgvector } from 'stackyard/engines/pgvector';
import type { ApiContext } from '../src/api/context.ts';
import { createApi } from '../src/api/server.ts';
import {
  createHashingEmbedder,
  type Embedder,
  type Extractor,
  type Limits,
  openExtractor,
} from '../src/pipeline/index.ts';
import { openQueue, type Queue } from '../src/queue/index.ts';
import { migrations, setup } from '../src/setup.ts';
import { type ContentStore, openStorage } from '../src/storage/index.ts';
import { saveTenant } from '../src/store/tenants.ts';
import { type RunningWorker, startWorker, type WorkerOptions } from '../src/worker/worker.ts';

const cache = fileURLToPath(new URL('../node_modules/.cache/ingestion', import.meta.url));
const password = 'test';

/** Tests start often and compute little. */
const execArgv = ['--liftoff-only'];

/** A data directory with the schema in it, made once per state of the migrations and copied for each test file. */
async function template(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(migrations)).toSorted())
    hash.update(await readFile(join(migrations, name)));
  hash.update(await readFile(new URL('../src/queue/pg-boss-queue.ts', import.meta.url)));
  const path = join(cache, hash.digest('hex').slice(0, 16));
  if (await stat(path).catch(() => undefined)) return path;
  await mkdir(cache, { recursive: true });
  const part = await mkdtemp(join(cache, 'part-'));
  {
    await using database = await startPgvector({
      dataDirectory: join(part, 'data'),
      database: 'ingestion',
      password,
      execArgv,
    });
    await setup({ databaseUrl: database.url, anonymousTenant: 'default' });
  }
  await rename(join(part, 'data'), path).catch(() => undefined); // another run was first
  await rm(part, { recursive: true, force: true });
  return path;
}

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  /** Reads documents with the usual limits; its process starts with the first. */
  readonly extractor: Extractor;
  /** As it was at the beginning. */
  clear(): Promise<void>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Starts it again, at the same address. */
  start(): Promise<void>;
}

/** A database of one's own with the schema in it. Starting one takes a second; `clear` milliseconds. */
export async function openDatabase(): Promise<TestDatabase> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'ingestion database-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const dataDirectory = join(folder, 'data');
  // The asynchronous copy of a thousand files takes ten times as much of the processor.
  cpSync(await template(), dataDirectory, { recursive: true });
  const options = { dataDirectory, database: 'ingestion', password, execArgv };
  let running = await startPgvector(options);
  stack.defer(() => running[Symbol.asyncDispose]());
  const { url, port } = running;
  const extractor = stack.use(openExtractor({ processes: 1 }));
  const owned = stack.move();
  return {
    url,
    extractor,
    async clear() {
      await using client = createClient({ url, connections: 1 });
      const tables = await client.query<{ name: string; part: boolean }>(
        `SELECT relname AS name, relispartition AS part FROM pg_class
         WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname <> 'control'`,
      );
      const parts = tables.filter(({ part }) => part).map(({ name }) => `DROP TABLE ${name};`);
      const whole = tables.filter(({ part }) => !part).map(({ name }) => name);
      await client.query(`${parts.join('')} TRUNCATE ${whole.join()} RESTART IDENTITY; DELETE FROM pgboss.job;
        UPDATE control SET paused = false, last_turn = 0`);
      await saveTenant(client, 'default');
    },
    kill: () => running.kill(),
    async start() {
      running = await startPgvector({ ...options, port });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export interface StackOptions {
  readonly embedder?: Embedder;
  readonly queueUrl?: string;
  readonly storageUrl?: URL;
  readonly api?: Partial<ApiContext>;
  readonly worker?: Partial<WorkerOptions> | false;
  /** One that tests share: it is cleared at the beginning and goes on at the end. */
  readonly database?: TestDatabase;
  /** What reading one document may use. */
  readonly limits?: Partial<Limits>;
}

export interface TestStack extends AsyncDisposable {
  readonly folder: string;
  readonly url: string;
  readonly client: Client;
  readonly queue: Queue;
  readonly storage: ContentStore;
  readonly extractor: Extractor;
  readonly embedder: Embedder;
  readonly api: FastifyInstance;
  readonly database: TestDatabase;
  readonly worker: RunningWorker | undefined;
  /** What the programs reported as unforeseen. */
  readonly errors: unknown[];
  startWorker(options?: Partial<WorkerOptions>): Promise<RunningWorker>;
}

/** API and worker in this process over an embedded database in its own. */
export async function openStack(options: StackOptions = {}): Promise<TestStack> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'ingestion test-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  await options.database?.clear();
  const database = options.database ?? stack.use(await openDatabase());
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const client = stack.use(createClient({ url: database.url, connections: 8 }));
  const storage = stack.use(await openStorage(options.storageUrl ?? pathToFileURL(join(folder, 'objects'))));
  const url = options.queueUrl === undefined ? undefined : new URL(options.queueUrl);
  const queue = stack.use(await openQueue({ url, client, onError }));
  const { limits } = options;
  const extractor = limits ? stack.use(openExtractor({ processes: 1, limits })) : database.extractor;
  const embedder = options.embedder ?? createHashingEmbedder({ dimensions: 64 });
  const shared = { client, queue, storage, extractor, embedder, onError };
  const start = async (own: Partial<WorkerOptions> = {}) =>
    stack.use(await startWorker({ ...shared, reconcileMs: 500, leaseMs: 3000, ...own }));
  let worker: RunningWorker | undefined;
  if (options.worker !== false) worker = await start(options.worker);
  const api = await createApi({
    ...shared,
    health: createHealth(),
    maxDocumentBytes: 1024 ** 3,
    anonymousTenant: 'default',
    ...options.api,
  });
  stack.defer(() => api.close());
  const address = await api.listen({ host: '127.0.0.1', port: 0 });
  const owned = stack.move();
  return {
    ...shared,
    folder,
    url: address,
    api,
    database,
    worker,
    errors,
    startWorker: async (own) => {
      const started = await startWorker({ ...shared, reconcileMs: 500, leaseMs: 3000, ...own });
      owned.defer(() => started.stop());
      return started;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
