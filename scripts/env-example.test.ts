import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { envExample } from './env-example.ts';

const root = resolve(import.meta.dirname, '..');

test('.env.example is what the Compose files and the declared environments say (./pnpmw env:example)', async () => {
  expect(await readFile(resolve(root, '.env.example'), 'utf8')).toBe(await envExample(root));
});

test('no secret of .env.example has a value, and what has a default is commented out', async () => {
  const lines = (await envExample(root)).split('\n');
  expect(lines).toContain('#POSTGRES_PASSWORD=');
  expect(lines).toContain('#POSTGRES_USER=postgres');
  expect(lines.filter((line) => /^[A-Z_]+=./.test(line))).toEqual([]);
});
