import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startProxy } from './proxy.ts';
import { queueContract } from './queue-contract.ts';
import { type RunningRedis, startRedis } from './redis.ts';
import { requests } from './requests.ts';
import { openStack, type TestStack } from './stack.ts';

describe('the queue on Redis (BullMQ)', () => {
  let redis: RunningRedis;
  let stack: TestStack;
  beforeAll(async () => {
    redis = await startRedis();
    stack = await openStack({ worker: false, queueUrl: redis.url });
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });
  queueContract({ queue: () => stack.queue, client: () => stack.client });
});

test('a Redis that forgets everything in the middle of work loses nothing', async () => {
  await using redis = await startRedis();
  await using stack = await openStack({ worker: false, queueUrl: redis.url });
  const api = requests(stack.url);
  const ids: string[] = [];
  for (let index = 0; index < 20; index += 1)
    ids.push((await api.add(`${index}.txt`, `document ${index}`)).body.documents[0].documentId);
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  await client.flushall();
  await stack.startWorker({ concurrency: 2, reconcileMs: 100 });
  await api.settled(ids[0] as string);
  await client.flushall();
  for (const id of ids) expect((await api.settled(id)).latest.status).toBe('ready');
  expect(await stack.client.one('SELECT count(*)::int AS n FROM chunk')).toEqual({ n: 20 });
});

test('uploads go on while Redis hangs or was never there, and a worker can be stopped then', async () => {
  await using redis = await startRedis();
  const { hostname: host, port } = new URL(redis.url);
  await using proxy = await startProxy({ host, port: Number(port) });
  proxy.cut();
  await using stack = await openStack({ queueUrl: `redis://127.0.0.1:${proxy.port}` });
  const api = requests(stack.url);
  const never = await api.add('never.txt', 'before Redis is there');
  expect(never.status).toBe(202);
  await stack.worker?.stop(0);
  proxy.heal();
  await stack.startWorker({ reconcileMs: 100 });
  expect((await api.settled(never.body.documents[0].documentId)).latest.status).toBe('ready');
  proxy.stall();
  const hanging = await api.add('hanging.txt', 'while Redis hangs');
  expect(hanging.status).toBe(202);
  proxy.heal();
  expect((await api.settled(hanging.body.documents[0].documentId)).latest.status).toBe('ready');
});

test('a Redis that goes away and comes back empty loses nothing', { timeout: 60_000 }, async () => {
  await using redis = await startRedis();
  await using stack = await openStack({ queueUrl: redis.url });
  const api = requests(stack.url);
  await api.ingest('before.txt', 'before the outage');
  await redis.kill();
  const during = await api.add('during.txt', 'during the outage');
  expect(during.status).toBe(202);
  await expect.poll(() => stack.errors.length).toBeGreaterThan(0);
  await redis.start();
  expect((await api.settled(during.body.documents[0].documentId, 30_000)).latest.status).toBe('ready');
  expect((await api.ingest('after.txt', 'after the outage')).latest.status).toBe('ready');
});
