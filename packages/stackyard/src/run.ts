import type { Driver, DriverContext, Running, Stack } from './driver.ts';
import { InterruptedError } from './errors.ts';
import { logFile, tail } from './log-files.ts';
import { maskUrl } from './mask.ts';
import type { Operation, StartService } from './plan.ts';
import type { Releasers } from './releasers.ts';
import type { Reporter } from './reporter.ts';
import { serviceDied } from './service-died.ts';
import type { StateFile } from './state.ts';
import type { Exit } from './supervisor/managed-process.ts';

export interface RunContext {
  readonly stack: Stack;
  readonly driver: Driver;
  readonly session: DriverContext;
  readonly state: StateFile;
  readonly releasers: Releasers;
  readonly reporter: Reporter;
  /** Aborted to end every grace period. */
  readonly hurry: AbortSignal;
  /** A service that ends later by itself. */
  onDeath(error: Error): void;
}

/** Starts the services of a plan, side by side as far as their dependencies allow. What started is on `releasers`. */
export async function runServices(operations: readonly Operation[], context: RunContext): Promise<void> {
  const starts = operations.filter((operation) => operation.kind === 'start');
  if (starts.length === 0) return;
  const abort = new AbortController();
  const signal = AbortSignal.any([context.session.signal, abort.signal]);
  const session = await context.driver.open({ ...context.session, signal });
  context.releasers.push('driver', async () => session[Symbol.asyncDispose]());
  const stages = new Map(starts.map((start) => [start.service, new Stages()]));

  const startOne = async (start: StartService): Promise<void> => {
    const own = stages.get(start.service)!;
    try {
      for (const { service, condition } of start.after) await stages.get(service)?.reached(condition);
      abort.signal.throwIfAborted();
      throwIfInterrupted(context);
      await startService(start, session, context, own, signal);
    } catch (error) {
      own.fail(error);
      abort.abort(error);
      throw error;
    }
  };
  const results = await Promise.allSettled(starts.map(startOne));
  // The first cause, not the failures of those that waited for it.
  if (results.some((result) => result.status === 'rejected')) throw abort.signal.reason;
}

async function startService(
  start: StartService,
  session: { start(name: string): Promise<Running> },
  context: RunContext,
  stages: Stages,
  signal: AbortSignal,
): Promise<void> {
  const { state, releasers, hurry } = context;
  const name = start.service;
  const began = performance.now();
  state.service(name, { state: 'starting' });
  context.reporter.progress(name, 'starting');
  const running = await session.start(name);
  // A port that the files leave open is known now; the scripts that come later have to see it.
  Object.assign(context.stack.ports, { [name]: running.ports });
  let stopping = false;
  releasers.push(name, async () => {
    stopping = true;
    await running.stop(hurry);
    state.service(name, { state: 'stopped' });
  });
  state.service(name, {
    source: running.source,
    ports: running.ports,
    ...(running.url === undefined ? {} : { url: maskUrl(running.url) }),
    ...(running.note === undefined ? {} : { note: running.note }),
    ...(running.process === undefined ? {} : { process: running.process }),
  });
  stages.reach('service_started');
  if (start.completes) {
    const exit = await running.exited;
    throwIfInterrupted(context);
    signal.throwIfAborted();
    if (exit.code !== 0) throw death(context, name, exit);
    state.service(name, { state: 'completed', startMs: Math.round(performance.now() - began) });
    context.reporter.done(name);
    stages.reach('service_completed_successfully');
    return;
  }
  await running.healthy(signal);
  state.service(name, { state: 'healthy', startMs: Math.round(performance.now() - began) });
  context.reporter.done(name);
  const died = running.exited.then((exit) => {
    if (stopping) return;
    context.onDeath(death(context, name, exit));
    state.service(name, { state: 'failed' });
  });
  died.catch(context.onDeath);
  stages.reach('service_healthy');
}

function death({ stack }: RunContext, name: string, exit: Exit): Error {
  const { variant } = stack;
  const lines = tail(logFile(variant.stateDirectory, name), 12);
  return serviceDied(name, exit, lines, { log: `${variant.name} ${name}` });
}

function throwIfInterrupted({ session }: RunContext): void {
  if (session.signal.aborted) throw new InterruptedError();
}

type Stage = StartService['after'][number]['condition'];

/** How far a service has come. */
class Stages {
  readonly #stages = new Map<Stage, PromiseWithResolvers<void>>();

  reached(stage: Stage): Promise<void> {
    return this.#of(stage).promise;
  }

  reach(stage: Stage): void {
    this.#of(stage).resolve();
  }

  /** Fails every stage that is not reached yet. */
  fail(error: unknown): void {
    for (const stage of ['service_started', 'service_healthy', 'service_completed_successfully'] as const) {
      this.#of(stage).reject(error);
    }
  }

  #of(stage: Stage): PromiseWithResolvers<void> {
    let entry = this.#stages.get(stage);
    if (!entry) {
      entry = Promise.withResolvers<void>();
      entry.promise.catch(() => {}); // nobody may be waiting for it
      this.#stages.set(stage, entry);
    }
    return entry;
  }
}
