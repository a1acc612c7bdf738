import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { identify, isAlive, type ProcessIdentity } from './processes.ts';

/** Life of a service as the state file tells it. */
export type ServiceState =
  | 'waiting'
  | 'starting'
  | 'healthy'
  | 'completed'
  | 'running'
  | 'failed'
  | 'stopped'
  | 'not started';

export interface ServiceRecord {
  readonly state: ServiceState;
  /** What runs, with its version. */
  readonly source?: string;
  /** Where the host reaches it, without credentials. */
  readonly url?: string;
  readonly ports?: readonly PortRecord[];
  /** Leader of the service's process group. */
  readonly process?: ProcessIdentity;
  /** From start to healthy, in milliseconds. */
  readonly startMs?: number;
  readonly note?: string;
}

export interface PortRecord {
  readonly container: number;
  readonly host: number;
}

export interface StackState {
  readonly variant: string;
  readonly root: string;
  readonly driver: string;
  /** `up`: a supervisor in the background. `dev`: a terminal. */
  readonly mode: 'up' | 'dev';
  readonly owner: ProcessIdentity;
  readonly phase: 'starting' | 'ready' | 'stopping';
  readonly startedAt: string;
  readonly profiles: readonly string[];
  /** On ports of the checkout's own block. */
  readonly isolated?: boolean;
  /** Start to ready, in milliseconds. */
  readonly readyMs?: number;
  readonly services: Readonly<Record<string, ServiceRecord>>;
  readonly notes: readonly string[];
}

/** The `dev:` scripts that a "stackyard dev" runs, by their label. */
export type ScriptRecords = Readonly<Record<string, ServiceRecord>>;

/** What the "stackyard dev" of a stack writes down; it may be another process than the stack's owner. */
export interface DevState {
  readonly owner: ProcessIdentity;
  readonly scripts: ScriptRecords;
}

/** The file that the owner of a stack locks. */
export const ownerLock = (stateDirectory: string): string => path.join(stateDirectory, 'owner.lock');

/** Why the last run of a stack ended, when it did not end by request. */
export const failureFile = (stateDirectory: string): string => path.join(stateDirectory, 'failure.json');

export const devStateFile = (stateDirectory: string): string => path.join(stateDirectory, 'dev.json');

/** The scripts of a "stackyard dev" that lives. */
export function readScripts(stateDirectory: string): ScriptRecords {
  const state = readDevState(stateDirectory);
  return state && isAlive(state.owner) ? state.scripts : {};
}

/** Processes of a "stackyard dev" that died without ending them. */
export function abandonedScripts(stateDirectory: string): ProcessIdentity[] {
  const state = readDevState(stateDirectory);
  if (!state || isAlive(state.owner)) return [];
  return Object.values(state.scripts).flatMap(({ process }) => process ?? []);
}

function readDevState(stateDirectory: string): DevState | undefined {
  const state = readJson<Partial<DevState>>(devStateFile(stateDirectory));
  return isIdentity(state?.owner) && isRecord(state?.scripts) ? (state as DevState) : undefined;
}

/** The state file of a stack, or undefined when it has none, or one that nothing can be learned from. */
export function readState(stateDirectory: string): StackState | undefined {
  const state = readJson<Partial<StackState>>(path.join(stateDirectory, 'state.json'));
  const sound =
    isIdentity(state?.owner) &&
    isRecord(state?.services) &&
    Array.isArray(state?.notes) &&
    [state?.variant, state?.root, state?.driver].every((text) => typeof text === 'string');
  return sound ? (state as StackState) : undefined;
}

const isRecord = (value: unknown): value is Readonly<Record<string, object>> =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((entry) => typeof entry === 'object' && entry !== null);

const isIdentity = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && typeof (value as ProcessIdentity).pid === 'number';

/** The state of a stack whose owner lives. */
export function readLiveState(stateDirectory: string): StackState | undefined {
  const state = readState(stateDirectory);
  return state && isAlive(state.owner) ? state : undefined;
}

/** The parsed file; undefined when it is absent or cut short by a crash. */
export function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** Replaces the file in one step: a reader sees the old or the new text, never a part. */
export function writeJson(file: string, value: unknown, mode = 0o644): void {
  const draft = `${file}.${process.pid}`;
  try {
    writeFileSync(draft, `${JSON.stringify(value, undefined, 2)}\n`, { mode });
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** The same for what only tells of an end: a full disk must not keep that from coming about. */
export function noteJson(file: string, value: unknown): void {
  try {
    writeJson(file, value);
  } catch {
    // The file keeps what it said before.
  }
}

/** The owner's view of its state: each change is on disk at once, and while the stack stops if it can be. */
export class StateFile {
  readonly #file: string;
  #state: StackState;
  #write = writeJson;

  constructor(stateDirectory: string, initial: StackState) {
    this.#file = path.join(stateDirectory, 'state.json');
    this.#state = initial;
    writeJson(this.#file, initial);
  }

  get current(): StackState {
    return this.#state;
  }

  update(change: Partial<StackState>): void {
    this.#state = { ...this.#state, ...change };
    this.#write(this.#file, this.#state);
  }

  stopping(): void {
    this.#write = noteJson;
    this.update({ phase: 'stopping' });
  }

  service(name: string, change: Partial<ServiceRecord>): void {
    const record = { ...(this.#state.services[name] ?? { state: 'waiting' as const }), ...change };
    this.update({ services: { ...this.#state.services, [name]: record } });
  }

  remove(): void {
    rmSync(this.#file, { force: true });
  }
}

/** An exclusive right, held by a process and void when that process is dead. */
export interface Lock {
  release(): void;
}

/** Takes the lock, or says which live process holds it. A dead holder's lock is taken over. */
export function acquireLock(file: string): Lock | { readonly holder: ProcessIdentity } {
  mkdirSync(path.dirname(file), { recursive: true });
  const self = identify(process.pid)!;
  const draft = `${file}.${process.pid}.new`;
  writeFileSync(draft, JSON.stringify(self));
  try {
    for (;;) {
      try {
        linkSync(draft, file); // with its whole content, or not at all
        return { release: () => releaseLock(file, self) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = lockHolder(file);
      if (holder) return { holder };
      removeStale(file);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** The live process that holds the lock. */
export function lockHolder(file: string): ProcessIdentity | undefined {
  const holder = readJson<ProcessIdentity>(file);
  return holder && isAlive(holder) ? holder : undefined;
}

/** Moves a dead holder's lock away; puts it back if another process was quicker and the lock is live again. */
function removeStale(file: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch {
    return; // another process removed it
  }
  try {
    if (lockHolder(aside)) linkSync(aside, file);
  } catch {
    // a third process holds it by now
  } finally {
    rmSync(aside, { force: true });
  }
}

function releaseLock(file: string, self: ProcessIdentity): void {
  const holder = readJson<ProcessIdentity>(file);
  if (holder?.pid === self.pid && holder.startTime === self.startTime) rmSync(file, { force: true });
}
