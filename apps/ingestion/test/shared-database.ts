import { afterAll, afterEach, beforeAll } from 'vitest';
import { requests } from './requests.ts';
import { openDatabase, openStack, type StackOptions, type TestDatabase, type TestStack } from './stack.ts';

/** One database for a test file; each test opens stacks over it, which end with the test. */
export function sharedDatabase() {
  const stacks: TestStack[] = [];
  let database: TestDatabase;
  // The data directory is made once for each state of the migrations, which may take a while.
  beforeAll(async () => {
    database = await openDatabase();
  }, 120_000);
  afterAll(() => database?.[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const stack of stacks.splice(0)) await stack[Symbol.asyncDispose]();
  });
  return async (options: StackOptions = {}) => {
    const stack = await openStack({ database, ...options });
    stacks.push(stack);
    return { stack, api: requests(stack.url) };
  };
}
