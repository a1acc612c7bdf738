import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, test as base, expect } from 'vitest';
import { useStack } from './use-stack.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'use stack ')));
afterAll(() => {
  expect(existsSync(join(root, 'data'))).toBe(false);
  expect(existsSync(join(root, '.stackyard'))).toBe(false);
  rmSync(root, { recursive: true });
});

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

write('infra/compose.yaml', 'services: {}\n');
write('.env', 'SHOP_PORT=1\n');
write(
  'apps/shop/compose.yaml',
  `services:
  postgres:
    image: postgres:17
    environment: { POSTGRES_PASSWORD: "\${SHOP_SECRET:-}", POSTGRES_DB: shop }
    ports: ["127.0.0.1:\${SHOP_PORT:-5439}:5432"]
    volumes: ["./data/shop/postgres:/var/lib/postgresql/data"]
    x-embedded: { engine: postgres }
  setup:
    image: node
    environment:
      DATABASE_URL: postgresql://postgres:\${SHOP_SECRET:-}@postgres:5432/shop
      SELF: "127.0.0.1:\${SHOP_PORT:-5439}"
x-generate: { SHOP_SECRET: { hex: 32 } }
`,
);
write(
  'apps/shop/package.json',
  JSON.stringify({ name: 'shop', scripts: { setup: 'echo "ready on $SELF"' } }),
);

const test = base.extend('stack', useStack('shop', { root }));

test('a stack is up on ports, data and secrets of its own, and has been set up', async ({ stack }) => {
  const { DATABASE_URL, SELF } = stack.environment('setup');
  expect(stack.urls.postgres).toBe(DATABASE_URL);
  expect(new URL(stack.urls.postgres!).host).toBe(SELF);
  expect(stack.output).toContain(`ready on ${SELF}`);
  const client = new pg.Client(stack.urls.postgres);
  await client.connect();
  await client.query('CREATE TABLE t (id int)');
  await client.end();
});

test('the tests of a file share it', async ({ stack }) => {
  const client = new pg.Client(stack.urls.postgres);
  await client.connect();
  expect((await client.query('SELECT * FROM t')).rows).toEqual([]);
  await client.end();
});
