import { lstat, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findBinaries } from './binaries.ts';
import { placeBinaries, placeData } from './placement.ts';
import { firstUnreachable, serverUser } from './server-user.ts';

test('what the current user can reach stays where it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'place '));
  try {
    const mount = join(folder, 'data', 'postgres');
    expect(await placeData(mount, undefined)).toEqual({ dataDirectory: mount, moved: false });
    const installed = await findBinaries();
    expect(await placeBinaries(installed, undefined)).toEqual({ binaries: installed, moved: false });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a link that leads nowhere is an error, not an empty database', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'place '));
  try {
    const mount = join(folder, 'postgres');
    await symlink(join(folder, 'gone'), mount);
    await expect(placeData(mount, undefined)).rejects.toMatchObject({ code: 'ENGINE_DATA_MISSING' });
    expect((await lstat(mount)).isSymbolicLink()).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the user of the server has an entry in the passwd file, and is asked what it can reach', async () => {
  const user = await serverUser();
  expect(user === undefined).toBe(process.getuid?.() !== 0);
  if (!user) return;
  expect(await readFile('/etc/passwd', 'utf8')).toMatch(new RegExp(`^${user.name}:[^:]*:${user.uid}:`, 'm'));
  const folder = await mkdtemp(join(tmpdir(), 'closed '));
  try {
    const below = join(folder, 'below');
    await mkdir(below);
    expect(await firstUnreachable(user, ['/', below])).toBe(below);
  } finally {
    await rm(folder, { recursive: true });
  }
});
