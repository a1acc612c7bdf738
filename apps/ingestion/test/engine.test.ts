import { createClient } from '@stackyard/postgres';
import { expect, test } from 'vitest';
import { openDatabase } from './stack.ts';

test('rows go into the embedded engine by COPY', async () => {
  await using stack = new AsyncDisposableStack();
  const { url } = stack.use(await openDatabase());
  const client = stack.use(createClient({ url, connections: 1 }));
  await client.query('CREATE TABLE loaded (n int, by text DEFAULT current_query())');
  expect(await client.copyInto('loaded', ['n'], [[1], [2]])).toBe(2);
  expect(await client.query(`SELECT n, split_part(by, ' ', 1) AS by FROM loaded ORDER BY n`)).toEqual([
    { n: 1, by: 'COPY' },
    { n: 2, by: 'COPY' },
  ]);
});
