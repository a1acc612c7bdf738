import { chmodSync } from 'node:fs';
import pg from 'pg';
import { expect, test } from 'vitest';
import { ContractWorkspace, eventually, freePorts } from './contract/workspace.ts';

const query = async (url: string, text: string): Promise<unknown[]> => {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};

test('a stack with PostgreSQL survives a SIGKILL of dev without losing what was committed', async () => {
  const [port] = await freePorts(1);
  await using workspace = new ContractWorkspace('embedded', {
    shop: {
      services: {},
      others: {
        postgres: {
          image: 'postgres:17',
          environment: { POSTGRES_PASSWORD: 'secret', POSTGRES_DB: 'shop' },
          ports: [`127.0.0.1:${port}:5432`],
          volumes: ['./data/shop/postgres:/var/lib/postgresql/data'],
          healthcheck: { test: ['CMD', 'pg_isready'], interval: '1s', timeout: '3s', retries: 60 },
          'x-embedded': { engine: 'postgres' },
        },
        setup: {
          image: 'node:24',
          environment: { DATABASE_URL: 'postgresql://postgres:secret@postgres:5432/shop' },
        },
      },
      scripts: { setup: 'echo "$DATABASE_URL" > url' },
    },
  });
  chmodSync(workspace.root, 0o755); // as root, the server runs as a user who has to enter it
  const dev = workspace.start(['dev', 'shop']);
  await dev.prints('shop is ready', 60_000);
  const url = workspace.read('apps/shop/url').trim();
  expect(url).toBe(`postgresql://postgres:secret@127.0.0.1:${port}/shop`);
  await query(url, 'CREATE TABLE orders AS SELECT generate_series(1, 1000) AS number');
  expect(dev.output).not.toContain('secret');

  dev.kill('SIGKILL');
  await eventually(
    () => workspace.leftovers().length === 0,
    () => workspace.leftovers().join('\n'),
  );
  const again = await workspace.run(['up', 'shop']);
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(await query(url, 'SELECT count(*)::int AS orders FROM orders')).toEqual([{ orders: 1000 }]);
  expect((await workspace.run(['down', 'shop'])).code).toBe(0);
  expect(workspace.leftovers()).toEqual([]);
}, 120_000);
