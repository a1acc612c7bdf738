import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { type ContainerOwner, findContainerOwner, mayBeContainer } from './drivers/docker/port-owner.ts';
import { commandOf, listProcesses, parentOf, workingDirectoryOf } from './processes.ts';
import { readState } from './state.ts';
import { findRoot } from './workspace.ts';

/** The process that listens on a port, as far as this user may see it. */
export interface PortOwner {
  /** Absent when only its container is known. */
  readonly pid?: number;
  readonly command?: string;
  readonly workingDirectory?: string;
  /** The Stackyard stack that the process belongs to. */
  readonly stack?: StackReference;
  readonly container?: ContainerOwner;
}

export interface StackReference {
  readonly root: string;
  readonly variant: string;
  readonly service?: string;
}

/** Who listens on these TCP ports of this machine; a port is absent when nobody does or nobody can be named. */
export function findPortOwners(ports: readonly number[]): Map<number, PortOwner> {
  const pids = process.platform === 'linux' ? ownersFromProc(ports) : ownersFromLsof(ports);
  return new Map([...pids].map(([port, pid]) => [port, describeOwner(pid)]));
}

/** The same, and for ports of containers which container it is. */
export async function findOwners(
  ports: readonly number[],
  environment: Readonly<Record<string, string>>,
): Promise<Map<number, PortOwner>> {
  const owners = findPortOwners(ports);
  await Promise.all(
    ports.map(async (port) => {
      const owner = owners.get(port);
      const container = mayBeContainer(owner?.command)
        ? await findContainerOwner(port, environment)
        : undefined;
      if (!container) return;
      owners.set(port, { ...owner, container, ...(container.stack ? { stack: container.stack } : {}) });
    }),
  );
  return owners;
}

function ownersFromProc(ports: readonly number[]): Map<number, number> {
  const portOfInode = new Map<string, number>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let text: string;
    try {
      text = readFileSync(table, 'utf8');
    } catch {
      continue; // no IPv6 here
    }
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      const port = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16);
      if (fields[3] === '0A' && ports.includes(port)) portOfInode.set(`socket:[${fields[9]}]`, port);
    }
  }
  const owners = new Map<number, number>();
  if (portOfInode.size === 0) return owners;
  for (const pid of listProcesses()) {
    let descriptors: string[];
    try {
      descriptors = readdirSync(`/proc/${pid}/fd`);
    } catch {
      continue; // gone, or another user's
    }
    for (const descriptor of descriptors) {
      try {
        const port = portOfInode.get(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
        // A server's children inherit its socket; the lowest pid is nearly always the server itself.
        if (port !== undefined && !owners.has(port)) owners.set(port, pid);
      } catch {
        // closed meanwhile
      }
    }
  }
  return owners;
}

function ownersFromLsof(ports: readonly number[]): Map<number, number> {
  const owners = new Map<number, number>();
  for (const port of ports) {
    try {
      const text = execFileSync('lsof', ['-nP', '-t', `-iTCP:${port}`, '-sTCP:LISTEN'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const pid = Number(text.split('\n')[0]);
      if (pid) owners.set(port, pid);
    } catch {
      // nobody, or lsof is missing
    }
  }
  return owners;
}

function describeOwner(pid: number): PortOwner {
  const command = commandOf(pid);
  const workingDirectory = workingDirectoryOf(pid);
  const stack = stackOf(pid);
  return {
    pid,
    ...(command === undefined ? {} : { command }),
    ...(workingDirectory === undefined ? {} : { workingDirectory }),
    ...(stack === undefined ? {} : { stack }),
  };
}

/** The stack a process belongs to: itself, or an ancestor, is written down in the state of a checkout. */
function stackOf(pid: number): StackReference | undefined {
  for (let ancestor: number | undefined = pid; ancestor && ancestor > 1; ancestor = parentOf(ancestor)) {
    const directory = workingDirectoryOf(ancestor);
    const root = directory === undefined ? undefined : findRoot(directory);
    if (root === undefined) continue;
    for (const variant of stateDirectories(root)) {
      const state = readState(path.join(root, '.stackyard', 'run', variant));
      if (!state) continue;
      const service = Object.entries(state.services).find(
        ([, record]) => record.process?.pid === ancestor,
      )?.[0];
      if (service !== undefined) return { root, variant, service };
      if (state.owner.pid === ancestor) return { root, variant };
    }
  }
  return undefined;
}

function stateDirectories(root: string): string[] {
  try {
    return readdirSync(path.join(root, '.stackyard', 'run'));
  } catch {
    return [];
  }
}
