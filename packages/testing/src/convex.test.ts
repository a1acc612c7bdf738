import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startConvex } from './convex.ts';

test('functions that the deployment refuses are an error with the words of the CLI, not a wait', async () => {
  const project = await mkdtemp(join(tmpdir(), 'refused-'));
  onTestFinished(() => rm(project, { recursive: true }));
  await mkdir(join(project, 'convex'));
  await writeFile(join(project, 'package.json'), '{ "dependencies": { "convex": "*" } }');
  await writeFile(
    join(project, 'convex', 'broken.ts'),
    "export const broken = 1; throw new Error('broken at import');",
  );
  const modules = resolve(import.meta.dirname, '..', '..', 'convex-local', 'node_modules');
  await symlink(modules, join(project, 'node_modules'), 'junction');
  await expect(startConvex({ project })).rejects.toMatchObject({
    stderr: expect.stringContaining('broken at import'),
  });
});
