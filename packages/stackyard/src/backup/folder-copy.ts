import { closeSync, fstatSync, openSync, type Stats } from 'node:fs';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { StackyardError } from '../errors.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { eachOf } from './each-of.ts';
import type { DirectoryRecord, FileRecord } from './manifest.ts';

export interface FolderCopyOptions {
  readonly archive: ArchiveWriter;
  /** Before the paths inside the archive. */
  readonly prefix: string;
  /** Index of the folder in the manifest. */
  readonly index: number;
  readonly folder: string;
  /** A second copy, to start it; in the same pass. */
  readonly copy?: string | undefined;
  /** Whether to leave something out, by its path inside the folder. */
  readonly skip?: ((path: string, stat: Stats) => boolean) | undefined;
  /** Files may vanish: somebody works with them. */
  readonly live?: boolean;
  readonly signal: AbortSignal;
}

export interface FolderCopy {
  readonly directories: DirectoryRecord[];
  readonly files: FileRecord[];
}

/**
 * Adds a folder with everything in it to an archive. Sockets and the like are left out.
 *
 * @throws StackyardError for a symbolic link: what it names would be missing
 */
export async function copyFolder(options: FolderCopyOptions): Promise<FolderCopy> {
  try {
    return await copyAll(options);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EACCES' ? unreadable(error as Error) : error;
  }
}

async function copyAll(options: FolderCopyOptions): Promise<FolderCopy> {
  const { folder, index, copy } = options;
  const directories: DirectoryRecord[] = [];
  const names: string[] = [];
  for (const { name, stat } of await list(options, '')) {
    if (stat.isSymbolicLink()) throw linked(path.join(folder, name));
    if (stat.isFile()) names.push(name);
    if (!stat.isDirectory()) continue;
    directories.push({ folder: index, path: name, mode: stat.mode & 0o7777 });
    if (copy) await mkdir(path.join(copy, name), { recursive: true, mode: stat.mode & 0o7777 });
  }
  const files: FileRecord[] = [];
  await eachOf(names, 4, async (name) => {
    options.signal.throwIfAborted();
    const record = await addFile(options, name, path.join(folder, name));
    if (record) files.push(record);
  });
  return { directories, files };
}

/** Adds one file; undefined when it has vanished, and may. */
export async function addFile(
  { archive, prefix, index, copy, live }: FolderCopyOptions,
  name: string,
  file: string,
): Promise<FileRecord | undefined> {
  const source = openExisting(file, live ?? false);
  if (source === undefined) return undefined;
  try {
    const stat = fstatSync(source);
    const mode = stat.mode & 0o7777;
    const target = copy === undefined ? undefined : openSync(path.join(copy, name), 'wx', mode);
    try {
      const written = await archive.addFile(path.posix.join(prefix, name), source, stat, target);
      return { folder: index, path: name, mode, size: stat.size, ...written };
    } finally {
      if (target !== undefined) closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

function openExisting(file: string, mayVanish: boolean): number | undefined {
  try {
    return openSync(file, 'r');
  } catch (error) {
    if (mayVanish && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Everything below a folder, each directory before what is in it; the folder itself is `''`. */
async function list(
  options: FolderCopyOptions,
  name: string,
): Promise<{ readonly name: string; readonly stat: Stats }[]> {
  const full = path.join(options.folder, name);
  const vanished = (error: NodeJS.ErrnoException) => {
    if (options.live && name !== '' && error.code === 'ENOENT') return undefined;
    throw error;
  };
  const stat = await lstat(full).catch(vanished);
  if (!stat || (name !== '' && options.skip?.(name, stat))) return [];
  if (!stat.isDirectory()) return [{ name, stat }];
  const entries = (await readdir(full).catch(vanished)) ?? [];
  const below = await Promise.all(entries.sort().map((entry) => list(options, path.posix.join(name, entry))));
  return [{ name, stat }, ...below.flat()];
}

function unreadable(cause: Error): StackyardError {
  return new StackyardError('STACKYARD_BACKUP_UNREADABLE', `not everything can be read: ${cause.message}`, {
    hint: 'it may belong to the user of a container: run the command as a user who may read it',
    cause,
  });
}

function linked(file: string): StackyardError {
  return new StackyardError(
    'STACKYARD_BACKUP_LINK',
    `${file} is a symbolic link, and what it names would be missing`,
    {
      hint: 'put the files themselves in its place, or copy the folder by hand',
    },
  );
}
