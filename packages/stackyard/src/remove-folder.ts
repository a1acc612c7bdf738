import { readdir, realpath, rm } from 'node:fs/promises';
import path from 'node:path';

/** Removes a folder with everything in it. One that a disk is mounted at stays, empty. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A server that was killed may be ending in it.
    if (code === 'ENOTEMPTY') return rm(folder, { recursive: true, force: true, maxRetries: 5 });
    if (code !== 'EBUSY') throw error;
    for (const name of await readdir(folder)) await removeTree(path.join(folder, name));
  }
}

/** The same, also when an engine has put the folder elsewhere, with a link in its place. */
export async function removeFolder(folder: string): Promise<void> {
  const real = await realpath(folder).catch(() => folder);
  await removeTree(real);
  await removeTree(folder);
}
