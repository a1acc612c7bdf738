import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { InterruptedError, reviveError, StackyardError } from '../errors.ts';
import { tail } from '../log-files.ts';
import { identify, isAlive } from '../processes.ts';
import type { SupervisorMessage } from '../reporter.ts';
import { lockHolder, ownerLock, readLiveState } from '../state.ts';
import { eachLine } from '../supervisor/lines.ts';
import type { SupervisorRequest } from '../supervisor/supervise.ts';
import { waitUntilReady } from '../wait-ready.ts';
import type { Variant } from '../workspace.ts';
import {
  chooseVariants,
  newCommand,
  paints,
  type StackOptions,
  type Surroundings,
  withBuildOption,
  withStackOptions,
  withVariant,
} from './command-line.ts';
import { Interrupts } from './interrupts.ts';
import { formatSummary } from './summary.ts';
import { ProgressDisplay, prefixer } from './terminal.ts';

export function command(surroundings: Surroundings): Command {
  return withBuildOption(
    withStackOptions(withVariant(newCommand('up', 'start a stack and leave it running in the background'))),
  )
    .addHelpText(
      'after',
      `
Starts the services and runs the package script "setup"; a supervisor in the background owns them until
"stackyard down". From the root without a variant: every variant, one after the other. A running stack is
left as it is.`,
    )
    .action((variant: string | undefined, options: StackOptions) => up(surroundings, variant, options));
}

async function up(
  surroundings: Surroundings,
  name: string | undefined,
  options: StackOptions,
): Promise<void> {
  using interrupts = new Interrupts();
  // The supervisor reads the Compose files: without this, the reader is not even loaded here.
  const profiles = options.profile
    ? (await import('../configuration.ts')).splitProfiles(options.profile)
    : [];
  for (const variant of chooseVariants(surroundings, name).variants) {
    const { driver, build = false } = options;
    await upOne(surroundings, variant, { driver, profiles, containersOnly: build }, interrupts);
  }
}

async function upOne(
  surroundings: Surroundings,
  variant: Variant,
  options: Pick<SupervisorRequest, 'driver' | 'profiles' | 'containersOnly'>,
  interrupts: Interrupts,
): Promise<void> {
  const paint = paints(surroundings).out;
  using display = new ProgressDisplay(surroundings.stdout, prefixer(['setup'], paint));
  const waitForOther = async (pid: number) => {
    display.progress(variant.name, `being started by process ${pid}`);
    await waitUntilReady(variant, { signal: interrupts.stop });
  };
  const lock = ownerLock(variant.stateDirectory);
  const live = readLiveState(variant.stateDirectory);
  if (live?.phase === 'stopping') {
    display.progress(variant.name, `being stopped by process ${live.owner.pid}`);
    while (lockHolder(lock)?.pid === live.owner.pid) {
      if (interrupts.stop.aborted) throw new InterruptedError();
      await sleep(20, undefined, { signal: interrupts.stop }).catch(() => {});
    }
    display.done(variant.name);
  }
  const holder = lockHolder(lock);
  if (holder) await waitForOther(holder.pid);
  else {
    const request = { variant: variant.name, root: variant.root, ...options };
    try {
      await startSupervisor(request, variant, surroundings, display, interrupts);
    } catch (error) {
      // Another command was quicker by a moment.
      const owner = lockHolder(lock);
      if (!(error instanceof StackyardError && error.code === 'STACKYARD_OWNED' && owner)) throw error;
      await waitForOther(owner.pid);
    }
  }
  display[Symbol.dispose]();
  const state = readLiveState(variant.stateDirectory);
  if (state) surroundings.stdout.write(`${formatSummary(state, paint)}\n`);
}

/** Starts the background supervisor and stays with it until the stack is ready or has failed. */
async function startSupervisor(
  request: SupervisorRequest,
  variant: Variant,
  surroundings: Surroundings,
  display: ProgressDisplay,
  interrupts: Interrupts,
): Promise<void> {
  mkdirSync(variant.stateDirectory, { recursive: true });
  const log = openSync(path.join(variant.stateDirectory, 'supervisor.log'), 'w');
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, '..', 'bin', 'supervisor.js'), JSON.stringify(request)],
    {
      cwd: variant.root,
      env: { ...surroundings.environment },
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
    },
  );
  closeSync(log);
  const self = identify(child.pid!);
  const channel = child.stdio[3] as Readable;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  eachLine(channel, (line) => {
    const message = JSON.parse(line) as SupervisorMessage;
    if (message.type === 'progress') display.progress(message.subject, message.message);
    else if (message.type === 'done') display.done(message.subject);
    else if (message.type === 'output') display.output(message.name, message.line);
    else if (message.type === 'ready') resolve();
    else reject(reviveError(message.error));
  });
  channel.once('close', () => reject(supervisorGone(variant)));
  const stop = () => {
    if (self && isAlive(self)) process.kill(self.pid, 'SIGTERM');
  };
  interrupts.stop.addEventListener('abort', stop, { once: true });
  interrupts.hurry.addEventListener('abort', stop, { once: true });
  try {
    await promise;
  } catch (error) {
    // The supervisor has unwound by the time its channel closes.
    if (!channel.closed) await new Promise((done) => channel.once('close', done));
    throw interrupts.stop.aborted ? new InterruptedError() : error;
  } finally {
    interrupts.stop.removeEventListener('abort', stop);
    interrupts.hurry.removeEventListener('abort', stop);
    child.unref();
    channel.destroy();
  }
}

function supervisorGone(variant: Variant): StackyardError {
  return new StackyardError(
    'STACKYARD_SUPERVISOR_GONE',
    `the supervisor of ${variant.name} ended before the stack was ready`,
    {
      details: tail(path.join(variant.stateDirectory, 'supervisor.log'), 12).map((line) => `| ${line}`),
      hint: `read ${path.join(variant.stateDirectory, 'supervisor.log')}, then start again: what it left is cleaned up`,
    },
  );
}
