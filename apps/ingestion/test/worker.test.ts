import { describe, expect, test } from 'vitest';
import { createHashingEmbedder, type Embedder, PipelineError } from '../src/pipeline/index.ts';
import { commit } from '../src/store/commit.ts';
import { claimJobs, failJob, releaseExpired } from '../src/store/jobs.ts';
import { activateModel, ensureModel, liveModels } from '../src/store/models.ts';
import { startReindex } from '../src/store/reindex.ts';
import { createApiKey, saveTenant } from '../src/store/tenants.ts';
import { failureOf, retryPolicies } from '../src/worker/retry.ts';
import { gatedEmbedder } from './gated-embedder.ts';
import { requests } from './requests.ts';
import { sharedDatabase } from './shared-database.ts';

const open = sharedDatabase();

const embedder = createHashingEmbedder({ dimensions: 64 });

describe('a job', () => {
  test('is claimed in fair order: by priority, then each tenant in turn, within the limits', async () => {
    const { stack, api } = await open({ worker: false });
    await saveTenant(stack.client, 'other');
    const other = requests(stack.url, await createApiKey(stack.client, 'other', 'test'));
    for (let index = 0; index < 6; index += 1) await api.add(`many ${index}.txt`, `many ${index}`);
    await other.add('one.txt', 'one');
    await other.add('two.txt', 'two');
    await api.add('urgent.txt', 'urgent', { priority: '10' });
    const claim = async (count: number) =>
      (await claimJobs(stack.client, 'w', count, 60_000)).map(({ name }) => name);
    expect(await claim(4)).toEqual(
      expect.arrayContaining(['urgent.txt', 'many 0.txt', 'one.txt', 'many 1.txt']),
    );
    expect(await claim(1)).toEqual(['two.txt']);
    await saveTenant(stack.client, 'default', { max_active: 4 });
    expect(await claim(10)).toHaveLength(1);
    expect(await claim(10)).toEqual([]);
    await api.call('/v1/work/paused', {
      method: 'PUT',
      body: '{"paused":true}',
      headers: { 'content-type': 'application/json' },
    });
    await saveTenant(stack.client, 'default', { max_active: 64 });
    expect(await claim(10)).toEqual([]);
    await api.call('/v1/work/paused', {
      method: 'PUT',
      body: '{"paused":false}',
      headers: { 'content-type': 'application/json' },
    });
    expect(await claim(10)).toHaveLength(3);
  });

  test('that was taken over counts only for the one who has it last', async () => {
    const { stack, api } = await open({ worker: false });
    await ensureModel(stack.client, embedder);
    const [model] = await liveModels(stack.client);
    const { body } = await api.add('fenced.txt', 'fenced words');
    const [slow] = await claimJobs(stack.client, 'slow', 1, 0);
    expect(await releaseExpired(stack.client, 3)).toBe(1);
    const [fast] = await claimJobs(stack.client, 'fast', 1, 60_000);
    const processed = await stack.extractor.process(
      { name: 'fenced.txt', source: { bytes: Buffer.from('fenced words') } },
      { seed: 'x' },
    );
    const finish = async (job: typeof slow) => ({
      job: job!,
      result: { ...processed, embedding: embedder },
      vectors: new Map([[model!.id, await embedder.embed(['fenced words'])]]),
    });
    expect(await commit(stack.client, [await finish(slow)])).toEqual({ stored: 0, dropped: 1 });
    expect((await api.document(body.documents[0].documentId)).currentVersion).toBeNull();
    expect(await failJob(stack.client, slow!, failureOf(new Error('late'), 1))).toBe(false);
    expect(await commit(stack.client, [await finish(fast)])).toEqual({ stored: 1, dropped: 0 });
    expect(await commit(stack.client, [await finish(fast)])).toEqual({ stored: 0, dropped: 1 });
    expect(await stack.client.one('SELECT count(*)::int AS n FROM chunk')).toEqual({ n: 1 });
  });

  test('of a document that was deleted or updated meanwhile leaves nothing behind', async () => {
    const gate = Promise.withResolvers<void>();
    const bothBegun = Promise.withResolvers<void>();
    const allFinished = Promise.withResolvers<void>();
    let [begun, finished] = [0, 0];
    const slow: Embedder = {
      ...embedder,
      async embed(texts, options) {
        begun += 1;
        if (begun === 2) bothBegun.resolve();
        await gate.promise;
        return embedder.embed(texts, options);
      },
    };
    const observer = {
      finished: () => {
        finished += 1;
        if (finished === 3) allFinished.resolve();
      },
    };
    const { stack, api } = await open({ embedder: slow, worker: { observer } });
    const gone = (await api.add('gone.txt', 'to be deleted')).body.documents[0];
    const old = (await api.add('k.txt', 'the old words', { key: 'k' })).body.documents[0];
    await bothBegun.promise;
    await api.call(`/v1/documents/${gone.documentId}`, { method: 'DELETE' });
    await api.add('k.txt', 'the new words', { key: 'k' });
    gate.resolve();
    await allFinished.promise;
    expect((await api.document(old.documentId)).latest).toMatchObject({ number: 2, status: 'ready' });
    expect(await stack.client.one('SELECT count(*)::int AS n FROM chunk')).toEqual({ n: 1 });
    expect((await api.find('words')).map(({ text }) => text)).toEqual(['the new words']);
  });
});

