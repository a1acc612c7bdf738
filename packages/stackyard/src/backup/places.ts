import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { cp, open, readdir, rename, stat, statfs } from 'node:fs/promises';
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

/** Whether a path, which may not be there yet, lies in a folder, whatever links lead there. */
export function isInside(file: string, folder: string): boolean {
  let there = file;
  while (!existsSync(there)) there = path.dirname(there);
  const real = path.join(realpathSync(there), path.relative(there, file));
  const relative = path.relative(realFolder(folder), real);
  return relative.split(path.sep)[0] !== '..' && !path.isAbsolute(relative);
}

/** Moves a folder to where nothing is: to another disk by a copy, which keeps times and modes. */
export async function moveFolder(from: string, to: string): Promise<void> {
  const real = realFolder(from);
  try {
    await rename(real, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await cp(real, to, { recursive: true, preserveTimestamps: true, errorOnExist: true });
    await removeFolder(real);
  }
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

/**
 * Waits until the disk has everything in a folder: with its whole file system where that can be asked for, since a
 * thousand files one by one take longer.
 */
export async function syncFolder(folder: string): Promise<void> {
  const real = realFolder(folder);
  if (process.platform === 'linux' && (await ran('sync', ['-f', real]))) return;
  try {
    await syncFiles(real);
  } catch (error) {
    // The files are a container's: everything on this machine, then.
    if ((error as NodeJS.ErrnoException).code !== 'EACCES' || !(await ran('sync', []))) throw error;
  }
}

/** {@link syncFolder} for several, at once; a failure shows when this is awaited, which may be later. */
export function syncFolders(folders: Iterable<string>): Promise<void> {
  const synced = Promise.all([...folders].map(syncFolder)).then(() => {});
  synced.catch(() => {});
  return synced;
}

const ran = (program: string, args: readonly string[]): Promise<boolean> =>
  promisify(execFile)(program, args).then(
    () => true,
    () => false,
  );

/** All but files that vanish meanwhile. */
async function syncFiles(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() || (entry.isDirectory() && process.platform !== 'win32'))
    .map((entry) => path.join(entry.parentPath, entry.name));
  await eachOf([...paths, folder], 4, syncEntry);
}

/** Waits until the disk has a file, or the names in a folder; not for one that has vanished. */
export async function syncEntry(file: string): Promise<void> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}
