import pg from 'pg';
import { expect, test } from 'vitest';
import { postgresUrl } from './postgres-url.ts';

test('the run has one PostgreSQL, which every test file reaches', async () => {
  const client = new pg.Client(await postgresUrl());
  await client.connect();
  const { rows } = await client.query('SELECT 1 AS one');
  await client.end();
  expect(rows).toEqual([{ one: 1 }]);
});
