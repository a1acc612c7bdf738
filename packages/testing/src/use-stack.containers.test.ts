import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, test as base, expect } from 'vitest';
import { useStack } from './use-stack.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'use stack ')));
// The fixture's own hook, registered below, has run by then.
afterAll(() => {
  expect(existsSync(join(root, 'data'))).toBe(false);
  const containers = execFileSync('docker', ['ps', '--all', '--format', '{{.Names}}'], { encoding: 'utf8' });
  expect(containers).not.toContain('stackyard-stack-');
  rmSync(root, { recursive: true });
});

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

write(
  'infra/compose.yaml',
  `services:
  postgres:
    image: postgres:17
    environment: { POSTGRES_PASSWORD: secret, POSTGRES_DB: shop }
    healthcheck: { test: ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"], interval: 1s, retries: 60 }
`,
);
write(
  'apps/shop/compose.yaml',
  `services:
  postgres:
    ports: ["127.0.0.1:\${SHOP_PORT:-5439}:5432"]
    volumes: ["./data/shop/postgres:/var/lib/postgresql/data"]
    stop_signal: SIGINT
`,
);
write('apps/shop/package.json', '{ "name": "shop" }');

const test = base.extend('stack', useStack('shop', { root, driver: 'docker' }));

test('a stack in containers is up on ports of its own, with its data in memory', async ({ stack }) => {
  const client = new pg.Client(stack.urls.postgres);
  await client.connect();
  await client.query('CREATE TABLE t (id int)');
  await client.end();
  expect(new URL(stack.urls.postgres!).port).not.toBe('5439');
});
