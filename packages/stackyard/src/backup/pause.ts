import { execFileSync, spawn } from 'node:child_process';
import { type DockerEnvironment, toolBasics } from '../drivers/docker/command.ts';
import { isAlive, type ProcessIdentity, signalGroup } from '../processes.ts';

/**
 * Stops every process of a service's group where it is, until this is disposed of, or until this process ends: a
 * shell that waits at a pipe lets them go on then.
 */
export function pauseGroup(leader: ProcessIdentity): Disposable {
  if (!isAlive(leader)) return { [Symbol.dispose]: () => {} };
  const resume = guard('kill -s CONT -- "-$1"', String(leader.pid), process.env);
  signalGroup(leader.pid, 'SIGSTOP');
  return resume;
}

/** The same for a container. */
export function pauseContainer(id: string, environment: DockerEnvironment): Disposable {
  const resume = guard('docker unpause "$1"', id, environment);
  execFileSync('docker', ['pause', id], { env: toolBasics(environment), stdio: 'ignore' });
  return resume;
}

/** Runs a command of the shell when it is disposed of, or when this process ends before that, however it ends. */
function guard(command: string, subject: string, environment: DockerEnvironment): Disposable {
  const script = `trap "" INT TERM HUP; read -r _; ${command} >/dev/null 2>&1`;
  const shell = spawn('/bin/sh', ['-c', script, 'stackyard-resume', subject], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: toolBasics(environment),
    detached: true,
  });
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  return { [Symbol.dispose]: () => shell.stdin.destroy() };
}
