import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { splitProfiles } from '../configuration.ts';
import { InterruptedError } from '../errors.ts';
import { type LoadedStack, load } from '../load.ts';
import { follow, logFile } from '../log-files.ts';
import type { RunScript } from '../plan.ts';
import { Releasers } from '../releasers.ts';
import { scriptLabel } from '../scripts.ts';
import { OwnedError, type StartOptions, startStack } from '../start-stack.ts';
import { readLiveState } from '../state.ts';
import { waitUntilReady } from '../wait-ready.ts';
import { type AttachedStack, attachStack, devRunsAlready } from './attach.ts';
import {
  chooseVariant,
  newCommand,
  paints,
  type StackOptions,
  type Surroundings,
  withBuildOption,
  withStackOptions,
  withVariant,
} from './command-line.ts';
import { startScripts } from './dev-scripts.ts';
import { Interrupts } from './interrupts.ts';
import { watchLaunchers } from './launchers.ts';
import { formatSummary } from './summary.ts';
import { ProgressDisplay, prefixer } from './terminal.ts';

export function command(surroundings: Surroundings): Command {
  return withBuildOption(
    withStackOptions(withVariant(newCommand('dev', 'start a stack, run its dev scripts, stop it on Ctrl-C'))),
  )
    .addHelpText(
      'after',
      `
Starts the services of the Compose files, runs the package script "setup", then every script "dev:<name>" with
the environment that the Compose files give the service <name>. A stack that "stackyard up" started is used as
it is, and stays up afterwards. Ctrl-C stops what this command started; a second Ctrl-C does not wait.`,
    )
    .action((variant: string | undefined, options: StackOptions) => dev(surroundings, variant, options));
}

async function dev(
  surroundings: Surroundings,
  name: string | undefined,
  options: StackOptions,
): Promise<void> {
  using interrupts = new Interrupts();
  using _launchers = watchLaunchers(() => interrupts.interrupt());
  const variant = chooseVariant(surroundings, name);
  const loaded = await load(variant, {
    processEnvironment: surroundings.environment,
    driver: options.driver,
    profiles: splitProfiles(options.profile ?? []),
    containersOnly: options.build ?? false,
  });
  const { operations } = loaded.plan;
  const scripts = operations.filter(
    (operation): operation is RunScript => operation.kind === 'script' && operation.script !== 'setup',
  );
  const services = operations.flatMap((operation) => (operation.kind === 'start' ? [operation.service] : []));
  const names = scripts.length ? scripts.map(({ script }) => scriptLabel(script)) : services;
  using display = new ProgressDisplay(
    surroundings.stdout,
    prefixer(['setup', ...names], paints(surroundings).out),
  );
  const releasers = new Releasers();
  const session: Session = { surroundings, loaded, interrupts, display, releasers };
  let failure: unknown;
  let stack: AttachedStack | undefined;
  try {
    stack = await attachOrStart(session);
    await develop(session, stack, scripts, services);
  } catch (error) {
    failure = error;
  }
  if (stack) await leave(session, stack, failure);
  else await releasers.release();
  if (failure !== undefined) throw failure;
}

interface Session {
  readonly surroundings: Surroundings;
  readonly loaded: LoadedStack;
  readonly interrupts: Interrupts;
  readonly display: ProgressDisplay;
  readonly releasers: Releasers;
}

/** Comes back after Ctrl-C; throws when a service or a script fails. */
async function develop(
  session: Session,
  stack: AttachedStack,
  scripts: readonly RunScript[],
  services: readonly string[],
): Promise<void> {
  const { surroundings, loaded, interrupts, display, releasers } = session;
  const output = (name: string, line: string) => display.output(name, line);
  const started = await startScripts(scripts, {
    ...loaded,
    supervisor: stack.supervisor,
    processEnvironment: surroundings.environment,
    output,
    display,
    interrupts,
    releasers,
    alsoFails: stack.failed,
  });
  if (interrupts.stop.aborted) return;
  surroundings.stdout.write(`${formatSummary(stack.state(), paints(surroundings).out, started.records)}\n`);
  if (scripts.length === 0) {
    const { stateDirectory } = loaded.stack.variant;
    const abort = new AbortController();
    releasers.push('logs', () => abort.abort());
    for (const name of services) {
      follow(logFile(stateDirectory, name), 0, (line) => output(name, line), abort.signal);
    }
  }
  await Promise.race([interrupts.stopped, stack.failed, started.failed]);
}

async function leave(session: Session, stack: AttachedStack, failure: unknown): Promise<void> {
  const { surroundings, loaded, display, releasers } = session;
  const { name } = loaded.stack.variant;
  const began = performance.now();
  display.progress(name, 'stopping');
  await releasers.release();
  await stack.leave(failure);
  display.done(name);
  if (failure !== undefined) return;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const stays = `${name} stays up; "stackyard down ${name}" stops it`;
  surroundings.stdout.write(`${stack.owned ? `${name} stopped in ${seconds} s` : stays}\n`);
}

/** Uses the stack of a background supervisor, or starts one that this process owns. */
async function attachOrStart(session: Session): Promise<AttachedStack> {
  const { surroundings, loaded, interrupts, display } = session;
  const { variant } = loaded.stack;
  const options: StartOptions = {
    ...loaded,
    mode: 'dev',
    reporter: display,
    processEnvironment: surroundings.environment,
    signal: interrupts.stop,
    hurry: interrupts.hurry,
  };
  for (;;) {
    const live = readLiveState(variant.stateDirectory);
    if (live?.mode === 'up' && live.phase === 'ready') return attachStack(live, options);
    if (live?.mode === 'up' && live.phase === 'starting') {
      display.progress(variant.name, `being started by process ${live.owner.pid}`);
      await waitUntilReady(variant, { signal: interrupts.stop });
      display.done(variant.name);
      continue;
    }
    try {
      const running = await startStack(options);
      const { supervisor, failed } = running;
      const leaveStack = (failure: unknown) => running.stop(failure);
      return { state: () => running.state.current, supervisor, failed, owned: true, leave: leaveStack };
    } catch (error) {
      if (!(error instanceof OwnedError)) throw error;
      const state = readLiveState(variant.stateDirectory);
      if (state?.mode === 'dev') throw devRunsAlready(state.variant, state.owner.pid);
      // Its owner has only just begun, or is about to end.
      display.progress(variant.name, `being started or stopped by process ${error.holder.pid}`);
      await sleep(20, undefined, { signal: interrupts.stop }).catch(() => {});
      if (interrupts.stop.aborted) throw new InterruptedError();
    }
  }
}
