import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import type { Writable } from 'node:stream';

export interface GuardedOptions extends SpawnOptions {
  /** Standard input, output and error; the next descriptor is the gate's. */
  readonly stdio: ['ignore', 'ignore' | 'pipe' | number, 'pipe' | number];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Whether a shell may stand in for the program: not for one that is missing or cannot be executed, which is to fail at
 * once, nor for one with variables whose names a shell would drop.
 */
function isGateable(command: string, { cwd, env }: GuardedOptions): boolean {
  const folders = command.includes('/') ? [''] : (env.PATH ?? '').split(path.delimiter);
  return (
    process.platform !== 'win32' &&
    folders.some((folder) => isExecutable(path.resolve(cwd, folder, command))) &&
    Object.keys(env).every((name) => /^[A-Za-z_]\w*$/.test(name))
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * Starts a program once `guard` has seen to it that it cannot outlive this process. Until then a shell stands in its
 * place, with the same process id, and ends with this process: a SIGKILL between the start and the guard would
 * otherwise leave the program behind.
 */
export function spawnGuarded(
  command: string,
  args: readonly string[],
  options: GuardedOptions,
  guard: (pid: number) => void,
): ChildProcess {
  if (!isGateable(command, options)) {
    const child = spawn(command, args, options);
    if (child.pid !== undefined) guard(child.pid);
    return child;
  }
  const gate = 'read -r go <&3 || exit 1; exec "$@" 3<&-';
  const stdio = [...options.stdio, 'pipe' as const];
  const child = spawn('/bin/sh', ['-c', gate, 'sh', command, ...args], { ...options, stdio });
  if (child.pid === undefined) return child;
  guard(child.pid);
  const opener = child.stdio[3] as Writable;
  opener.on('error', () => {}); // it was killed before it began
  opener.end('go\n');
  return child;
}
