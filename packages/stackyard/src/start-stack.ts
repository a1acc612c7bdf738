import { rmSync } from 'node:fs';
import { checkIdentity } from './convex/identity.ts';
import type { Driver, DriverContext, Stack } from './driver.ts';
import { loadDriver } from './drivers/index.ts';
import { describeError, type ErrorReport, InterruptedError, StackyardError } from './errors.ts';
import { type HostAddresses, hostEnvironment } from './host-environment.ts';
import { endLeftovers } from './leftovers.ts';
import { hostAddresses, type Plan } from './plan.ts';
import { findBusyPortsOf } from './port-variables.ts';
import { busyPortsError } from './ports.ts';
import { identify, type ProcessIdentity } from './processes.ts';
import { registerStack } from './registry.ts';
import { Releasers } from './releasers.ts';
import type { Reporter } from './reporter.ts';
import { runServices } from './run.ts';
import { runScript } from './scripts.ts';
import {
  abandonedScripts,
  acquireLock,
  failureFile,
  noteJson,
  ownerLock,
  readState,
  type ServiceRecord,
  StateFile,
} from './state.ts';
import { Supervisor } from './supervisor/supervisor.ts';

export interface StartOptions {
  readonly stack: Stack;
  readonly driver: Driver;
  readonly plan: Plan;
  readonly mode: 'up' | 'dev';
  readonly reporter: Reporter;
  readonly processEnvironment: Readonly<Record<string, string | undefined>>;
  /** Aborted to give up the start. */
  readonly signal: AbortSignal;
  /** Aborted to end every grace period at once. */
  readonly hurry: AbortSignal;
}

/** A stack that this process owns. */
export interface RunningStack {
  readonly state: StateFile;
  readonly supervisor: Supervisor;
  /** Rejects when a service ends by itself; pending otherwise. */
  readonly failed: Promise<never>;
  /** Stops everything in reverse order; with a failure, that is kept for `status`. */
  stop(failure?: unknown): Promise<void>;
}

/** Another live process owns the stack. */
export class OwnedError extends StackyardError {
  override readonly name = 'OwnedError';
  readonly holder: ProcessIdentity;

  constructor(variant: string, holder: ProcessIdentity) {
    super('STACKYARD_OWNED', `${variant} is being started or stopped by process ${holder.pid}`, {
      hint: `wait for it (stackyard wait ${variant}), or stop it (stackyard down ${variant})`,
    });
    this.holder = holder;
  }
}

/** Brings a stack up: ports, services, setup script. On failure or interruption nothing is left running. */
export async function startStack(options: StartOptions): Promise<RunningStack> {
  const { stack, driver, plan, signal } = options;
  const { variant } = stack;
  const lock = acquireLock(ownerLock(variant.stateDirectory));
  if ('holder' in lock) throw new OwnedError(variant.name, lock.holder);
  const releasers = new Releasers();
  releasers.push('lock', () => lock.release());
  const began = performance.now();
  let state: StateFile | undefined;
  const stop = async (failure?: unknown) => {
    state?.stopping();
    if (failure !== undefined && !(failure instanceof InterruptedError)) {
      noteJson(failureFile(variant.stateDirectory), describeError(failure) satisfies ErrorReport);
    }
    await releasers.release();
  };
  try {
    await recoverStack(stack);
    await endLeftovers(abandonedScripts(variant.stateDirectory));
    rmSync(failureFile(variant.stateDirectory), { force: true });
    state = openState(options);
    // What could not be stopped is left to the next start, or to `down`, which learn of it from the state.
    releasers.push('state', (failed) => {
      if (!failed) state?.remove();
    });
    const { root, name, stateDirectory } = variant;
    const entry = { root, variant: name, stateDirectory, owner: state.current.owner };
    const registered = registerStack(entry, options.processEnvironment);
    releasers.push('registry', () => registered[Symbol.dispose]());
    const supervisor = new Supervisor();
    releasers.push('watchdog', () => supervisor[Symbol.dispose]());
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {}); // whoever needs it awaits it
    await checkIdentity(stack, plan); // only: convex
    await checkPorts(stack, plan);
    interrupted(signal);

    const addresses = hostAddresses(stack, driver);
    const session: DriverContext = {
      stack,
      services: plan.operations.flatMap((operation) => (operation.kind === 'start' ? operation.service : [])),
      hostEnvironment: (service) => hostEnvironment(stack.model, service, addresses).values,
      spawn: (spec) => supervisor.spawn(spec),
      progress: (service, message) => options.reporter.progress(service, message),
      signal,
    };
    const onDeath = (error: Error) => failed.reject(error);
    const { reporter, hurry } = options;
    await runServices(plan.operations, {
      stack,
      driver,
      session,
      state,
      releasers,
      hurry,
      reporter,
      onDeath,
    });
    await runSetup(options, addresses, supervisor, failed.promise);
    interrupted(signal);
    state.update({ phase: 'ready', readyMs: Math.round(performance.now() - began) });
    return { state, supervisor, failed: failed.promise, stop };
  } catch (error) {
    // Whatever an abort broke on its way, the interruption is what happened.
    const failure = signal.aborted ? new InterruptedError() : error;
    await stop(failure);
    throw failure;
  }
}

