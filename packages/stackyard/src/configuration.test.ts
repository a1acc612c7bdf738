import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadStack } from './configuration.ts';
import { describeVariant } from './workspace.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'stackyard configuration '));
  write('infra/compose.yaml', 'services: {}\n');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

const load = (processEnvironment: Record<string, string> = {}) =>
  loadStack(describeVariant(root, 'shop'), { processEnvironment });

const variables = async (processEnvironment?: Record<string, string>) =>
  (await load(processEnvironment)).model.services.app?.environment;

test('the shell wins over the file of the variant, which wins over the file of the root', async () => {
  write(
    'apps/shop/compose.yaml',
    `services: { app: { image: a, environment: { A: "\${A}", B: "\${B}", C: "\${C}" } } }`,
  );
  write('.env', 'A=root\nB=root\nC=root\nSTACKYARD_DRIVER=somehow\n');
  write('apps/shop/.env', `B=shop\nC=shop \${A}\n`);
  expect(await variables({ A: 'shell' })).toEqual({ A: 'shell', B: 'shop', C: 'shop shell' });
  expect((await load()).driver).toBe('somehow');
  expect((await load({ STACKYARD_DRIVER: 'otherwise' })).driver).toBe('otherwise');
});

test('every problem of every file is in one list, with its place', async () => {
  write('.env', 'FINE=1\nNOT FINE=2\n');
  write('apps/shop/.env', 'ALSO NOT=1\n');
  write('apps/shop/compose.yaml', 'services:\n  app:\n    image: a\n    imagination: b\n');
  const error = await load().catch((reason: unknown) => reason as { message: string; details: string[] });
  expect(error).toMatchObject({ code: 'STACKYARD_CONFIGURATION' });
  const text = 'details' in error ? error.details.join('\n') : '';
  expect(text).toMatch(/^\.env:2/m);
  expect(text).toMatch(/^apps\/shop\/\.env:1/m);
  expect(text).toMatch(/^apps\/shop\/compose\.yaml:4/m);
});

test('a folder in the place of an env file is a problem like others', async () => {
  write('apps/shop/compose.yaml', 'services: {}\n');
  mkdirSync(path.join(root, '.env'));
  await expect(load()).rejects.toMatchObject({
    code: 'STACKYARD_CONFIGURATION',
    details: expect.arrayContaining(['.env: it cannot be read: EISDIR']),
  });
});

test('a port that the files leave open, or 0, is a free one', async () => {
  write(
    'apps/shop/compose.yaml',
    `services: { app: { image: a, ports: ["80", "\${PORT:-0}:81", "127.0.0.1:0:82"] } }`,
  );
  const ports = (await load()).ports.app ?? [];
  expect(ports.map(({ container }) => container)).toEqual([80, 81, 82]);
  expect(ports.every(({ host }) => host > 0)).toBe(true);
});
