import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { OneRosterError } from './fault.ts';

/** A file of a bundle to write: lines of CSV with their line ends. */
export interface BundleFile {
  readonly name: string;
  lines(): Iterable<string> | AsyncIterable<string>;
}

/** The same bundle gives the same bytes, so every entry carries this time. */
const MODIFIED = new Date(2020, 0, 1);
const BLOCK = 64 * 1024;

/**
 * Writes a bundle: a zip where the path ends in `.zip`, else a folder. It appears under its name when it is
 * complete; a folder must be new or empty of other bundles.
 */
export async function writeBundle(
  path: string,
  files: readonly BundleFile[],
  options: { readonly overwrite?: boolean } = {},
): Promise<void> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (exists && !options.overwrite) {
    throw new OneRosterError(
      'ONEROSTER_TARGET_EXISTS',
      `${path} exists already`,
      'Give another path, or --force to replace it.',
    );
  }
  const draft = `${path}.${process.pid}.part`;
  try {
    if (path.endsWith('.zip')) {
      await mkdir(dirname(path), { recursive: true });
      await writeZip(draft, files);
    } else {
      await mkdir(draft, { recursive: true });
      for (const file of files) await writeFile(join(draft, file.name), blocks(file));
    }
    if (exists) await rm(path, { recursive: true });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

async function writeZip(path: string, files: readonly BundleFile[]): Promise<void> {
  const zip = new ZipFile();
  const written = pipeline(zip.outputStream, createWriteStream(path));
  // yazl reads one entry after the other, but a stream that fails while it waits its turn would be unheard.
  const { promise: failed, reject } = Promise.withResolvers<never>();
  for (const file of files) {
    zip.addReadStreamLazy(file.name, { mtime: MODIFIED, mode: 0o100644 }, (give) => {
      const stream = Readable.from(blocks(file));
      stream.on('error', reject);
      give(null, stream);
    });
  }
  zip.end();
  await Promise.race([written, failed]);
}

/** Lines joined to blocks: a stream of single lines costs more than the lines. */
async function* blocks(file: BundleFile): AsyncGenerator<Buffer> {
  let block = '';
  for await (const line of file.lines()) {
    block += line;
    if (block.length >= BLOCK) {
      yield Buffer.from(block);
      block = '';
    }
  }
  if (block !== '') yield Buffer.from(block);
}