describe('an embedder', () => {
  test('that fails for a while is tried again; one that answers nonsense is not', async () => {
    let failures = 2;
    const flaky: Embedder = {
      ...embedder,
      async embed(texts, options) {
        if (failures-- > 0) throw new PipelineError('INGEST_EMBED_UNAVAILABLE', 'away', { hint: 'wait' });
        return embedder.embed(texts, options);
      },
    };
    const quick = { attempts: 5, firstDelayMs: 1, longestDelayMs: 1 };
    const worker = { retries: { INGEST_EMBED_UNAVAILABLE: quick }, reconcileMs: 100 };
    const { api } = await open({ embedder: flaky, worker });
    const document = await api.ingest('flaky.txt', 'patience');
    expect(document.latest).toMatchObject({ status: 'ready', error: null });
  });
});

describe('the worker', () => {
  test('goes on by itself after the database was killed in the middle', { timeout: 60_000 }, async () => {
    const { stack, api } = await open();
    const ids: string[] = [];
    for (let index = 0; index < 30; index += 1) {
      ids.push((await api.add(`d${index}.txt`, `document number ${index}`)).body.documents[0].documentId);
      if (index === 15) {
        await stack.database.kill();
        await stack.database.start();
      }
    }
    for (const id of ids) expect((await api.settled(id, 40_000)).latest.status).toBe('ready');
    const { chunks } = await stack.client.one<{ chunks: number }>(
      'SELECT count(*)::int AS chunks FROM chunk',
    );
    expect(chunks).toBe(30);
  });

  test('that stops gives back what it had, without counting it as a failure', async () => {
    const never: Embedder = {
      ...embedder,
      embed: (_texts, options) =>
        new Promise((_, reject) =>
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason)),
        ),
    };
    const { stack, api } = await open({ worker: false });
    const { body } = await api.add('handed over.txt', 'from one to the other');
    const first = await stack.startWorker({ embedder: never });
    await expect.poll(() => first.busy).toBe(1);
    await first.stop(50);
    await stack.startWorker();
    const document = await api.settled(body.documents[0].documentId);
    expect(document.latest.status).toBe('ready');
    expect(await stack.client.one('SELECT attempts FROM job')).toEqual({ attempts: 1 });
  });

  test('builds another model beside the active one, and switches without a gap', {
    timeout: 40_000,
  }, async () => {
    const larger = createHashingEmbedder({ dimensions: 128 });
    const embedderOf = ({ dimensions }: { dimensions: number }) =>
      [embedder, larger].find((own) => own.dimensions === dimensions);
    const { stack, api } = await open({ worker: false, api: { embedderOf } });
    await stack.startWorker({ embedderOf, reconcileMs: 100 });
    expect(await api.post('/v1/work/reindex', { model: 'x', dimensions: 1 })).toMatchObject({ status: 400 });
    await api.ingest('old.txt', 'an old walrus');
    const away = await api.ingest('away.txt', 'one that is away');
    await api.call(`/v1/documents/${away.id}`, { method: 'DELETE' });
    expect(await api.post('/v1/work/reindex', { model: 'hashing-v1' })).toMatchObject({ status: 400 });
    const reindex = await api.post('/v1/work/reindex', { model: 'hashing-v1', dimensions: 128 });
    expect(reindex).toMatchObject({ status: 202, body: { jobs: 1 } });
    await api.ingest('new.txt', 'a new walrus');
    await expect
      .poll(() => liveModels(stack.client), { timeout: 20_000 })
      .toMatchObject([{ dimensions: 128, state: 'active' }]);
    for (const mode of ['text', 'vector']) {
      const hits = await api.find('walrus', { mode });
      expect(hits.map(({ name }) => name).toSorted()).toEqual(['new.txt', 'old.txt']);
    }
    const anew = await api.post('/v1/work/reindex', {});
    expect(anew).toMatchObject({ status: 202, body: { jobs: 2 } });
    await expect
      .poll(() => stack.client.one(`SELECT count(*)::int AS open FROM job WHERE state <> 'done'`))
      .toEqual({ open: 0 });
    expect(await api.find('walrus')).toHaveLength(2);
    // The worker's own settings still name the model before; that changes nothing.
    await api.ingest('later.txt', 'a later walrus');
    expect(await liveModels(stack.client)).toMatchObject([{ dimensions: 128, state: 'active' }]);
    await api.call(`/v1/documents/${away.id}/restore`, { method: 'POST' });
    await api.settled(away.id);
    expect((await api.find('away', { mode: 'text' })).map(({ name }) => name)).toEqual(['away.txt']);
  });

  test('changes the model under a search that has begun, which still has its answer', async () => {
    const larger = createHashingEmbedder({ dimensions: 128 });
    const embedderOf = ({ dimensions }: { dimensions: number }) => (dimensions === 128 ? larger : undefined);
    const { embedder: slow, begun, release } = gatedEmbedder();
    const { stack, api } = await open({
      worker: { embedderOf, reconcileMs: 100 },
      api: { embedder: slow, embedderOf },
    });
    await api.ingest('walrus.txt', 'a walrus all the time');
    const found = api.find('walrus');
    await expect.poll(begun).toBe(1);
    await api.post('/v1/work/reindex', { model: 'hashing-v1', dimensions: 128 });
    await expect.poll(() => liveModels(stack.client)).toMatchObject([{ dimensions: 128, state: 'active' }]);
    release();
    expect((await found).map(({ name }) => name)).toEqual(['walrus.txt']);
  });

  test('gives up once what the next model refuses, and search stays with the one that has all', async () => {
    const next: Embedder = {
      ...createHashingEmbedder({ dimensions: 128 }),
      embed: async () => {
        throw new PipelineError('INGEST_EMBED_INVALID', 'nonsense', { hint: 'none' });
      },
    };
    const embedderOf = ({ dimensions }: { dimensions: number }) => (dimensions === 128 ? next : undefined);
    const { stack, api } = await open({ worker: { embedderOf, reconcileMs: 100 }, api: { embedderOf } });
    await api.ingest('kept.txt', 'a kept walrus');
    const reindex = () => api.post('/v1/work/reindex', { model: 'hashing-v1', dimensions: 128 });
    expect(await reindex()).toMatchObject({ body: { jobs: 1 } });
    const dead = async () => (await api.call('/v1/dead-letters')).body.deadLetters.length;
    await expect.poll(dead).toBe(1);
    const [, building] = await liveModels(stack.client);
    expect(await startReindex(stack.client, building!.id)).toBe(0);
    expect(await activateModel(stack.client, building!.id)).toBe(false);
    expect(await reindex()).toMatchObject({ body: { jobs: 1 } });
    expect(await api.find('walrus')).toHaveLength(1);
  });
});

test('only what can be helped by waiting is tried again, ever more slowly', () => {
  const code = 'INGEST_EMBED_UNAVAILABLE';
  const error = new PipelineError(code, 'x', { hint: 'x' });
  const delays = [1, 2, 3, 10].map(
    (attempt) => failureOf(error, attempt, { random: 0.999 }).retryAfterMs ?? 0,
  );
  expect(delays).toEqual(delays.toSorted((a, b) => a - b));
  expect(failureOf(error, retryPolicies[code]?.attempts ?? 0).retryAfterMs).toBeUndefined();
  expect(
    failureOf(new PipelineError('INGEST_MALFORMED', 'x', { hint: 'x' }), 1).retryAfterMs,
  ).toBeUndefined();
  const limited = new PipelineError('INGEST_EMBED_RATE_LIMITED', 'x', { hint: 'x', retryAfterMs: 42_000 });
  expect(failureOf(limited, 1).retryAfterMs).toBeGreaterThanOrEqual(42_000);
});
