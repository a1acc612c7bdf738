import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { extname, join } from 'node:path';
import { identify, isAlive, type ProcessIdentity } from 'stackyard/processes';
import type { ContainerRuntimeClient } from 'testcontainers';

/** The sibling module that runs in the process of its own, in sources and in built packages. */
const MAIN = join(import.meta.dirname, `reaper-main${extname(import.meta.filename)}`);

const runLabel = 'dev.stackyard.test-run';
const ownerLabel = 'dev.stackyard.test-owner';

/** Removes the containers of one run when the process that started them is gone, however it went. */
export interface Reaper extends Disposable {
  /** Every container of the run has to carry these from the moment it is created. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Starts a process that waits at a pipe for the end of this one, in place of testcontainers' own helper: that one is
 * an image which the Compose files do not name, and which no site without a registry has.
 */
export function startReaper(): Reaper {
  const run = randomBytes(8).toString('hex');
  const child = spawn(process.execPath, [MAIN, run], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.on('error', () => {}); // the next run clears up what it would have
  child.stdin.on('error', () => {});
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return {
    labels: { [runLabel]: run, [ownerLabel]: JSON.stringify({ ...identify(process.pid), ...here() }) },
    [Symbol.dispose]: () => {
      child.stdin.end('done\n');
    },
  };
}

/** Removes the containers of a run. @returns how many there were */
export async function removeRun(engine: ContainerRuntimeClient, run: string): Promise<number> {
  return remove(
    engine,
    (await containers(engine)).filter(({ Labels }) => Labels[runLabel] === run),
  );
}

/** Removes what runs left behind whose process, and whose reaper, are dead. */
export async function removeStaleRuns(engine: ContainerRuntimeClient): Promise<void> {
  const stale = (await containers(engine)).filter(({ Labels }) => {
    try {
      const owner = JSON.parse(Labels[ownerLabel] ?? '') as Owner;
      const { host, namespace } = here();
      return owner.host === host && owner.namespace === namespace && !isAlive(owner);
    } catch {
      return false; // not written by this code
    }
  });
  await remove(engine, stale);
}

/** Where process ids mean the same: engines are shared by machines, and by containers that run tests. */
interface Owner extends ProcessIdentity {
  readonly host: string;
  readonly namespace: string;
}

function here(): Pick<Owner, 'host' | 'namespace'> {
  try {
    return { host: hostname(), namespace: readlinkSync('/proc/self/ns/pid') };
  } catch {
    return { host: hostname(), namespace: '' }; // not Linux
  }
}

type Listed = Awaited<ReturnType<ContainerRuntimeClient['container']['list']>>[number];

async function containers({ container }: ContainerRuntimeClient): Promise<Listed[]> {
  return container.dockerode.listContainers({ all: true, filters: { label: [runLabel] } });
}

async function remove({ container }: ContainerRuntimeClient, found: readonly Listed[]): Promise<number> {
  const removals = found.map(({ Id }) => container.getById(Id).remove({ force: true, v: true }));
  // "Already in progress", "no such container": somebody else removes it.
  await Promise.allSettled(removals);
  return found.length;
}
