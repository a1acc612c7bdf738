import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline, type Readable, Transform } from 'node:stream';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, validateFileName, type ZipFile } from 'yauzl';
import { OneRosterError } from './fault.ts';

/** A file of a package. Names are relative to the package's root, with `/`. */
export interface PackageFile {
  readonly name: string;
  open(): Promise<Readable>;
}

export interface Package extends AsyncDisposable {
  /** Name of the zip or folder, without its path. */
  readonly name: string;
  readonly files: readonly PackageFile[];
}

export interface PackageLimits {
  /** Most bytes that all files may hold once inflated. Counted while reading; declared sizes are not believed. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

export const DEFAULT_LIMITS: PackageLimits = { maxBytes: 4 * 1024 ** 3, maxFiles: 1000 };

/** Opens a zip or a folder. Throws `OneRosterError` for what must not be opened at all. */
export async function openPackage(path: string, limits: PackageLimits = DEFAULT_LIMITS): Promise<Package> {
  const name = basename(path);
  const info = await stat(path).catch((cause: unknown) => {
    throw new OneRosterError(
      'ONEROSTER_PACKAGE_UNREADABLE',
      `${path} cannot be read`,
      'Give the path of a zip file or of a folder with the CSV files.',
      { cause },
    );
  });
  const budget = { left: limits.maxBytes, limit: limits.maxBytes, name };
  return info.isDirectory() ? openFolder(path, name, budget) : openZip(path, name, limits, budget);
}

interface Budget {
  left: number;
  readonly limit: number;
  readonly name: string;
}

/** Passes a stream on and counts what it holds. */
function counted(stream: Readable, budget: Budget): Readable {
  stream.on('data', (chunk: Buffer) => {
    budget.left -= chunk.length;
    if (budget.left < 0) {
      stream.destroy(
        new OneRosterError(
          'ONEROSTER_TOO_LARGE',
          `${budget.name} holds more than ${budget.limit} bytes once inflated`,
          'If the bundle is really that large, raise the limit with --max-bytes.',
        ),
      );
    }
  });
  stream.pause();
  return stream;
}

async function openFolder(path: string, name: string, budget: Budget): Promise<Package> {
  const entries = await readdir(path, { withFileTypes: true });
  return {
    name,
    files: entries
      .filter((entry) => entry.isFile())
      .map((entry) => ({
        name: entry.name,
        open: async () => counted(createReadStream(join(path, entry.name)), budget),
      })),
    async [Symbol.asyncDispose]() {},
  };
}

async function openZip(path: string, name: string, limits: PackageLimits, budget: Budget): Promise<Package> {
  let zip: ZipFile;
  try {
    zip = await openPromise(path, { autoClose: false, lazyEntries: true, strictFileNames: true });
  } catch (cause) {
    throw new OneRosterError(
      'ONEROSTER_PACKAGE_UNREADABLE',
      `${name} is not a zip file that can be read: ${(cause as Error).message}`,
      'Make the bundle again, or unpack it and give the folder.',
      { cause },
    );
  }
  try {
    const entries = await readEntries(zip, name, limits);
    return {
      name,
      files: entries.map((entry) => ({
        name: entry.fileName,
        open: async () => counted(await inflated(zip, entry, name), budget),
      })),
      async [Symbol.asyncDispose]() {
        zip.close();
      },
    };
  } catch (error) {
    zip.close();
    throw error;
  }
}

/** The content of an entry, whose checksum has to be right. */
async function inflated(zip: ZipFile, entry: Entry, name: string): Promise<Readable> {
  const damaged = (cause: unknown) =>
    new OneRosterError(
      'ONEROSTER_PACKAGE_UNREADABLE',
      `${name}: ${entry.fileName} cannot be read: ${(cause as Error).message}`,
      'Make the bundle again with a common zip tool, or unpack it and give the folder.',
      { cause },
    );
  const stream = await zip.openReadStreamPromise(entry).catch((cause: unknown) => {
    throw damaged(cause);
  });
  let sum = 0;
  const checked = new Transform({
    transform(chunk: Buffer, _, done) {
      sum = crc32(chunk, sum);
      done(null, chunk);
    },
    flush(done) {
      done(sum === entry.crc32 ? null : damaged(new Error('its checksum is another')));
    },
  });
  // Before the pipeline, which would pass the error on as it is.
  stream.on('error', (error) => checked.destroy(damaged(error)));
  pipeline(stream, checked, () => {});
  return checked;
}

async function readEntries(zip: ZipFile, name: string, limits: PackageLimits): Promise<Entry[]> {
  const files: Entry[] = [];
  const seen = new Set<string>();
  try {
    for await (const entry of zip.eachEntry()) {
      const bad = validateFileName(entry.fileName);
      if (bad !== null) throw unsafe(name, bad);
      if (entry.isEncrypted()) {
        throw new OneRosterError(
          'ONEROSTER_ZIP_ENCRYPTED',
          `${name} holds ${entry.fileName}, which is encrypted`,
          'Make the bundle again without a password.',
        );
      }
      if (entry.fileName.endsWith('/')) continue;
      if (seen.has(entry.fileName)) {
        throw new OneRosterError(
          'ONEROSTER_ZIP_DUPLICATE',
          `${name} holds ${entry.fileName} twice`,
          'Make the bundle again with each file once.',
        );
      }
      seen.add(entry.fileName);
      files.push(entry);
      if (files.length > limits.maxFiles) {
        throw new OneRosterError(
          'ONEROSTER_TOO_LARGE',
          `${name} holds more than ${limits.maxFiles} files`,
          'A OneRoster bundle has at most 22 files.',
        );
      }
    }
  } catch (error) {
    if (error instanceof OneRosterError) throw error;
    throw /relative path|absolute path|invalid characters/.test((error as Error).message)
      ? unsafe(name, (error as Error).message)
      : new OneRosterError(
          'ONEROSTER_PACKAGE_UNREADABLE',
          `${name} is damaged: ${(error as Error).message}`,
          'Make the bundle again.',
          { cause: error },
        );
  }
  return files;
}

function unsafe(name: string, reason: string): OneRosterError {
  return new OneRosterError(
    'ONEROSTER_ZIP_UNSAFE',
    `${name} holds a path that leaves the package: ${reason}`,
    'Do not import this bundle; ask its sender. OneRoster files lie at the root of the zip.',
  );
}
