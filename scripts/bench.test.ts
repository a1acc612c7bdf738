import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { benchmarks } from './bench.ts';

const root = resolve(import.meta.dirname, '..');

test('finds the benchmarks of the packages and of the variants, and chooses by name', async () => {
  const all = await benchmarks(root);
  expect(all).toContain('packages/healthchecks/bench/wait-until.ts');
  expect(all).toEqual(all.toSorted());
  expect(await benchmarks(root, ['wait-until'])).toEqual(['packages/healthchecks/bench/wait-until.ts']);
  expect(await benchmarks(root, ['no such thing'])).toEqual([]);
});
