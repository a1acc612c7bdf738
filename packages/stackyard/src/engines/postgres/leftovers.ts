import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../engine-error.ts';

/**
 * Makes a data directory free to start on after a run that did not end orderly: a server that lost its supervisor is
 * stopped, children of a killed server are waited for, and a lock that names somebody else's process is removed.
 *
 * Only processes that are PostgreSQL and work in this very directory are ever signalled. Where there is no /proc,
 * PostgreSQL's own check of its lock file decides.
 */
export async function clearLeftovers(
  dataDirectory: string,
  progress: (message: string) => void,
): Promise<void> {
  const lock = join(dataDirectory, 'postmaster.pid');
  const text = await readFile(lock, 'utf8').catch(() => undefined);
  if (text === undefined || process.platform !== 'linux') return;
  const pid = Number(text.split('\n', 1)[0]);
  const before = await serversIn(dataDirectory);
  if (before.length === 0) {
    await rm(lock, { force: true });
    return;
  }
  const postmaster = before.find((process) => process.pid === pid);
  if (postmaster) {
    if (!(await isOrphan(postmaster))) {
      throw new EngineError(
        'ENGINE_DATA_IN_USE',
        `A PostgreSQL (process ${pid}, started by process ${postmaster.parent}) uses ${dataDirectory}`,
        'Stop it, then try again.',
      );
    }
    progress(`stopping a PostgreSQL that an earlier run left behind (process ${pid})`);
    signal(pid, 'SIGINT');
  }
  for (const [patience, next] of [
    [10_000, 'SIGQUIT'],
    [5_000, 'SIGKILL'],
    [1_000, undefined],
  ] as const) {
    const deadline = Date.now() + patience;
    let left = await serversIn(dataDirectory);
    while (left.length > 0 && Date.now() < deadline) {
      await sleep(20);
      left = await serversIn(dataDirectory);
    }
    if (left.length === 0) return rm(lock, { force: true });
    if (next) for (const process of left) signal(process.pid, next);
  }
  throw new EngineError(
    'ENGINE_DATA_IN_USE',
    `PostgreSQL processes in ${dataDirectory} do not end: ${(await serversIn(dataDirectory)).map(({ pid }) => pid).join(', ')}`,
    'End them by hand, then try again.',
  );
}

interface Process {
  readonly pid: number;
  readonly parent: number;
}

/** PostgreSQL's processes, postmaster and children, whose working directory is the data directory. */
async function serversIn(dataDirectory: string): Promise<Process[]> {
  const found: Process[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      // A zombie has no working directory any more, and so does not count.
      if ((await readlink(`/proc/${entry}/cwd`)) !== dataDirectory) continue;
      const program = basename(await readlink(`/proc/${entry}/exe`)).replace(/ \(deleted\)$/, '');
      if (program !== 'postgres') continue;
      const stat = await readFile(`/proc/${entry}/stat`, 'utf8');
      // The name, in parentheses, may hold spaces; the parent is the second field after it.
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      found.push({ pid: Number(entry), parent });
    } catch {
      // It ended while we looked, or belongs to another user.
    }
  }
  return found;
}

/** Orphans are adopted by process 1, or by a service manager that asked to adopt them. */
async function isOrphan({ parent }: Process): Promise<boolean> {
  if (parent === 1) return true;
  const name = await readFile(`/proc/${parent}/comm`, 'utf8').catch(() => '');
  return /^(systemd|init|tini|dumb-init)$/.test(name.trim());
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has just ended.
  }
}
