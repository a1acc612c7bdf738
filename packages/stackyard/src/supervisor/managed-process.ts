import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { StackyardError } from '../errors.ts';
import { groupLives, identify, type ProcessIdentity, signalGroup } from '../processes.ts';
import { spawnGuarded } from '../spawn-guarded.ts';
import { eachLine } from './lines.ts';
import type { Watchdog } from './watchdog.ts';

export interface ProcessSpec {
  /** What the process is, for messages: `postgres`, `dev:api`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly stopSignal: NodeJS.Signals;
  readonly stopGraceMs: number;
  /** What the watchdog sends when this process is gone; `stopSignal` where absent. */
  readonly abandonSignal?: NodeJS.Signals | undefined;
  /** Where its output goes: an open file, or a function that gets each line. */
  readonly output: { readonly file: number } | { readonly line: (text: string) => void };
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** In words, where code and signal do not tell. */
  readonly reason?: string;
  /** The system killed it because its memory limit was reached. */
  readonly outOfMemory?: boolean;
}

/** `exit code 1`, `SIGKILL`. */
export const formatExit = (exit: Exit): string => exit.reason ?? exit.signal ?? `exit code ${exit.code}`;

/** A running child in a process group of its own, known to the watchdog. */
export class ManagedProcess {
  readonly name: string;
  readonly identity: ProcessIdentity;
  /** Settles when the leader of the group has ended; never rejects. */
  readonly exited: Promise<Exit>;
  /** Settles when its output has been read to the end, at the latest 200 ms after the exit: an orphan may hold it open. */
  readonly drained: Promise<void>;
  readonly #spec: ProcessSpec;
  readonly #watchdog: Watchdog;
  #stopping: Promise<Exit> | undefined;
  #exit: Exit | undefined;

  private constructor(child: ChildProcess, spec: ProcessSpec, watchdog: Watchdog) {
    this.name = spec.name;
    this.#spec = spec;
    this.#watchdog = watchdog;
    const pid = child.pid!;
    this.identity = identify(pid) ?? { pid, startTime: '', bootId: '' };
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    // What the leader leaves behind ends with it.
    this.exited.then(() => {
      if (!this.#stopping) void this.#sweep();
    });
    const { output } = spec;
    const streams = 'line' in output ? [child.stdout, child.stderr].filter((stream) => stream !== null) : [];
    const ends = streams.map((stream) => {
      if ('line' in output) eachLine(stream, output.line);
      return new Promise<void>((resolve) => stream.once('close', resolve));
    });
    this.drained = Promise.race([Promise.all(ends), this.exited.then(() => pause(200))]).then(() => {});
  }

  static async start(spec: ProcessSpec, watchdog: Watchdog): Promise<ManagedProcess> {
    const output = 'file' in spec.output ? spec.output.file : 'pipe';
    const child = spawnGuarded(
      spec.command,
      spec.args,
      {
        cwd: spec.cwd,
        env: spec.environment,
        detached: true,
        stdio: ['ignore', output, output],
        ...(spec.user ?? {}),
      },
      (pid) => watchdog.add(pid, spec.abandonSignal ?? spec.stopSignal),
    );
    if (child.pid !== undefined) return new ManagedProcess(child, spec, watchdog);
    const cause = await new Promise<Error>((resolve) => child.once('error', resolve));
    throw new StackyardError('STACKYARD_SPAWN', `${spec.name} cannot be started: ${cause.message}`, {
      hint: `check that ${spec.command} exists and may be executed`,
      cause,
    });
  }

  /** How it ended; undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** Whether it was asked to stop. */
  get stopped(): boolean {
    return this.#stopping !== undefined;
  }

  /** Asks the group to stop, waits for the grace period, kills what is left. `hurry` ends the waiting. */
  stop(hurry?: AbortSignal): Promise<Exit> {
    this.#stopping ??= this.#stop(hurry);
    return this.#stopping;
  }

  async #stop(hurry?: AbortSignal): Promise<Exit> {
    if (!this.#exit) {
      signalGroup(this.identity.pid, this.#spec.stopSignal);
      await Promise.race([this.exited, pause(this.#spec.stopGraceMs, hurry)]);
      if (!this.#exit) signalGroup(this.identity.pid, 'SIGKILL');
    }
    const exit = await this.exited;
    await this.#sweep(hurry);
    return exit;
  }

  async #sweep(hurry?: AbortSignal): Promise<void> {
    const group = this.identity.pid;
    if (groupLives(group)) {
      signalGroup(group, 'SIGTERM');
      const deadline = performance.now() + Math.min(this.#spec.stopGraceMs, 2000);
      while (groupLives(group) && performance.now() < deadline && !hurry?.aborted) await sleep(10);
      if (groupLives(group)) signalGroup(group, 'SIGKILL');
    }
    this.#watchdog.remove(group);
  }
}

/** Waits, but no longer than until the signal aborts; leaves no timer behind either way. */
function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return sleep(milliseconds, undefined, { ref: false, ...(signal ? { signal } : {}) }).catch(() => {});
}
