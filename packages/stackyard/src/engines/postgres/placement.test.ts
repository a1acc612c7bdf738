import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { placeData } from './placement.ts';
import { serverUser } from './server-user.ts';

test.each([
  { name: 'an empty disk', files: [] },
  { name: 'a disk with data', files: ['PG_VERSION'] },
])(
  '$name mounted at the very place of the data, where the server cannot reach it, stays as it is',
  async ({ files }) => {
    await using releases = new AsyncDisposableStack();
    const root = await mkdtemp(join(tmpdir(), 'stackyard placement ')); // only its owner can enter it
    releases.defer(() => rm(root, { recursive: true }));
    const place = join(root, 'postgres');
    await mkdir(place);
    try {
      execFileSync('mount', ['--bind', place, place], { stdio: 'ignore' });
      releases.defer(() => void execFileSync('umount', [place]));
    } catch {
      return; // only root may, and only root's server is another user
    }
    for (const file of files) await writeFile(join(place, file), '17\n');
    await expect(placeData(place, await serverUser())).rejects.toMatchObject({
      code: 'ENGINE_DATA_MOUNT',
      hint: `Mount the disk a folder higher: at ${root}.`,
    });
    expect(await readdir(root)).toEqual(['postgres']);
    expect(await readdir(place)).toEqual(files);
  },
);
