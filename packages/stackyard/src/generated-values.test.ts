import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspectAdminKey } from '@stackyard/convex-selfhost'; // only: convex
import { expect, onTestFinished, test } from 'vitest';
import { loadStack } from './configuration.ts';
import { generatedFile, readGenerated } from './generated-values.ts';
import { describeVariant } from './workspace.ts';

const recipes = `
x-generate:
  SECRET: { hex: 32 }
  # only: convex
  KEY:
    convex-admin-key:
      name: \${NAME:-demo}
      secret: \${SECRET:-}
  # /only
`;

function workspace(generate = recipes) {
  const root = mkdtempSync(path.join(tmpdir(), 'stackyard-generate-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(path.join(root, 'infra'));
  mkdirSync(path.join(root, 'apps', 'x'), { recursive: true });
  writeFileSync(path.join(root, 'infra/compose.yaml'), 'services: {}\n');
  const service = `services:\n  api:\n    image: x\n    environment:\n      SECRET: \${SECRET:-}\n      KEY: \${KEY:-}\n`;
  writeFileSync(path.join(root, 'apps/x/compose.yaml'), service + generate);
  const variant = () => describeVariant(root, 'x');
  const load = async (processEnvironment: Record<string, string> = {}) => {
    const { model } = await loadStack(variant(), { processEnvironment });
    return model.services.api?.environment as { SECRET: string; KEY: string };
  };
  return { root, variant, load };
}

test('values are made at the first start, kept privately, and the same at every later one', async () => {
  const { load, variant } = workspace();
  const first = await load();
  expect(first.SECRET).toMatch(/^[0-9a-f]{64}$/);
  // only: convex
  expect(inspectAdminKey(first.KEY, { instanceName: 'demo', instanceSecret: first.SECRET }).verdict).toBe(
    'valid',
  );
  // /only
  expect(statSync(generatedFile(variant())).mode & 0o777).toBe(0o600);
  expect(await load()).toEqual(first);
});

test('what the person sets is used and never replaced', async () => {
  const { load, variant } = workspace();
  const secret = 'ab'.repeat(32);
  const values = await load({ SECRET: secret });
  expect(values.SECRET).toBe(secret);
  // only: convex
  expect(inspectAdminKey(values.KEY, { instanceName: 'demo', instanceSecret: secret }).verdict).toBe('valid');
  // /only
  expect(readGenerated(variant())).not.toHaveProperty('SECRET');
});

// only: convex
test('an admin key is made anew when the name of the instance changes', async () => {
  const { load } = workspace();
  const before = await load();
  const after = await load({ NAME: 'other' });
  expect(after.SECRET).toBe(before.SECRET);
  expect(inspectAdminKey(after.KEY, { instanceName: 'other', instanceSecret: after.SECRET }).verdict).toBe(
    'valid',
  );
});
// /only

test('starts at the same moment agree', async () => {
  const { load } = workspace();
  const values = await Promise.all([load(), load(), load()]);
  expect(new Set(values.map((value) => value.SECRET)).size).toBe(1);
});

test('a recipe that nobody knows is refused', async () => {
  const { load } = workspace('x-generate:\n  SECRET: { words: 4 }\n');
  await expect(load()).rejects.toMatchObject({ code: 'STACKYARD_GENERATE' });
});
