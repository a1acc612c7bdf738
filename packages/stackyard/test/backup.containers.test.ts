import { execFileSync } from 'node:child_process';
import pg from 'pg';
import { expect, test } from 'vitest';
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

test('a backup of a stack in containers comes back whole', async () => {
  const [port] = await freePorts(1);
  await using workspace = new ContractWorkspace('docker', {
    shop: {
      services: {},
      others: {
        postgres: {
          image: 'postgres:17',
          environment: { POSTGRES_PASSWORD: 'secret', POSTGRES_DB: 'shop' },
          ports: [`127.0.0.1:${port}:5432`],
          volumes: ['./data/shop/postgres:/var/lib/postgresql/data'],
          healthcheck: {
            test: ['CMD-SHELL', 'pg_isready -q -h 127.0.0.1 -U postgres -d shop'],
            interval: '1s',
            timeout: '3s',
            retries: 60,
          },
          stop_signal: 'SIGINT',
        },
      },
    },
  });
  workspace.write('infra/compose.yaml', 'services: { postgres: { image: "postgres:17" } }\n');
  const url = `postgresql://postgres:secret@127.0.0.1:${port}/shop`;
  expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
  await query(url, 'CREATE TABLE orders AS SELECT generate_series(1, 1000) AS number');
  const taken = await workspace.run(['backup', 'shop', '--json', '--output', 'shop.tar']);
  expect(taken).toMatchObject({ code: 0 });
  const [postgres] = JSON.parse(taken.stdout).services;
  expect(postgres).toMatchObject({
    as: 'image postgres:17',
    method: 'online',
    rows: { 'shop.public.orders': 1000 },
  });
  await query(url, 'DELETE FROM orders');
  await workspace.run(['down', 'shop']);
  expect(await workspace.run(['restore', 'shop.tar'])).toMatchObject({ code: 0, stderr: '' });
  expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
  expect(await query(url, 'SELECT count(*)::int AS orders FROM orders')).toEqual([{ orders: 1000 }]);
  const reset = await workspace.run(['reset', 'shop', '--yes']);
  expect(reset).toMatchObject({ code: 0, stderr: '' });
  expect(reset.stdout).toContain('a backup is in ');
  const left = execFileSync('docker', ['ps', '--all', '--format', '{{.Mounts}} {{.Names}}'], {
    encoding: 'utf8',
  });
  expect(left).not.toMatch(/stackyard-check|shop-/);
}, 180_000);
