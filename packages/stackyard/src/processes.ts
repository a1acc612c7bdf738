import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process that can be told from a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of `/proc/<pid>/stat` (clock ticks since boot), or what `ps` prints where there is no /proc. */
  readonly startTime: string;
  /** Identifier of this boot of the machine. */
  readonly bootId: string;
}

let bootId: string | undefined;

function currentBoot(): string {
  if (bootId === undefined) {
    try {
      bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      bootId = ''; // the start time that `ps` prints is absolute
    }
  }
  return bootId;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly startTime: string;
}

/** The fields of `/proc/<pid>/stat` that matter here; undefined when there is no such process. */
function readStat(pid: number): Stat | undefined {
  let fields: string[];
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    fields = text.slice(text.lastIndexOf(')') + 2).split(' '); // the name before it may hold spaces
  } catch {
    return process.platform === 'linux' ? undefined : readStatWithPs(pid);
  }
  return { state: fields[0]!, parent: Number(fields[1]), group: Number(fields[2]), startTime: fields[19]! };
}

function readStatWithPs(pid: number): Stat | undefined {
  try {
    const format = ['-o', 'state=', '-o', 'ppid=', '-o', 'pgid=', '-o', 'lstart='];
    const text = execFileSync('ps', ['-p', String(pid), ...format], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [state = '', parent, group, ...start] = text.trim().split(/\s+/);
    return {
      state: state[0] ?? '',
      parent: Number(parent),
      group: Number(group),
      startTime: start.join(' '),
    };
  } catch {
    return undefined;
  }
}

const isDead = (stat: Stat | undefined): stat is undefined =>
  !stat || stat.state === 'Z' || stat.state === 'X';

/** The identity of a live process; undefined when it does not run (a zombie does not). */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return isDead(stat) ? undefined : { pid, startTime: stat.startTime, bootId: currentBoot() };
}

/** Whether exactly this process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

export function parentOf(pid: number): number | undefined {
  const parent = readStat(pid)?.parent;
  return parent ? parent : undefined;
}

/** Whether any process of the group lives; zombies do not count. */
export function groupLives(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  return listProcesses().some((pid) => {
    const stat = readStat(pid);
    return !isDead(stat) && stat.group === group;
  });
}

/** Signals a whole group; false when it is gone already. */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/** Pids of every process of the machine; empty where there is no /proc. */
export function listProcesses(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

export function workingDirectoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

/** The command line of a process, its arguments joined by spaces. */
export function commandOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '').replaceAll('\0', ' ');
    return text || `[${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()}]`;
  } catch {
    return undefined;
  }
}
