import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createHashingEmbedder, createOpenAiEmbedder, type Embedder } from '../src/pipeline/index.ts';
import { releaseExpired } from '../src/store/jobs.ts';
import { type RetryPolicies, retryPolicies } from '../src/worker/retry.ts';
import { startEmbeddingService, vectors } from './embedding-service.ts';
import { startProxy, type TestProxy } from './proxy.ts';
import { requests } from './requests.ts';
import { openDatabase, openStack, type StackOptions, type TestDatabase } from './stack.ts';

// The real policies, but for the time that passes.
const retries = Object.fromEntries(
  Object.entries(retryPolicies).map(([code, policy]) => [
    code,
    { ...policy, firstDelayMs: 1, longestDelayMs: 1 },
  ]),
) as RetryPolicies;
const hashing = createHashingEmbedder({ dimensions: 64 });

let database: TestDatabase;
let proxy: TestProxy;
let distant: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  const { hostname: host, port } = new URL(database.url);
  proxy = await startProxy({ host, port: Number(port) });
  const url = new URL(database.url);
  url.port = String(proxy.port);
  distant = { ...database, url: url.href };
}, 120_000);
beforeEach(() => proxy.heal());
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

async function open(options: StackOptions = {}) {
  const worker = { reconcileMs: 100, retries, ...options.worker };
  const stack = await openStack({ database, ...options, worker: options.worker === false ? false : worker });
  return { stack, api: requests(stack.url), [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
}

/** An embedder that is in the middle of its work until it is let go. */
function gated() {
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const embedder: Embedder = {
    ...hashing,
    async embed(texts, options) {
      begun += 1;
      await gate.promise;
      return hashing.embed(texts, options);
    },
  };
  return { embedder, begun: () => begun, release: gate.resolve };
}

describe('the database', () => {
  test('that is away in the middle of work delays it, and nothing else', { timeout: 60_000 }, async () => {
    const { embedder, begun, release } = gated();
    await using context = await open({ embedder, database: distant });
    const { stack, api } = context;
    const ids: string[] = [];
    for (let index = 0; index < 6; index += 1)
      ids.push((await api.add(`${index}.txt`, `words of ${index}`)).body.documents[0].documentId);
    // A claim whose answer is lost on the way would be a lost worker's.
    await expect.poll(begun).toBe(ids.length);
    proxy.cut();
    release();
    const headers = { 'idempotency-key': 'during' };
    const during = await api.add('during.txt', 'sent during the outage', {}, headers);
    expect(during).toMatchObject({ status: 503, body: { code: 'API_UNAVAILABLE' } });
    expect(during.headers.get('retry-after')).toBe('5');
    await expect.poll(() => stack.errors.length).toBeGreaterThan(0);
    proxy.heal();
    const after = await api.add('during.txt', 'sent during the outage', {}, headers);
    expect(after.body.documents[0]).toMatchObject({ outcome: 'created' });
    for (const id of [...ids, after.body.documents[0].documentId])
      expect((await api.settled(id, 40_000)).latest).toMatchObject({ status: 'ready', chunks: 1 });
    expect(await stack.client.one('SELECT count(*)::int AS chunks FROM chunk')).toEqual({ chunks: 7 });
    // Nobody took a living worker for a lost one.
    expect(await stack.client.one('SELECT sum(losses)::int AS losses FROM job')).toEqual({ losses: 0 });
  });

  test('counts a lost worker by itself: what failed before is not its fault', async () => {
    await using context = await open({ worker: false });
    const { stack, api } = context;
    await api.add('patient.txt', 'patient');
    await stack.client.query('UPDATE job SET attempts = 40');
    const lose = async () => {
      await stack.client.query(`UPDATE job SET state = 'active', lease_until = now() - interval '1 second'`);
      expect(await releaseExpired(stack.client, 3)).toBe(1);
      return stack.client.one('SELECT state, losses FROM job');
    };
    expect(await lose()).toEqual({ state: 'queued', losses: 1 });
    expect(await lose()).toEqual({ state: 'queued', losses: 2 });
    expect(await lose()).toEqual({ state: 'dead', losses: 3 });
  });
});

test('storage that is away in the middle of work delays it, and is not missing content', async () => {
  await using context = await open({ worker: false });
  const { stack, api } = context;
  const place = join(stack.folder, 'objects');
  const { body } = await api.add('stored.txt', 'stored words');
  await rename(place, `${place}.away`);
  await mkdir(place); // as where a disk is not mounted
  expect(await api.add('refused.txt', 'no place for it')).toMatchObject({
    status: 503,
    body: { code: 'API_UNAVAILABLE', title: 'The folder of the storage is not there' },
  });
  await stack.startWorker({
    reconcileMs: 100,
    retries: { ...retries, STORAGE_UNAVAILABLE: { attempts: 50, firstDelayMs: 50, longestDelayMs: 50 } },
  });
  const id = body.documents[0].documentId;
  await expect.poll(async () => (await api.document(id)).latest.error?.code).toBe('STORAGE_UNAVAILABLE');
  expect(await stack.client.one(`SELECT count(*)::int AS dead FROM job WHERE state = 'dead'`)).toEqual({
    dead: 0,
  });
  await rm(place, { recursive: true });
  await rename(`${place}.away`, place);
  expect((await api.settled(id)).latest).toMatchObject({ status: 'ready', error: null });
});

test('an embedding service that stalls, then fails, delays its documents; searching says so at once', async () => {
  await using service = await startEmbeddingService(() => {});
  const { baseUrl } = service;
  const embedder = createOpenAiEmbedder({ baseUrl, model: 'm', dimensions: 2, timeoutMs: 100, attempts: 1 });
  await using context = await open({ embedder });
  const { stack, api } = context;
  const id = (await api.add('slow.txt', 'slow words')).body.documents[0].documentId;
  await expect.poll(async () => (await api.document(id)).latest.error?.code).toBe('INGEST_EMBED_TIMEOUT');
  expect(await api.post('/v1/search', { query: 'slow' })).toMatchObject({
    status: 503,
    body: { code: 'API_UNAVAILABLE' },
  });
  expect((await api.post('/v1/search', { query: 'slow', mode: 'text' })).status).toBe(200);
  service.answer = (response) => response.writeHead(500).end();
  await expect.poll(async () => (await api.document(id)).latest.error?.code).toBe('INGEST_EMBED_UNAVAILABLE');
  // Numbers that half precision cannot hold, but a vector of unit length can.
  service.answer = vectors([{ index: 0, embedding: [1e30, -1e30] }]);
  expect((await api.settled(id)).latest).toMatchObject({ status: 'ready', chunks: 1, error: null });
  const { attempts } = await stack.client.one<{ attempts: number }>('SELECT attempts FROM job');
  expect(attempts).toBeGreaterThan(2);
});
