import { spawnGuarded } from '../../spawn-guarded.ts';
import { EngineError } from '../engine-error.ts';
import type { ServerUser } from './server-user.ts';
import { groupWatchdog } from './watchdog.ts';

/** The environment of PostgreSQL's programs: none of the caller's `PG*` variables, messages in English, UTC. */
export function serverEnvironment(): Record<string, string> {
  const kept = ['PATH', 'SystemRoot', 'TEMP', 'TMP'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' };
}

export interface RunOptions {
  readonly user: ServerUser | undefined;
  readonly cwd: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program to its end. It has a process group of its own, so that a Ctrl-C in the terminal does not reach it
 * before the caller decides; an abort kills the whole group.
 */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<void> {
  options.signal?.throwIfAborted();
  // Like a server, it must not outlive this process.
  using guards = new DisposableStack();
  const child = spawnGuarded(
    command,
    args,
    {
      ...(options.user && { uid: options.user.uid, gid: options.user.gid }),
      cwd: options.cwd,
      env: serverEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
    },
    (pid) => void guards.use(groupWatchdog(pid)),
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-8192);
    });
  }
  const kill = () => killGroup(child.pid);
  options.signal?.addEventListener('abort', kill);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    options.signal?.throwIfAborted();
    if (code !== 0) throw failure(`${command} failed with exit code ${code}`, output);
  } finally {
    options.signal?.removeEventListener('abort', kill);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** The error for a program that ended badly, from the last lines it wrote. */
export function failure(message: string, output: string): EngineError {
  const lines = output.trim().split('\n').slice(-12).join('\n');
  const full = output.split('\n').find((line) => /No space left on device|Disk quota exceeded/.test(line));
  if (full !== undefined) {
    return new EngineError(
      'ENGINE_DISK_FULL',
      `The disk is full: ${full}`,
      'Free some space, then try again.',
    );
  }
  return new EngineError(
    'ENGINE_FAILED',
    `${message}\n${lines}`,
    'The lines above are what it said before it ended.',
  );
}