/**
 * Has the driver of a dead owner remove what that one left; where it is another driver, as far as it can. For whoever
 * holds the lock of the stack.
 */
export async function recoverStack({ variant, driver, environment }: Stack): Promise<void> {
  const previous = readState(variant.stateDirectory);
  if (!previous) return;
  const owner = await loadDriver(previous.driver);
  await owner.recover(previous, environment).catch((error: unknown) => {
    if (owner.name === driver) throw error;
  });
}

/** Runs the package script `setup`, if there is one, to its end. */
export async function runSetup(
  { stack, plan, reporter, processEnvironment, signal }: StartOptions,
  addresses: HostAddresses,
  supervisor: Supervisor,
  failed: Promise<never>,
): Promise<void> {
  const setup = plan.operations.find(
    (operation) => operation.kind === 'script' && operation.script === 'setup',
  );
  if (setup?.kind !== 'script') return;
  reporter.progress('setup', 'running');
  const output = (name: string, line: string) => reporter.output(name, line);
  const stop = new AbortController();
  const run = runScript(
    setup,
    { stack, addresses, supervisor, processEnvironment, output },
    AbortSignal.any([signal, stop.signal]),
  );
  try {
    await Promise.race([run, failed]);
  } catch (error) {
    // When a service has failed, the script that used it has to end first.
    stop.abort();
    await run.catch(() => {});
    throw error;
  }
  reporter.done('setup');
}

function openState({ stack, driver, plan, mode }: StartOptions): StateFile {
  const { variant } = stack;
  const services: Record<string, ServiceRecord> = {};
  for (const operation of plan.operations) {
    if (operation.kind === 'start') services[operation.service] = { state: 'waiting' };
    if (operation.kind === 'skip')
      services[operation.service] = { state: 'not started', note: operation.reason };
  }
  return new StateFile(variant.stateDirectory, {
    variant: variant.name,
    root: variant.root,
    driver: driver.name,
    mode,
    owner: identify(process.pid)!,
    phase: 'starting',
    startedAt: new Date().toISOString(),
    profiles: stack.profiles,
    isolated: stack.isolated,
    services,
    notes: planNotes(plan),
  });
}

/** Remarks for the summary that are known before anything runs. */
function planNotes(plan: Plan): string[] {
  const started = new Set(
    plan.operations.map((operation) => operation.kind === 'start' && operation.service),
  );
  const notes = plan.operations.flatMap((operation) =>
    operation.kind === 'script'
      ? operation.unset.map(
          ({ name, service }) =>
            `${name} is unset for ${operation.script}: ${service} ${started.has(service) ? 'publishes no such port' : 'does not run here'}`,
        )
      : [],
  );
  return [...new Set(notes)];
}

async function checkPorts(stack: Stack, plan: Plan): Promise<void> {
  for (const operation of plan.operations) {
    if (operation.kind !== 'check-ports') continue;
    const busy = await findBusyPortsOf(stack, operation.ports);
    if (busy.length > 0) throw busyPortsError(busy);
  }
}

function interrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new InterruptedError();
}
