import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';

export interface TreeEntry {
  /** Inside the folder, with `/`; the folder itself is `''`. */
  readonly name: string;
  readonly stat: Stats;
}

export interface TreeOptions {
  /** Whether to leave something out. */
  readonly skip?: ((name: string, stat: Stats) => boolean) | undefined;
  /** Entries may vanish: somebody works with them. */
  readonly live?: boolean | undefined;
}

/** Everything in a folder, each directory before what is in it. Links are not followed. */
export async function listTree(folder: string, options: TreeOptions = {}, name = ''): Promise<TreeEntry[]> {
  const full = path.join(folder, name);
  const vanished = (error: NodeJS.ErrnoException) => {
    if (options.live && name !== '' && error.code === 'ENOENT') return undefined;
    throw error;
  };
  const stat = await lstat(full).catch(vanished);
  if (!stat || (name !== '' && options.skip?.(name, stat))) return [];
  if (!stat.isDirectory()) return [{ name, stat }];
  const entries = (await readdir(full).catch(vanished)) ?? [];
  const below = await Promise.all(
    entries.sort().map((entry) => listTree(folder, options, path.posix.join(name, entry))),
  );
  return [{ name, stat }, ...below.flat()];
}
