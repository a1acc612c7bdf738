import { createHash } from 'node:crypto';
import { lchownSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type HashedFile, linked } from './folder-copy.ts';
import type { HashThread } from './hash-thread.ts';
import {
  checksumName,
  type DirectoryRecord,
  type FileRecord,
  type Manifest,
  manifestName,
  serviceFolder,
} from './manifest.ts';
import { syncEntry, syncFolder } from './places.ts';
import { privateFolder, removeAbandoned } from './private-folder.ts';
import { listTree } from './tree.ts';

/** Hashes of a folder, of before somebody may have written in it. */
export interface Known {
  readonly hashes: ReadonlyMap<string, HashedFile>;
  /** Since when; milliseconds since 1970. */
  readonly until: number;
}

/** A backup that is being made: a folder of a private name until everything in it is complete and on the disk. */
export class BackupFolder implements AsyncDisposable {
  /** Where it is until then. */
  readonly #place: string;
  readonly #releases: AsyncDisposableStack;

  private constructor(place: string, releases: AsyncDisposableStack) {
    this.#place = place;
    this.#releases = releases;
  }

  /** @param folder what it is going to be called */
  static async create(folder: string): Promise<BackupFolder> {
    const parent = path.dirname(folder);
    await removeAbandoned(parent, ['backup']);
    await using releases = new AsyncDisposableStack();
    const place = await privateFolder(folder, 'backup', releases);
    return new BackupFolder(place, releases.move());
  }

  /** The folder of a service, which is made. */
  async service(index: number, name: string): Promise<string> {
    const folder = path.join(this.#place, serviceFolder(index, name));
    await mkdir(folder, { mode: 0o700 });
    return folder;
  }

  /** Writes the manifest, waits for the disk, and gives the backup its name, or the next one that is free. */
  async finish(folder: string, manifest: Manifest): Promise<string> {
    const text = JSON.stringify(manifest);
    const sum = createHash('sha256').update(text).digest('hex');
    await writeFile(path.join(this.#place, manifestName), text, { mode: 0o600 });
    await writeFile(path.join(this.#place, checksumName), `${sum}  ${manifestName}\n`, { mode: 0o600 });
    await syncFolder(this.#place);
    for (let number = 1; ; number += 1) {
      const name = number === 1 ? folder : `${folder}-${number}`;
      try {
        await rename(this.#place, name);
        await syncEntry(path.dirname(name));
        return name;
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException;
        if (!['ENOTEMPTY', 'EEXIST'].includes(code) || number > 99) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#releases.disposeAsync();
  }
}

/**
 * What the manifest says of a folder in a backup, which from now on belongs to who makes it: the servers that were
 * started on it may be another user's.
 *
 * @param known its hashes count for files that nobody has written to since
 */
export async function describeFolder(
  folder: string,
  index: number,
  known: Known,
  hashing: HashThread,
): Promise<{ readonly directories: DirectoryRecord[]; readonly files: FileRecord[] }> {
  const entries = await listTree(folder);
  const isSame = ({ stat }: HashedFile, now: HashedFile['stat']) =>
    stat.size === now.size &&
    stat.mtimeMs === now.mtimeMs &&
    stat.ino === now.ino &&
    now.mtimeMs < known.until - clockTick;
  const hashes = new Map<string, string>();
  const changed: string[] = [];
  for (const { name, stat } of entries) {
    if (process.getuid && stat.uid !== process.getuid())
      lchownSync(path.join(folder, name), process.getuid(), process.getgid!());
    if (stat.isSymbolicLink()) throw linked(path.join(folder, name));
    if (!stat.isFile()) continue;
    const before = known.hashes.get(name);
    if (before && isSame(before, stat)) hashes.set(name, before.sha256);
    else changed.push(name);
  }
  const again = await hashing.hash(changed.map((name) => path.join(folder, name)));
  for (const [number, name] of changed.entries()) hashes.set(name, again[number]!);
  const record = (name: string, mode: number) => ({ folder: index, path: name, mode: mode & 0o7777 });
  return {
    directories: entries
      .filter(({ stat }) => stat.isDirectory())
      .map(({ name, stat }) => record(name, stat.mode)),
    files: entries
      .filter(({ stat }) => stat.isFile())
      .map(({ name, stat }) => ({
        ...record(name, stat.mode),
        size: stat.size,
        sha256: hashes.get(name)!,
      })),
  };
}

/** Milliseconds that a file system's clock may be behind: two writes within them have the same time. */
const clockTick = 20;
