import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

test('a Redis that goes away and comes back empty loses nothing', { timeout: 60_000 }, async () => {
  await using redis = await startRedis();
  await using stack = await openStack({ queueUrl: redis.url });
  const api = requests(stack.url);
  await api.ingest('before.txt', 'before the outage');
  await redis.kill();
  const during = await api.add('during.txt', 'during the outage');
  expect(during.status).toBe(202);
  await sleep(1000);
  await redis.start();
  expect((await api.settled(during.body.documents[0].documentId, 30_000)).latest.status).toBe('ready');
  expect((await api.ingest('after.txt', 'after the outage')).latest.status).toBe('ready');
});
