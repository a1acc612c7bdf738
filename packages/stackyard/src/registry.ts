import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { isAlive, type ProcessIdentity } from './processes.ts';
import { readJson, readScripts, readState, type ScriptRecords, type StackState, writeJson } from './state.ts';

/** A stack that runs, as its owner has put it down for others of the same user to find. */
interface Entry {
  readonly root: string;
  readonly variant: string;
  readonly stateDirectory: string;
  readonly owner: ProcessIdentity;
}

export interface RegisteredStack extends Entry {
  readonly state: StackState;
  readonly scripts: ScriptRecords;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The user's own folder for what lives as long as the machine is up. */
function registryFolder({ XDG_RUNTIME_DIR: runtime }: Environment): string {
  if (runtime) return path.join(runtime, 'stackyard');
  // A container's user may have a number and no name.
  return path.join(tmpdir(), `stackyard-${process.getuid?.() ?? userInfo().username}`);
}

/**
 * Puts a stack down, until the result is disposed of. Where that cannot be done the stack runs all the same, and only
 * `stackyard ports` of other checkouts does not know it.
 */
export function registerStack(entry: Entry, environment: Environment): Disposable {
  const folder = registryFolder(environment);
  const name = createHash('sha256').update(entry.stateDirectory).digest('hex').slice(0, 16);
  const file = path.join(folder, `${name}.json`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (isOwn(folder)) writeJson(file, entry, 0o600);
  } catch {
    // a read-only or foreign folder
  }
  return {
    [Symbol.dispose]() {
      if (readJson<Entry>(file)?.owner.pid === entry.owner.pid) rmSync(file, { force: true });
    },
  };
}

/** Every stack of this user on this machine whose owner lives; what dead ones left is removed. */
export function registeredStacks(environment: Environment): RegisteredStack[] {
  const folder = registryFolder(environment);
  let names: string[];
  try {
    names = isOwn(folder) ? readdirSync(folder) : [];
  } catch {
    return []; // nothing has run yet
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .flatMap((name): RegisteredStack[] => {
      const file = path.join(folder, name);
      const entry = readJson<Entry>(file);
      if (!entry || !isAlive(entry.owner)) {
        rmSync(file, { force: true });
        return [];
      }
      const state = readState(entry.stateDirectory);
      return state ? [{ ...entry, state, scripts: readScripts(entry.stateDirectory) }] : [];
    })
    .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

const sortKey = ({ root, variant }: Entry): string => `${root}\0${variant}`;

/** A folder in a place that everybody may write to has to be this user's, and no link. */
function isOwn(folder: string): boolean {
  const stat = lstatSync(folder);
  return stat.isDirectory() && (process.getuid === undefined || stat.uid === process.getuid());
}
