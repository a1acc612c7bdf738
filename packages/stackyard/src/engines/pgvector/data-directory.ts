import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError } from '../engine-error.ts';

/** The PostgreSQL inside the pinned PGlite. */
export const POSTGRES_MAJOR = '18';

/** What a data directory was made by and for. */
export interface Stamp {
  readonly engine: 'pgvector';
  /** The major version of PostgreSQL, which decides about the format. */
  readonly postgres: string;
  readonly user: string;
  readonly database: string;
}

const STAMP = 'stackyard.json';
const LOCK = 'stackyard.lock';

/** `empty` where there is nothing yet. Throws an {@link EngineError} for data that this engine must not open. */
export async function inspect(directory: string, wanted: Stamp): Promise<'empty' | 'ours'> {
  if (!existsSync(directory) || (await readdir(directory)).length === 0) return 'empty';
  const found = await readStamp(directory);
  const differences = (Object.keys(wanted) as (keyof Stamp)[])
    .filter((key) => found[key] !== wanted[key])
    .map((key) => `${key} is ${found[key] ?? 'unknown'}, not ${wanted[key]}`);
  if (differences.length === 0) return 'ours';
  throw new EngineError(
    'ENGINE_DATA_MISMATCH',
    `The data in ${directory} was made by another engine or for other settings: ${differences.join('; ')}.`,
    'Restore the old settings, or dump there and load here to migrate, or run `stackyard reset` to begin anew.',
  );
}

async function readStamp(directory: string): Promise<Partial<Record<keyof Stamp, string>>> {
  try {
    return JSON.parse(await readFile(join(directory, STAMP), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && !(error instanceof SyntaxError)) throw error;
  }
  const version = await readFile(join(directory, 'PG_VERSION'), 'utf8').catch(() => '');
  return { engine: version ? 'postgres' : 'unknown', ...(version && { postgres: version.trim() }) };
}

/**
 * Fills the directory under a private name and moves it into place whole, so that an interrupted first start leaves
 * nothing half-made.
 */
export async function create(
  directory: string,
  stamp: Stamp,
  fill: (path: string) => Promise<void>,
): Promise<void> {
  const part = `${directory}.part`;
  await rm(part, { recursive: true, force: true });
  await mkdir(dirname(directory), { recursive: true });
  await fill(part);
  await writeFile(join(part, STAMP), `${JSON.stringify(stamp, null, 2)}\n`);
  await rm(directory, { recursive: true, force: true }); // is empty, as `inspect` has seen
  await rename(part, directory);
}

/** Who a process is: a process id alone comes round again. */
interface Identity {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
}

/**
 * Keeps a second process off the data; a lock of a process that is gone does not count.
 *
 * @returns what frees it
 */
export async function lock(directory: string): Promise<() => Promise<void>> {
  const path = join(dirname(directory), `.${LOCK}.${directory.split(/[\\/]/).at(-1)}`);
  await mkdir(dirname(path), { recursive: true });
  for (;;) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(JSON.stringify(await identityOf(process.pid)));
      await file.close();
      return () => unlink(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = await readOwner(path);
    if (owner && (await isAlive(owner))) {
      throw new EngineError(
        'ENGINE_DATA_LOCKED',
        `Process ${owner.pid} already serves ${directory}.`,
        'Stop that stack first (`stackyard down`), or give this one another data directory.',
      );
    }
    await rm(path, { force: true });
  }
}

async function readOwner(path: string): Promise<Identity | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined; // cut off while it was written, or just removed
  }
}

async function isAlive(owner: Identity): Promise<boolean> {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const now = await identityOf(owner.pid);
  return now.startTime === owner.startTime && now.bootId === owner.bootId;
}

async function identityOf(pid: number): Promise<Identity> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  // Field 22, counted after the name in parentheses, which may itself hold spaces.
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  return { pid, startTime, bootId: bootId.trim() };
}
