import type { Command } from 'commander';
import { splitProfiles } from '../configuration.ts';
import { StackyardError } from '../errors.ts';
import { type LoadedStack, load } from '../load.ts';
import { follow, logFile } from '../log-files.ts';
import { hostAddresses, type RunScript } from '../plan.ts';
import { isAlive } from '../processes.ts';
import { Releasers } from '../releasers.ts';
import { runScript, scriptFailed, scriptLabel, startScript } from '../scripts.ts';
import { OwnedError, type RunningStack, startStack } from '../start-stack.ts';
import { acquireLock, readLiveState, type StackState } from '../state.ts';
import type { ManagedProcess } from '../supervisor/managed-process.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import {
  chooseVariant,
  newCommand,
  paints,
  type StackOptions,
  type Surroundings,
  withStackOptions,
  withVariant,
} from './command-line.ts';
import { Interrupts } from './interrupts.ts';
import { formatSummary } from './summary.ts';
import { ProgressDisplay, prefixer } from './terminal.ts';

export function command(surroundings: Surroundings): Command {
  return withStackOptions(
    withVariant(newCommand('dev', 'start a stack, run its dev scripts, stop it on Ctrl-C')),
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
  const variant = chooseVariant(surroundings, name);
  const loaded = await load(variant, {
    processEnvironment: surroundings.environment,
    driver: options.driver,
    profiles: splitProfiles(options.profile ?? []),
  });
  const session = new DevSession(surroundings, loaded, interrupts);
  const releasers = new Releasers();
  let failure: unknown;
  try {
    await session.run(releasers);
  } catch (error) {
    failure = error;
  }
  await session.leave(releasers, failure);
  if (failure !== undefined) throw failure;
}

class DevSession {
  readonly #surroundings: Surroundings;
  readonly #loaded: LoadedStack;
  readonly #interrupts: Interrupts;
  readonly #scripts: readonly RunScript[];
  readonly #format: (name: string, line: string) => string;
  #running: RunningStack | undefined;

  constructor(surroundings: Surroundings, loaded: LoadedStack, interrupts: Interrupts) {
    this.#surroundings = surroundings;
    this.#loaded = loaded;
    this.#interrupts = interrupts;
    const { operations } = loaded.plan;
    this.#scripts = operations.filter(
      (operation) => operation.kind === 'script' && operation.script !== 'setup',
    ) as RunScript[];
    const services = operations.flatMap((operation) =>
      operation.kind === 'start' ? [operation.service] : [],
    );
    const names = this.#scripts.length ? this.#scripts.map(({ script }) => scriptLabel(script)) : services;
    this.#format = prefixer(['setup', ...names], paints(surroundings).out);
  }

  /** Comes back after Ctrl-C; throws when a service or script fails. */
  async run(releasers: Releasers): Promise<void> {
    const { stack, driver } = this.#loaded;
    const { stdout, environment: processEnvironment } = this.#surroundings;
    const { hurry } = this.#interrupts;
    using display = new ProgressDisplay(stdout, this.#format);
    const { failed, state, supervisor } = await this.#attachOrStart(releasers, display);
    stdout.write(`${formatSummary(state(), paints(this.#surroundings).out)}\n`);
    const output = (name: string, line: string) => display.output(name, line);
    const context = {
      stack,
      addresses: hostAddresses(stack, driver),
      supervisor,
      processEnvironment,
      output,
    };
    const ended: Promise<unknown>[] = [];
    for (const operation of this.#scripts) {
      const child = await startScript(operation, context);
      releasers.push(operation.script, async () => void (await child.stop(hurry)));
      ended.push(this.#watch(operation, child));
    }
    if (this.#scripts.length === 0) this.#followLogs(output, releasers);
    await Promise.race([
      this.#interrupts.stopped,
      failed,
      ...(ended.length ? [Promise.all(ended).then(() => new Promise(() => {}))] : []),
    ]);
  }

  async leave(releasers: Releasers, failure: unknown): Promise<void> {
    const { stdout } = this.#surroundings;
    const began = performance.now();
    await releasers.release();
    if (this.#running) {
      await this.#running.stop(failure);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      if (failure === undefined) stdout.write(`${this.#loaded.stack.variant.name} stopped in ${seconds} s\n`);
    }
  }

  /** A script that ends well leaves the others running; one that fails ends the session. */
  async #watch(operation: RunScript, child: ManagedProcess): Promise<void> {
    const exit = await child.exited;
    await child.drained;
    if (this.#interrupts.stop.aborted) return;
    if (exit.code !== 0) throw scriptFailed(operation, child, this.#loaded.stack);
    this.#surroundings.stdout.write(
      `${this.#format(scriptLabel(operation.script), 'ended (exit code 0)')}\n`,
    );
  }

  #followLogs(output: (name: string, line: string) => void, releasers: Releasers): void {
    const abort = new AbortController();
    releasers.push('logs', () => abort.abort());
    for (const operation of this.#loaded.plan.operations) {
      if (operation.kind !== 'start') continue;
      const file = logFile(this.#loaded.stack.variant.stateDirectory, operation.service);
      follow(file, 0, (line) => output(operation.service, line), abort.signal);
    }
  }

  async #attachOrStart(releasers: Releasers, display: ProgressDisplay): Promise<Attached> {
    const { stack, driver, plan } = this.#loaded;
    const { environment: processEnvironment } = this.#surroundings;
    const { stop, hurry } = this.#interrupts;
    const live = readLiveState(stack.variant.stateDirectory);
    if (live?.mode === 'up' && live.phase === 'ready') return this.#attach(live, releasers, display);
    if (live?.mode === 'dev') throw alreadyDeveloped(stack.variant.name, live.owner.pid);
    const start = {
      stack,
      driver,
      plan,
      mode: 'dev' as const,
      reporter: display,
      processEnvironment,
      signal: stop,
      hurry,
    };
    try {
      const running = await startStack(start);
      this.#running = running;
      return { state: () => running.state.current, failed: running.failed, supervisor: running.supervisor };
    } catch (error) {
      if (!(error instanceof OwnedError)) throw error;
      const now = readLiveState(stack.variant.stateDirectory);
      if (now?.mode === 'dev') throw alreadyDeveloped(stack.variant.name, now.owner.pid);
      throw error;
    }
  }

  /** Uses the stack of a background supervisor: only the scripts are this command's own. */
  async #attach(state: StackState, releasers: Releasers, display: ProgressDisplay): Promise<Attached> {
    const { stack, driver, plan } = this.#loaded;
    const { variant } = stack;
    const lock = acquireLock(`${variant.stateDirectory}/dev.lock`);
    if ('holder' in lock) throw alreadyDeveloped(variant.name, lock.holder.pid);
    releasers.push('lock', () => lock.release());
    const supervisor = new Supervisor();
    releasers.push('watchdog', () => supervisor[Symbol.dispose]());
    const setup = plan.operations.find(
      (operation) => operation.kind === 'script' && operation.script === 'setup',
    );
    if (setup?.kind === 'script') {
      const output = (name: string, line: string) => display.output(name, line);
      const { environment: processEnvironment } = this.#surroundings;
      const context = {
        stack,
        addresses: hostAddresses(stack, driver),
        supervisor,
        processEnvironment,
        output,
      };
      display.progress('setup', 'running');
      await runScript(setup, context, this.#interrupts.stop);
      display.done('setup');
    }
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    const timer = setInterval(() => {
      if (!isAlive(state.owner)) failed.reject(stackWentDown(variant.name));
    }, 500);
    releasers.push('watch', () => clearInterval(timer));
    return {
      state: () => readLiveState(variant.stateDirectory) ?? state,
      failed: failed.promise,
      supervisor,
    };
  }
}

interface Attached {
  state(): StackState;
  readonly failed: Promise<never>;
  readonly supervisor: Supervisor;
}

function alreadyDeveloped(variant: string, pid: number): StackyardError {
  return new StackyardError(
    'STACKYARD_DEV_RUNNING',
    `"stackyard dev" of ${variant} runs already, as process ${pid}`,
    {
      hint: `see what it prints with "stackyard logs -f ${variant}", or stop it with "stackyard down ${variant}"`,
    },
  );
}

function stackWentDown(variant: string): StackyardError {
  return new StackyardError('STACKYARD_STACK_GONE', `the stack ${variant} is no longer up`, {
    hint: `"stackyard status ${variant}" says why; "stackyard up ${variant}" starts it again`,
  });
}
