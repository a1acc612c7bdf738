import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@stackyard/postgres';
import { expect, test } from 'vitest';
import { startDatabase } from './stack.ts';

test('rows go into the embedded engine by COPY', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'ingestion copy-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const { url } = stack.use(await startDatabase(folder));
  const client = stack.use(createClient({ url, connections: 1 }));
  await client.query('CREATE TABLE loaded (n int, by text DEFAULT current_query())');
  expect(await client.copyInto('loaded', ['n'], [[1], [2]])).toBe(2);
  expect(await client.query(`SELECT n, split_part(by, ' ', 1) AS by FROM loaded ORDER BY n`)).toEqual([
    { n: 1, by: 'COPY' },
    { n: 2, by: 'COPY' },
  ]);
});
