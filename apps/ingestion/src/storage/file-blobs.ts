import { randomUUID } from 'node:crypto';
import { constants, createReadStream, type Dirent } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobInfo, Blobs } from './blobs.ts';
import { StorageError } from './storage-error.ts';

const PARTIAL = '.partial';
/** Tells the folder from the empty one that is in its place while a disk is not mounted. */
const MARK = '.ingestion-storage';

/** Bytes in files below one folder. A file appears under its name only when it is whole and on the disk. */
export async function openFileBlobs(folder: string): Promise<Blobs> {
  await mkdir(folder, { recursive: true }).catch(unavailable);
  await writeFile(join(folder, MARK), 'Documents of ingestion, by their SHA-256\n').catch(unavailable);
  const place = (key: string) => join(folder, ...key.split('/'));
  const there = () => access(join(folder, MARK), constants.R_OK).catch(away);
  /** Makes the folder of `path` when `use` finds that it is missing, which is seldom. */
  async function inFolder<T>(path: string, use: () => Promise<T>): Promise<T> {
    try {
      return await use();
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      await there();
      await mkdir(dirname(path), { recursive: true });
      return use();
    }
  }

  return {
    description: `files in ${folder}`,
    path: place,

    async write(key, body) {
      const target = place(key);
      const partial = `${target}.${randomUUID()}${PARTIAL}`;
      try {
        await using file = await inFolder(partial, () => open(partial, 'wx', 0o600)).catch(unavailable);
        for await (const bytes of body) await file.writeFile(bytes).catch(unavailable);
        await file.sync().catch(unavailable);
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      }
      await rename(partial, target).catch(unavailable);
    },

    async read(key, range) {
      const file = await open(place(key), 'r').catch(async (error) => {
        if (codeOf(error) === 'ENOENT') await there();
        return unavailable(error);
      });
      const end = range?.end === undefined ? {} : { end: range.end - 1 };
      return createReadStream('', { fd: file, start: range?.start ?? 0, ...end, highWaterMark: 256 * 1024 });
    },

    async move(from, to) {
      await inFolder(place(to), () => rename(place(from), place(to))).catch(unavailable);
    },

    async info(key) {
      try {
        const { size, mtime } = await stat(place(key));
        return { key, bytes: size, modifiedAt: mtime };
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') return unavailable(error);
        await there();
        return undefined;
      }
    },

    async remove(key) {
      await rm(place(key), { force: true }).catch(unavailable);
    },

    list: (prefix) => walk(folder, prefix),

    async check() {
      await there();
      await access(folder, constants.W_OK).catch(unavailable);
    },

    async [Symbol.asyncDispose]() {},
  };
}

async function* walk(folder: string, prefix: string): AsyncGenerator<BlobInfo> {
  // The prefix ends at a segment or within one; the deepest whole segment is where to begin.
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const entries: Dirent[] = await readdir(join(folder, start), {
    withFileTypes: true,
    recursive: true,
  }).catch((error) => (codeOf(error) === 'ENOENT' ? [] : unavailable(error)));
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const key = path.slice(folder.length + 1).replaceAll('\\', '/');
    if (!entry.isFile() || !key.startsWith(prefix)) continue;
    const found = await stat(path).catch(() => undefined); // removed in the meantime
    if (found) yield { key, bytes: found.size, modifiedAt: found.mtime };
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException | undefined)?.code;

function away(cause: unknown): never {
  throw new StorageError('STORAGE_UNAVAILABLE', 'The folder of the storage is not there', { cause });
}

function unavailable(error: unknown): never {
  if (error instanceof StorageError) throw error;
  const code = codeOf(error);
  if (code === 'ENOENT')
    throw new StorageError('STORAGE_NOT_FOUND', 'The stored content is missing', { cause: error });
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    throw new StorageError('STORAGE_FULL', 'The storage is full', { cause: error });
  }
  throw new StorageError('STORAGE_UNAVAILABLE', `The storage cannot be used (${code ?? 'unknown reason'})`, {
    cause: error,
  });
}
