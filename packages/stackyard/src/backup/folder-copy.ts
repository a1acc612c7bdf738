import { closeSync, fchmodSync, fstatSync, openSync, readSync, type Stats, writeSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { StackyardError } from '../errors.ts';
import type { HashThread } from './hash-thread.ts';
import { Progress } from './progress.ts';
import { listTree, type TreeOptions } from './tree.ts';

export interface FolderCopyOptions extends TreeOptions {
  readonly from: string;
  /** A folder that is there, and empty. */
  readonly to: string;
  readonly hashing: HashThread;
  readonly signal: AbortSignal;
}

export interface FolderCopy {
  /** By path inside the folder; they come later than the copy. */
  readonly hashes: Promise<ReadonlyMap<string, HashedFile>>;
}

export interface HashedFile {
  readonly sha256: string;
  /** Of the file that was hashed: as long as it is the same, so is the hash. */
  readonly stat: Stats;
}

/** Bytes moved at once: they stay in the processor's cache between reading and writing. */
const pieceSize = 256 * 1024;

/**
 * Copies a folder with everything in it while a thread hashes the copies. Sockets and the like are left out.
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

async function copyAll({ from, to, hashing, signal, ...options }: FolderCopyOptions): Promise<FolderCopy> {
  const names: string[] = [];
  for (const { name, stat } of await listTree(from, options)) {
    if (stat.isSymbolicLink()) throw linked(path.join(from, name));
    if (stat.isFile()) names.push(name);
    if (!stat.isDirectory()) continue;
    const directory = path.join(to, name);
    await mkdir(directory, { recursive: true });
    await chmod(directory, (stat.mode & 0o7777) | 0o700); // its owner has to write in it
  }
  const progress = new Progress();
  const targets = names.map((name) => path.join(to, name));
  const hashes = hashing.hash(targets, progress);
  const stats: (Stats | undefined)[] = [];
  const buffer = Buffer.allocUnsafeSlow(pieceSize);
  let turned = performance.now();
  for (const [index, name] of names.entries()) {
    const source = openExisting(path.join(from, name), options.live ?? false);
    const pieces = source === undefined ? [] : copyFile(source, targets[index]!, buffer);
    for (const { written, stat } of pieces) {
      progress.wrote(written);
      stats[index] = stat ?? stats[index];
      if (performance.now() - turned < 5) continue;
      await turn(); // so that signals are heard
      signal.throwIfAborted();
      turned = performance.now();
    }
    progress.finished();
  }
  const hashed = hashes.then((all) => hashedFiles(names, stats, all));
  hashed.catch(() => {}); // awaited when the copy has been checked
  return { hashes: hashed };
}

/** Copies an open file in pieces; the last one tells how the copy is. */
function* copyFile(
  source: number,
  to: string,
  buffer: Buffer,
): Generator<{ readonly written: number; readonly stat?: Stats }> {
  using files = new DisposableStack();
  files.defer(() => closeSync(source));
  const target = openSync(to, 'wx', 0o600);
  files.defer(() => closeSync(target));
  fchmodSync(target, fstatSync(source).mode & 0o7777);
  for (let got = readSync(source, buffer); got > 0; got = readSync(source, buffer)) {
    for (let done = 0; done < got; ) done += writeSync(target, buffer, done, got - done);
    yield { written: got };
  }
  yield { written: 0, stat: fstatSync(target) };
}

function hashedFiles(
  names: readonly string[],
  stats: readonly (Stats | undefined)[],
  hashes: readonly (string | undefined)[],
): Map<string, HashedFile> {
  const files = new Map<string, HashedFile>();
  for (const [index, name] of names.entries()) {
    const stat = stats[index];
    const sha256 = hashes[index];
    if (stat && sha256 !== undefined) files.set(name, { sha256, stat });
  }
  return files;
}

function openExisting(file: string, mayVanish: boolean): number | undefined {
  try {
    return openSync(file, 'r');
  } catch (error) {
    if (mayVanish && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function unreadable(cause: Error): StackyardError {
  return new StackyardError('STACKYARD_BACKUP_UNREADABLE', `not everything can be read: ${cause.message}`, {
    hint: 'it may belong to the user of a container: run the command as a user who may read it',
    cause,
  });
}

export function linked(file: string): StackyardError {
  return new StackyardError(
    'STACKYARD_BACKUP_LINK',
    `${file} is a symbolic link, and what it names would be missing`,
    {
      hint: 'put the files themselves in its place, or copy the folder by hand',
    },
  );
}
