import {
  startTemporaryStack,
  type TemporaryStack,
  type TemporaryStackOptions,
} from 'stackyard/temporary-stack';
import { afterAll } from 'vitest';

export interface UseStackOptions extends Omit<TemporaryStackOptions, 'root' | 'variant'> {
  /** The checkout; the one that Vitest runs in where absent. */
  readonly root?: string;
}

/** A stack that the tests of a file share. */
export type TestStack = Omit<TemporaryStack, typeof Symbol.asyncDispose>;

/**
 * A fixture: a variant with its services and its script `setup`, started when the first test of the file names it, and
 * gone with all its data after the last. Call it at the top of a test file.
 *
 * ```ts
 * const test = base.extend('stack', useStack('shop'));
 *
 * test('the API answers', async ({ stack }) => { await fetch(stack.urls.api); });
 * ```
 */
export function useStack(
  variant: string,
  options: UseStackOptions = {},
): (context: object) => Promise<TestStack> {
  const { root = process.cwd(), ...rest } = options;
  let stack: Promise<TemporaryStack> | undefined;
  afterAll(async () => {
    await (await stack?.catch(() => undefined))?.[Symbol.asyncDispose]();
  });
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the pattern to learn what the fixture needs
  return async ({}) => {
    stack ??= startTemporaryStack({ ...rest, root, variant });
    return stack;
  };
}
