import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Workspace } from './workspace.ts';

let outside: string;
let workspace: Workspace;
beforeEach(async () => {
  outside = await mkdtemp(join(tmpdir(), 'workspace-'));
  await writeFile(join(outside, 'secret.txt'), 'secret');
  workspace = new Workspace(join(outside, 'inside'));
});
afterEach(() => rm(outside, { recursive: true }));

test('files that were written can be listed and read', async () => {
  await workspace.write('src/a.ts', 'a');
  await workspace.write('b.ts', 'b');
  await workspace.write('b.ts', 'b2');
  expect(await workspace.list()).toEqual(['b.ts', 'src/a.ts']);
  expect(await workspace.read('b.ts')).toBe('b2');
});

const forbidden = ['../secret.txt', 'a/../../secret.txt', '/etc/passwd', '..', 'a\0b', ''];
test.each([...forbidden, '.sessions/coder-1.jsonl', 'a/../.Sessions/x'])('%j is refused', async (path) => {
  await expect(workspace.write(path, 'x')).rejects.toMatchObject({ name: 'ToolError' });
});

test('symbolic links lead nowhere', async () => {
  await mkdir(workspace.directory);
  await symlink(outside, join(workspace.directory, 'folder'));
  await symlink(join(outside, 'secret.txt'), join(workspace.directory, 'file'));
  for (const path of ['folder/secret.txt', 'folder/new.txt', 'file']) {
    await expect(workspace.read(path)).rejects.toMatchObject({ name: 'ToolError' });
    await expect(workspace.write(path, 'x')).rejects.toMatchObject({ name: 'ToolError' });
  }
});

test('a missing file, a folder and a file too large are answers, not failures', async () => {
  await workspace.write('src/a.ts', 'a');
  await expect(workspace.read('none.ts')).rejects.toThrow('There is no file none.ts');
  await expect(workspace.read('src')).rejects.toThrow('is a folder');
  await expect(workspace.write('big.txt', 'x'.repeat(300_000))).rejects.toThrow('larger than 256 KiB');
});

test('a path that runs through a file, or is too long, is an answer too', async () => {
  await workspace.write('a.ts', 'a');
  await mkdir(join(workspace.directory, 'b.ts.part'));
  for (const path of ['a.ts/b.ts', 'a.ts/b/c.ts', 'x'.repeat(300), 'b.ts']) {
    await expect(workspace.read(path)).rejects.toMatchObject({ name: 'ToolError' });
    await expect(workspace.write(path, 'x')).rejects.toMatchObject({ name: 'ToolError' });
  }
  expect(await workspace.list()).toEqual(['a.ts']);
});

test('a file has one name, however its path was written', async () => {
  for (const path of ['src/a.ts', './src/a.ts', 'src/../src//a.ts', join(workspace.directory, 'src/a.ts')]) {
    expect(await workspace.write(path, path)).toBe('src/a.ts');
  }
  expect(await workspace.write('.gitignore', 'dist')).toBe('.gitignore');
  expect(await workspace.list()).toEqual(['.gitignore', 'src/a.ts']);
});
