import { chmod, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { identify } from '../processes.ts';
import { removeFolder } from '../remove-folder.ts';

/** Removes a folder with everything in it. */
export type Remove = (folder: string) => Promise<void>;

/**
 * What is being made, beside what it is going to be: a `backup`, a copy that is started (`check`), or data that are
 * brought back (`restore`). What a restore has `replaced` lies so too, until it is removed.
 */
export type Purpose = 'backup' | 'check' | 'restore' | 'replaced';

/** A name beside a folder that is neither data nor a backup, and says whose it is. */
export function privateName(folder: string, purpose: Purpose): string {
  const name = `.${path.basename(folder)}.${purpose}-${markOf(process.pid)}`;
  return path.join(path.dirname(folder), name);
}

/** A folder beside another, for a while; its owner alone may enter it. */
export async function privateFolder(
  folder: string,
  purpose: Purpose,
  releases: AsyncDisposableStack,
  remove: Remove = removeFolder,
): Promise<string> {
  const place = privateName(folder, purpose);
  await mkdir(path.dirname(place), { recursive: true });
  releases.defer(() => remove(place));
  await mkdir(place, { mode: 0o700 });
  await chmod(place, 0o700);
  return place;
}

/**
 * Removes what runs that were killed have left in a folder.
 *
 * @param options.of the name of what they were made for; anything where absent
 */
export async function removeAbandoned(
  folder: string,
  purposes: readonly Purpose[],
  { of, remove = removeFolder }: { readonly of?: string; readonly remove?: Remove } = {},
): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const entry of entries) {
    const { name, purpose, pid, mark } = privatePattern.exec(entry)?.groups ?? {};
    if (purpose === undefined || !purposes.includes(purpose as Purpose)) continue;
    if (of !== undefined && name !== of) continue;
    if (mark !== markOf(Number(pid))) await remove(path.join(folder, entry));
  }
}

const privatePattern = /^\.(?<name>.+)\.(?<purpose>[a-z]+)-(?<mark>(?<pid>\d+)-\w+)$/;

/** Tells a process from a later one with the same id. */
function markOf(pid: number): string | undefined {
  const identity = identify(pid);
  return identity && `${pid}-${identity.startTime.replaceAll(/\W+/g, '_')}`;
}
