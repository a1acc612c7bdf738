import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createHealth } from '@stackyard/healthchecks';
import { type Client, createClient } from '@stackyard/postgres';
import type { FastifyInstance } from 'fastify';
import { type RunningPgvector, startPgvector } from 'stackyard/engines/pgvector';
import type { ApiContext } from '../src/api/context.ts';
import { createApi } from '../src/api/server.ts';
import {
  createHashingEmbedder,
  type Embedder,
  type Extractor,
  openExtractor,
} from '../src/pipeline/index.ts';
import { openQueue, type Queue } from '../src/queue/index.ts';
import { migrations, setup } from '../src/setup.ts';
import { type ContentStore, openStorage } from '../src/storage/index.ts';
import { saveTenant } from '../src/store/tenants.ts';
import { type RunningWorker, startWorker, type WorkerOptions } from '../src/worker/worker.ts';

const cache = fileURLToPath(new URL('../node_modules/.cache/ingestion', import.meta.url));
const password = 'test';
const anonymousTenant = 'default';

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
    });
    await setup({ databaseUrl: database.url, anonymousTenant });
  }
  await rename(join(part, 'data'), path).catch(() => undefined); // another run was first
  await rm(part, { recursive: true, force: true });
  return path;
}

/** A database of one's own with the schema in it. */
export async function startDatabase(folder: string): Promise<RunningPgvector> {
  const dataDirectory = join(folder, 'database');
  await cp(await template(), dataDirectory, { recursive: true });
  return startPgvector({ dataDirectory, database: 'ingestion', password });
}

/** Makes a database as `setup` left it, for tests that share one. */
export async function emptyDatabase(url: string): Promise<void> {
  await using client = createClient({ url, connections: 1 });
  const partitions = await client.query<{ name: string }>(
    `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'chunk'::regclass`,
  );
  for (const { name } of partitions) await client.query(`DROP TABLE ${name}`);
  await client.query('TRUNCATE tenant, embedding_model, control, pgboss.job RESTART IDENTITY CASCADE');
  await client.query('INSERT INTO control DEFAULT VALUES');
  await saveTenant(client, anonymousTenant);
}

export interface StackOptions {
  readonly embedder?: Embedder;
  readonly queueUrl?: string;
  readonly storageUrl?: URL;
  readonly api?: Partial<ApiContext>;
  readonly worker?: Partial<WorkerOptions> | false;
  /** A database that runs already, such as a native one. */
  readonly databaseUrl?: string;
}

export interface TestStack extends AsyncDisposable {
  readonly folder: string;
  readonly url: string;
  readonly databaseUrl: string;
  readonly client: Client;
  readonly queue: Queue;
  readonly storage: ContentStore;
  readonly extractor: Extractor;
  readonly embedder: Embedder;
  readonly api: FastifyInstance;
  readonly database: RunningPgvector | undefined;
  readonly worker: RunningWorker | undefined;
  /** What the programs reported as unforeseen. */
  readonly errors: unknown[];
  startWorker(options?: Partial<WorkerOptions>): Promise<RunningWorker>;
  /** Kills the database and starts it again at the same address after `downMs`. */
  crashDatabase(downMs?: number): Promise<void>;
}

/** API and worker in this process over an embedded database in its own. */
export async function openStack(options: StackOptions = {}): Promise<TestStack> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'ingestion test-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  let database = options.databaseUrl === undefined ? await startDatabase(folder) : undefined;
  stack.defer(() => database?.[Symbol.asyncDispose]());
  const databaseUrl = options.databaseUrl ?? (database as RunningPgvector).url;
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const client = stack.use(createClient({ url: databaseUrl, connections: 8 }));
  const storage = stack.use(await openStorage(options.storageUrl ?? pathToFileURL(join(folder, 'objects'))));
  const url = options.queueUrl === undefined ? undefined : new URL(options.queueUrl);
  const queue = stack.use(await openQueue({ url, client, onError }));
  const extractor = stack.use(openExtractor({ processes: 1 }));
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
    anonymousTenant,
    ...options.api,
  });
  stack.defer(() => api.close());
  const address = await api.listen({ host: '127.0.0.1', port: 0 });
  const owned = stack.move();
  return {
    ...shared,
    folder,
    url: address,
    databaseUrl,
    api,
    get database() {
      return database;
    },
    worker,
    errors,
    startWorker: async (own) => {
      const started = await startWorker({ ...shared, reconcileMs: 500, leaseMs: 3000, ...own });
      owned.defer(() => started.stop());
      return started;
    },
    async crashDatabase(downMs = 0) {
      const { port } = database as RunningPgvector;
      await (database as RunningPgvector).kill();
      await new Promise((resolve) => setTimeout(resolve, downMs));
      database = await startPgvector({
        dataDirectory: join(folder, 'database'),
        database: 'ingestion',
        password,
        port,
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
