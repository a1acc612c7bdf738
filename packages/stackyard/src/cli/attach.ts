import path from 'node:path';
import { StackyardError } from '../errors.ts';
import { hostAddresses } from '../plan.ts';
import { isAlive } from '../processes.ts';
import { Releasers } from '../releasers.ts';
import { runSetup, type StartOptions } from '../start-stack.ts';
import { acquireLock, readLiveState, type StackState } from '../state.ts';
import { Supervisor } from '../supervisor/supervisor.ts';

/** A running stack as "stackyard dev" uses it: its own, or that of a background supervisor. */
export interface AttachedStack {
  state(): StackState;
  /** Runs the scripts. */
  readonly supervisor: Supervisor;
  /** Rejects when the stack is no longer up. */
  readonly failed: Promise<never>;
  /** Whether leaving it stops it. */
  readonly owned: boolean;
  leave(failure: unknown): Promise<void>;
}

/** How often to look whether the supervisor still lives. */
const watchMs = 500;

/** Uses the stack of a background supervisor; the setup script runs again, since it may have changed. */
export async function attachStack(state: StackState, options: StartOptions): Promise<AttachedStack> {
  const { variant } = options.stack;
  const lock = acquireLock(path.join(variant.stateDirectory, 'dev.lock'));
  if ('holder' in lock) throw devRunsAlready(variant.name, lock.holder.pid);
  const releasers = new Releasers();
  releasers.push('lock', () => lock.release());
  try {
    const supervisor = new Supervisor();
    releasers.push('watchdog', () => supervisor[Symbol.dispose]());
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {}); // whoever needs it awaits it
    const timer = setInterval(() => {
      if (!isAlive(state.owner)) failed.reject(wentDown(variant.name));
    }, watchMs);
    releasers.push('watch', () => clearInterval(timer));
    await runSetup(options, hostAddresses(options.stack, options.driver), supervisor, failed.promise);
    return {
      state: () => readLiveState(variant.stateDirectory) ?? state,
      supervisor,
      failed: failed.promise,
      owned: false,
      leave: () => releasers.release(),
    };
  } catch (error) {
    await releasers.release();
    throw error;
  }
}

/** Two of them would run every script twice. */
export function devRunsAlready(variant: string, pid: number): StackyardError {
  return new StackyardError(
    'STACKYARD_DEV_RUNNING',
    `"stackyard dev" of ${variant} runs already, as process ${pid}`,
    {
      hint: `see what it prints with "stackyard logs -f ${variant}", or stop it with "stackyard down ${variant}"`,
    },
  );
}

function wentDown(variant: string): StackyardError {
  return new StackyardError('STACKYARD_STACK_GONE', `the stack ${variant} is no longer up`, {
    hint: `"stackyard status ${variant}" says why; "stackyard up ${variant}" starts it again`,
  });
}
