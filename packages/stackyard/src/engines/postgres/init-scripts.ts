import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { EngineError } from '../engine-error.ts';

/** The SQL text of a file in `/docker-entrypoint-initdb.d`, by extension. */
const readers: Readonly<Record<string, (content: Buffer) => Promise<string>>> = {
  '.sql': async (content) => content.toString('utf8'),
  '.gz': async (content) => (await promisify(gunzip)(content)).toString('utf8'),
  '.zst': async (content) => (await promisify(zstdDecompress)(content)).toString('utf8'),
};

/**
 * The scripts of the mount `/docker-entrypoint-initdb.d`, in the order of their names. Only SQL, plain or
 * compressed: shell scripts count on the image's programs.
 *
 * @throws EngineError that names every file it cannot run.
 */
export async function readInitScripts(folder: string | undefined): Promise<{ path: string; sql: string }[]> {
  if (folder === undefined) return [];
  const names = (await readdir(folder).catch(() => [])).toSorted();
  const supported = (name: string) => /\.sql(\.gz|\.zst)?$/.test(name);
  // The image, too, leaves files alone that are neither SQL nor shell scripts.
  const refused = names.filter((name) => /\.(sh|sql\.xz)$/.test(name));
  if (refused.length > 0) {
    throw new EngineError(
      'ENGINE_INIT_SCRIPT',
      `The embedded engine runs SQL files only, and cannot run: ${refused.map((name) => join(folder, name)).join(', ')}`,
      'Rewrite them as .sql files, or use `--driver docker`.',
    );
  }
  return Promise.all(
    names.filter(supported).map(async (name) => {
      const path = join(folder, name);
      const read = readers[extname(name)] as (content: Buffer) => Promise<string>;
      return { path, sql: await read(await readFile(path)) };
    }),
  );
}
