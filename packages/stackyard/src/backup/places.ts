import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { chmod, mkdir, open, readdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { StackyardError } from '../errors.ts';
import { removeFolder } from '../remove-folder.ts';
import { formatBytes } from '../units.ts';
import { eachOf } from './each-of.ts';

/** The folder behind a path that may be a symbolic link, or not there yet. */
export function realFolder(folder: string): string {
  return existsSync(folder) ? realpathSync(folder) : folder;
}

/** Removes a folder with everything in it. */
export type Remove = (folder: string) => Promise<void>;

/** A folder beside another, for a while. Left ones, of a run that was killed, are removed first. */
export async function besideFolder(
  folder: string,
  purpose: 'check' | 'restore',
  releases: AsyncDisposableStack,
  remove: Remove = removeFolder,
): Promise<string> {
  const real = realFolder(folder);
  const parent = path.dirname(real);
  const prefix = `.${path.basename(real)}.${purpose}-`;
  await mkdir(parent, { recursive: true });
  for (const left of await readdir(parent)) {
    if (left.startsWith(prefix)) await remove(path.join(parent, left));
  }
  const place = path.join(parent, `${prefix}${process.pid}`);
  releases.defer(() => remove(place));
  await mkdir(place, { mode: 0o700 });
  await chmod(place, 0o700);
  return place;
}

/** Refuses when the disk of a folder has less than this free. */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  // Some is left for whatever else runs here.
  const needed = Math.ceil(bytes * 1.05) + 64e6;
  if (free >= needed) return;
  throw new StackyardError(
    'STACKYARD_DISK_FULL',
    `the disk of ${folder} has ${formatBytes(free)} free, and this needs ${formatBytes(needed)}`,
    { hint: 'free some space, or write to another disk with --output; nothing was changed' },
  );
}

/** Whether another disk begins at a folder. */
export async function isMountPoint(folder: string): Promise<boolean> {
  const [own, parent] = await Promise.all(
    [folder, path.dirname(folder)].map((place) => stat(place).catch(() => undefined)),
  );
  return own !== undefined && parent !== undefined && own.dev !== parent.dev;
}

/** Waits until the disk has everything in a folder, but for files that vanish meanwhile. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    await syncFiles(realFolder(folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    await promisify(execFile)('sync'); // the files are a container's: everything on this machine, then
  }
}

async function syncFiles(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() || (entry.isDirectory() && process.platform !== 'win32'))
    .map((entry) => path.join(entry.parentPath, entry.name));
  await eachOf([...paths, folder], 4, async (file) => {
    const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    try {
      await handle?.sync();
    } finally {
      await handle?.close();
    }
  });
}
