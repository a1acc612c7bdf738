import { mkdir, open as openFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@stackyard/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createOpenAiEmbedder } from '../src/pipeline/index.ts';
import { releaseExpired } from '../src/store/jobs.ts';
import { type RetryPolicies, retryPolicies } from '../src/worker/retry.ts';
import { startEmbeddingService, vectors } from './embedding-service.ts';
import { gatedEmbedder } from './gated-embedder.ts';
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

describe('the database', () => {
  test('that is away in the middle of work delays it, and nothing else', { timeout: 60_000 }, async () => {
    const { embedder, begun, release } = gatedEmbedder();
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
    // Longer than the leases last: by its clock, the worker has lost all it had.
    await using direct = createClient({ url: database.url, connections: 1 });
    const held = () =>
      direct.one(`SELECT count(*)::int AS n FROM job WHERE state = 'active' AND lease_until > now()`);
    await expect.poll(held).toEqual({ n: 0 });
    expect(await direct.one(`SELECT count(*)::int AS n FROM job WHERE state = 'active'`)).toEqual({ n: 6 });
    expect(stack.errors.length).toBeGreaterThan(0);
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

test('a deadlock with others is no failure of a document', async () => {
  await using context = await open({ worker: false });
  const { stack, api } = context;
  const { body } = await api.add('locked.txt', 'chosen to give way');
  await stack.client.query(`CREATE SEQUENCE tries; CREATE FUNCTION give_way() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      IF nextval('tries') < 3 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER give_way BEFORE INSERT ON version_text FOR EACH ROW EXECUTE FUNCTION give_way()`);
  await stack.startWorker({ reconcileMs: 100, retries });
  expect((await api.settled(body.documents[0].documentId)).latest).toMatchObject({ status: 'ready' });
  await stack.client.query('DROP FUNCTION give_way CASCADE; DROP SEQUENCE tries');
  expect(await stack.client.one('SELECT attempts FROM job')).toEqual({ attempts: 1 });
  expect(stack.errors).toEqual([]);
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
  const attempts = async () =>
    (await stack.client.one<{ attempts: number }>('SELECT attempts FROM job')).attempts;
  await expect.poll(attempts).toBeGreaterThan(5);
  expect(await stack.client.one(`SELECT count(*)::int AS dead FROM job WHERE state = 'dead'`)).toEqual({
    dead: 0,
  });
  await rm(place, { recursive: true });
  await rename(`${place}.away`, place);
  expect((await api.settled(id)).latest).toMatchObject({ status: 'ready', error: null });
});

describe('a full disk', () => {
  test('of the storage refuses what comes, leaves nothing of it, and takes it when there is room', async () => {
    await using context = await open();
    const { stack, api } = context;
    await using file = await openFile(import.meta.filename);
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    vi.spyOn(Object.getPrototypeOf(file), 'writeFile').mockRejectedValueOnce(full);
    const headers = { 'idempotency-key': 'full' };
    expect(await api.add('large.txt', 'no room for it', {}, headers)).toMatchObject({
      status: 507,
      body: { code: 'API_STORAGE_FULL', hint: expect.stringContaining('room') },
    });
    expect((await api.call('/v1/documents')).body.documents).toEqual([]);
    expect(await readdir(join(stack.folder, 'objects', 'incoming', 'default'))).toEqual([]);
    const again = await api.add('large.txt', 'no room for it', {}, headers);
    expect(again.body.documents[0].outcome).toBe('created');
    expect((await api.settled(again.body.documents[0].documentId)).latest.status).toBe('ready');
  });

  test('of the database delays what is due, and says so to who sends', async () => {
    await using context = await open({ worker: false });
    const { stack, api } = context;
    const { body } = await api.add('due.txt', 'words that are due');
    // As the server says it when it cannot extend a file.
    const fill = (table: string) => `
      CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
      CREATE TRIGGER full_disk BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION full_disk()`;
    await stack.client.query(`${fill('version_text')}; ${fill('document')}`);
    expect(await api.add('refused.txt', 'no room for it')).toMatchObject({
      status: 503,
      body: { code: 'API_UNAVAILABLE' },
    });
    await stack.startWorker({ reconcileMs: 100, retries });
    const id = body.documents[0].documentId;
    await expect
      .poll(async () => (await api.document(id)).latest.error?.code)
      .toBe('INGEST_STORE_UNAVAILABLE');
    expect(await stack.client.one('SELECT count(*)::int AS chunks FROM chunk')).toEqual({ chunks: 0 });
    await stack.client.query('DROP FUNCTION full_disk CASCADE');
    expect((await api.settled(id)).latest).toMatchObject({ status: 'ready', chunks: 1, error: null });
    expect((await api.add('refused.txt', 'no room for it')).body.documents[0].outcome).toBe('created');
  });
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
