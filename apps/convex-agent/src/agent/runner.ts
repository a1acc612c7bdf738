import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Model, ModelError } from '../model/model.ts';
import { type Backend, type Claim, isKeyRefused, isLeaseLost } from './backend.ts';
import { convexJournal } from './journal.ts';
import { runWorkflow } from './workflow.ts';
import { Workspace } from './workspace.ts';

export interface RunnerOptions {
  readonly backend: Backend;
  readonly model: Model;
  /** Names this runner in leases; unique among the runners of a deployment. */
  readonly name: string;
  /** Holds one folder for each workflow. */
  readonly workspaces: string;
  readonly maxRounds: number;
  /** How long a runner may be silent before another takes its workflow over. */
  readonly leaseMs: number;
  /** Workflows at work at the same time. */
  readonly concurrency: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** The deployment does not take the admin key, which no waiting changes. */
class KeyRefusedError extends Error {
  override readonly name = 'KeyRefusedError';
  readonly code = 'AGENT_KEY_REFUSED';
  readonly hint = './pnpmw stackyard convex check-key convex-agent says why.';

  constructor(cause: unknown) {
    super('The Convex deployment does not accept CONVEX_SELF_HOSTED_ADMIN_KEY.', { cause });
  }
}

/** How long a workflow waits after a passing failure, by the number of those before. */
const retryWaitsMs = [5_000, 15_000, 60_000, 300_000];

/** Works through workflows until the signal aborts; then ends the steps at work and gives their workflows back. */
export async function runRunner(options: RunnerOptions): Promise<void> {
  const lanes = Array.from({ length: options.concurrency }, () => lane(options));
  await Promise.all(lanes);
}

async function lane(options: RunnerOptions): Promise<void> {
  const { backend, signal } = options;
  const bell = new Bell();
  const unsubscribe = backend.onWaiting(() => bell.ring());
  try {
    while (!signal.aborted) {
      const heard = bell.heard;
      const claim = await nextClaim(options);
      if (claim) await work(options, claim);
      // Half a lease at the most: expired leases and waits that end ring no bell.
      else await bell.wait(heard, options.leaseMs / 2, signal);
    }
  } finally {
    unsubscribe();
  }
}

async function work(options: RunnerOptions, found: Claim): Promise<void> {
  const { backend, log } = options;
  const lost = new AbortController();
  const signal = AbortSignal.any([options.signal, lost.signal]);
  const claim = { ...found, signal };
  const unsubscribe = backend.onLost(claim, (reason) => lost.abort(new Error(`The workflow was ${reason}.`)));
  const beats = heartbeats(options, claim, lost);
  log(`${claim.id} claimed`);
  try {
    const workspace = new Workspace(join(options.workspaces, claim.id));
    for (const [path, text] of await backend.files(claim)) await workspace.write(path, text);
    await runWorkflow({
      task: claim.task,
      model: options.model,
      workspace,
      journal: convexJournal(backend, claim),
      signal,
      maxRounds: options.maxRounds,
    });
    await backend.release(claim, { status: 'completed' });
    log(`${claim.id} completed`);
  } catch (error) {
    await settle(options, claim, error, lost.signal);
  } finally {
    unsubscribe();
    beats[Symbol.dispose]();
  }
}

/** Records how a workflow ended that did not complete. */
async function settle(
  options: RunnerOptions,
  claim: Claim,
  error: unknown,
  lost: AbortSignal,
): Promise<void> {
  const { backend, log } = options;
  if (lost.aborted || isLeaseLost(error)) {
    log(`${claim.id} ${lost.aborted ? (lost.reason as Error).message : 'belongs to another runner now'}`);
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  const wait = error instanceof ModelError && error.retryable ? retryWaitsMs[claim.failures] : undefined;
  const outcome = options.signal.aborted
    ? ({ status: 'pending' } as const)
    : wait === undefined
      ? ({ status: 'failed', error: message } as const)
      : ({ status: 'pending', error: message, delayMs: wait } as const);
  await backend.release(claim, outcome).catch((failure: unknown) => {
    if (!isLeaseLost(failure)) log(`${claim.id} could not be given back: ${String(failure)}`);
  });
  log(`${claim.id} ${outcome.status}: ${message}`);
}

function heartbeats(options: RunnerOptions, claim: Claim, lost: AbortController): Disposable {
  const timer = setInterval(() => {
    options.backend.heartbeat(claim, options.leaseMs).catch((error: unknown) => {
      if (isLeaseLost(error)) lost.abort(new Error('The workflow was taken over.'));
      // Anything else passes, or the lease runs out and another runner takes over.
    });
  }, options.leaseMs / 4);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** The next workflow to work on, if one waits. */
async function nextClaim(options: RunnerOptions): Promise<Claim | null> {
  const { backend, name, leaseMs, model, log, signal } = options;
  try {
    return await backend.claim(name, leaseMs, model, signal);
  } catch (error) {
    if (isKeyRefused(error)) throw new KeyRefusedError(error);
    if (!signal.aborted) log(`no workflow could be claimed: ${String(error)}`);
    await delay(1_000, undefined, { signal }).catch(() => {}); // functions that are being changed, for example
    return null;
  }
}

/** Wakes a waiting lane; a ring that comes before the wait is not lost. */
class Bell {
  heard = 0;
  #wake: () => void = () => {};

  ring(): void {
    this.heard++;
    this.#wake();
  }

  async wait(heard: number, longestMs: number, signal: AbortSignal): Promise<void> {
    if (this.heard !== heard || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, longestMs);
    signal.addEventListener('abort', resolve as () => void);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', resolve as () => void);
  }
}
