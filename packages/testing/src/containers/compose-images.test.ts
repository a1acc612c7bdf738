import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { composeModels, imageOf } from './compose-images.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'compose images '));
  write('infra/compose.yaml', 'services: { db: { image: "postgres:17" } }\n');
});
afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

const uses = (engine: string, image = '') =>
  `services: { db: { ${image && `image: "${image}", `}x-embedded: { engine: ${engine} } } }\n`;

test('the image of an engine is the one that the merged Compose files give its services', () => {
  write('apps/one/compose.yaml', uses('postgres'));
  write('apps/two/compose.yaml', uses('process', 'example/mail:1.2'));
  write('.env', 'BAD LINE\n');
  const models = composeModels(root);
  expect(imageOf('postgres', models)).toBe('postgres:17');
  expect(imageOf('process', models)).toBe('example/mail:1.2');
});

test('a service of the base counts by its name where every variant puts another engine in its place', () => {
  write('infra/compose.yaml', 'services: { postgres: { image: "postgres:17" } }\n');
  const override = { image: 'vectors:1', 'x-embedded': { engine: 'vectors' } };
  write('apps/one/compose.yaml', JSON.stringify({ services: { postgres: override } }));
  const models = composeModels(root);
  expect([imageOf('postgres', models), imageOf('vectors', models)]).toEqual(['postgres:17', 'vectors:1']);
});

test('none, or several that differ, are refused with their places', () => {
  write('apps/one/compose.yaml', uses('postgres'));
  write('apps/two/compose.yaml', uses('postgres', 'postgres:17.2'));
  expect(() => imageOf('redis', composeModels(root))).toThrow('No service of the Compose files has an image');
  expect(() => imageOf('postgres', composeModels(root))).toThrow(
    'postgres:17 (one db), postgres:17.2 (two db): name one',
  );
});
