import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { identify, isAlive, type ProcessIdentity, signalGroup } from '../../processes.ts';
import { readJson, writeJson } from '../../state.ts';
import { type DockerEnvironment, toolBasics } from './command.ts';
import { projectLabel } from './project.ts';

/**
 * End-of-file without a word means that the owner is gone, however it went: the project's containers are asked to
 * stop, then removed with its networks. It looks again, since the engine may still be creating what was asked for.
 */
const script = `
trap '' INT TERM HUP
read -r word && exit 0
filter="label=${projectLabel}=$1"
clean=0
tries=0
while [ $clean -lt 2 ] && [ $tries -lt 20 ]; do
  ids=$(docker ps --all --quiet --filter "$filter")
  networks=$(docker network ls --quiet --filter "$filter")
  if [ -z "$ids$networks" ]; then clean=$((clean + 1)); else clean=0; fi
  if [ -n "$ids" ]; then
    docker stop --time 2 $ids
    docker rm --force $ids
  fi
  [ -z "$networks" ] || docker network rm $networks
  tries=$((tries + 1))
  sleep 0.5
done >/dev/null 2>&1
`;

const record = (stateDirectory: string): string => path.join(stateDirectory, 'docker-watchdog.json');

/** Outlives a SIGKILL of this process, just long enough to remove the containers and networks of its project. */
export class ContainerWatchdog implements Disposable {
  readonly #shell: ChildProcess;
  readonly #file: string;

  constructor(project: string, stateDirectory: string, environment: DockerEnvironment) {
    this.#file = record(stateDirectory);
    this.#shell = spawn('/bin/sh', ['-c', script, 'stackyard-container-watchdog', project], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: toolBasics(environment),
    });
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {}); // it was killed: there is nobody to tell
    this.#shell.unref();
    (this.#shell.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    const identity = this.#shell.pid === undefined ? undefined : identify(this.#shell.pid);
    if (identity) writeJson(this.#file, identity);
  }

  /** Nothing is left to remove. */
  [Symbol.dispose](): void {
    this.#shell.stdin?.end('done\n');
    rmSync(this.#file, { force: true });
  }
}

/** Ends the watchdog of an owner that died, so that it cannot remove what the next one starts. */
export function endWatchdog(stateDirectory: string): void {
  const identity = readJson<ProcessIdentity>(record(stateDirectory));
  if (identity && isAlive(identity)) signalGroup(identity.pid, 'SIGKILL');
  rmSync(record(stateDirectory), { force: true });
}
