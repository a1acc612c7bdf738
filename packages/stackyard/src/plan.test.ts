import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadStack } from './configuration.ts';
import { embedded } from './drivers/embedded/index.ts';
import { describeOperation, planStack } from './plan.ts';
import { describeVariant } from './workspace.ts';

let root: string;

beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'stackyard plan '));
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

const base = `
services:
  postgres:
    image: postgres:17
    healthcheck: { test: [CMD, pg_isready], interval: 1s, timeout: 3s, retries: 60 }
`;

/** The plan of a variant as its text. */
async function planOf(compose: string, scripts: Record<string, string> = {}): Promise<string[]> {
  const app = path.join(root, 'apps', 'shop');
  mkdirSync(app, { recursive: true });
  mkdirSync(path.join(root, 'infra'), { recursive: true });
  writeFileSync(path.join(root, 'infra', 'compose.yaml'), base);
  writeFileSync(path.join(app, 'compose.yaml'), compose);
  writeFileSync(path.join(app, 'package.json'), JSON.stringify({ scripts }));
  const stack = await loadStack(describeVariant(root, 'shop'), { processEnvironment: {} });
  return planStack(stack, embedded).operations.map(describeOperation);
}

test('a database, a setup script and an app become steps with a reason each', async () => {
  const compose = `
services:
  postgres:
    ports: ["127.0.0.1:\${SHOP_POSTGRES_PORT:-5499}:5432"]
    x-embedded: { engine: postgres }
  cache: { image: redis:7 }
  setup:
    image: node:24
    environment: { DATABASE_URL: postgresql://postgres:5432/shop }
    depends_on: { postgres: { condition: service_healthy } }
  api:
    image: node:24
    ports: ["127.0.0.1:4100:4100"]
    environment: { DATABASE_URL: postgresql://postgres:5432/shop, REDIS_URL: "redis://cache" }
    depends_on: { postgres: { condition: service_healthy }, cache: { condition: service_started } }
`;
  const scripts = { dev: 'stackyard dev', setup: 'node setup.ts', 'dev:api': 'node api.ts' };
  expect(await planOf(compose, scripts)).toEqual([
    'check that nobody holds 127.0.0.1:5499 (postgres), 127.0.0.1:4100 (api): a start with a busy port would stop half-way',
    'start postgres with engine postgres, healthy within 1 min 3 s: setup, api needs it',
    'leave out cache: it has no x-embedded, so only a driver with containers runs it',
    'run the script setup with the environment of setup: package.json has it, and the services are healthy',
    'run the script dev:api with the environment of api, without REDIS_URL (cache does not run): package.json has it, for the service api',
  ]);
});

test('a service waits for those it depends on, as far as the driver runs them', async () => {
  const compose = `
services:
  postgres:
    x-embedded: { engine: postgres }
    ports: ["127.0.0.1::5432"]
  seed:
    image: node:24
    x-embedded: { engine: process, command: [node, seed.mjs] }
    depends_on: { postgres: { condition: service_healthy } }
  mail:
    image: node:24
    x-embedded: { engine: process, command: [node, mail.mjs] }
    depends_on: { seed: { condition: service_completed_successfully }, queue: { condition: service_started } }
  queue: { image: nats:2 }
`;
  const steps = await planOf(compose);
  expect(steps.filter((step) => /^(start|once)/.test(step))).toEqual([
    'start postgres with engine postgres, healthy within 1 min 3 s: seed needs it',
    'once postgres is healthy, start seed with engine process, healthy within 1 min 0 s: mail needs it',
    'once seed has completed, start mail with engine process, healthy within 1 min 0 s: the Compose files have it',
  ]);
});

test('setup gets what the scripts agree on when the Compose files have no service of that name', async () => {
  const compose = `
services:
  postgres: { x-embedded: { engine: postgres }, ports: ["127.0.0.1:5499:5432"] }
  api: { image: node:24, environment: { A: "1" } }
  worker: { image: node:24, environment: { B: "2" } }
`;
  const steps = await planOf(compose, { setup: 's', 'dev:api': 'a', 'dev:worker': 'w', 'dev:watch': 'x' });
  expect(steps.slice(2)).toEqual([
    'run the script setup with the environment of api, worker: package.json has it, and the services are healthy',
    'run the script dev:api with the environment of api: package.json has it, for the service api',
    'run the script dev:worker with the environment of worker: package.json has it, for the service worker',
    'run the script dev:watch with the environment of api, worker: package.json has it; the Compose files have no service watch, so it gets what setup gets',
  ]);
});

test('engines that do not exist are refused, all of them at once', async () => {
  const compose = `
services:
  postgres: { x-embedded: { engine: mariadb } }
  cache: { image: redis:7, x-embedded: {} }
`;
  await expect(planOf(compose)).rejects.toMatchObject({
    code: 'STACKYARD_PLAN',
    details: [
      expect.stringContaining(
        'compose.yaml:3: service postgres: its x-embedded names the engine "mariadb"; the engines are postgres',
      ),
      expect.stringContaining('compose.yaml:4: service cache: its x-embedded names no engine'),
    ],
  });
});
