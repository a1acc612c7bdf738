import { afterAll, beforeAll, describe } from 'vitest';
import { queueContract } from './queue-contract.ts';
import { openStack, type TestStack } from './stack.ts';

describe('the queue on PostgreSQL (pg-boss)', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await openStack({ worker: false });
  });
  afterAll(() => stack?.[Symbol.asyncDispose]());
  queueContract({ queue: () => stack.queue, client: () => stack.client });
});
