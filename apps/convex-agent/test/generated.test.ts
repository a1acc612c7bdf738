import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startConvex } from '@stackyard/testing/convex';
import { expect, test } from 'vitest';

const project = resolve(import.meta.dirname, '..');

test('the committed types are those that Convex generates from the functions', async () => {
  await using convex = await startConvex({ project });
  const copy = await convex.cli('codegen', '--typecheck', 'disable');
  const generated = await read(copy);
  expect(await read(project)).toEqual(generated);
});

async function read(folder: string): Promise<Record<string, string>> {
  const files = await readdir(join(folder, 'convex/_generated'));
  const texts = files.map(async (file) => [
    file,
    await readFile(join(folder, 'convex/_generated', file), 'utf8'),
  ]);
  return Object.fromEntries(await Promise.all(texts));
}
