// only: pgvector
import pg from 'pg';
import { expect, test } from 'vitest';
import { openBackup } from '../src/backup/open-backup.ts';
import { ContractWorkspace, freePorts } from './contract/workspace.ts';

const query = async (url: string, text: string): Promise<unknown[]> => {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};

test('PGlite comes back with its rows and vectors, and only where it is the same', async () => {
  const pgvector = (port: number, database: string) => ({
    image: 'pgvector/pgvector:0.8.6-pg17',
    environment: { POSTGRES_PASSWORD: 'secret', POSTGRES_DB: database },
    ports: [`127.0.0.1:${port}:5432`],
    volumes: ['./data/shop/store:/var/lib/postgresql/data'],
    'x-embedded': { engine: 'pgvector' },
  });
  const [port] = await freePorts(1);
  await using workspace = new ContractWorkspace('embedded', {
    shop: { services: {}, others: { store: pgvector(port!, 'shop') } },
  });
  const url = `postgresql://postgres:secret@127.0.0.1:${port}/shop`;
  expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
  await query(url, 'CREATE EXTENSION IF NOT EXISTS vector');
  await query(
    url,
    'CREATE TABLE item AS SELECT n, ARRAY[n, 1]::vector(2) AS place FROM generate_series(1, 300) n',
  );
  const taken = await workspace.run(['backup', 'shop', '--json', '--output', 'saved']);
  expect(taken).toMatchObject({ code: 0 });
  const [store] = JSON.parse(taken.stdout).services;
  expect(store).toMatchObject({ method: 'paused', as: 'engine pgvector', rows: { 'shop.public.item': 300 } });
  await query(url, 'DELETE FROM item WHERE n > 100');
  await workspace.run(['down', 'shop']);

  workspace.variant('shop', { services: {}, others: { store: pgvector(port!, 'other') } });
  const refused = await workspace.run(['restore', 'saved']);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('database is shop, not other') });
  workspace.variant('shop', { services: {}, others: { store: pgvector(port!, 'shop') } });

  const restored = await workspace.run(['restore', 'saved']);
  expect(restored).toMatchObject({ code: 0, stderr: '' });
  expect(restored.stdout).toContain('300 rows verified');
  const replaced = await openBackup(/what it replaced is in (.*)/.exec(restored.stdout)![1]!);
  expect(replaced.manifest.services[0]!.rows).toEqual({ 'shop.public.item': 100 });
  await workspace.run(['up', 'shop']);
  expect(await query(url, "SELECT n FROM item ORDER BY place <-> '[250,1]' LIMIT 1")).toEqual([{ n: 250 }]);
}, 120_000);
