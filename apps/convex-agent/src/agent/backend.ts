import { setTimeout as delay } from 'node:timers/promises';
import { ConvexClient, ConvexHttpClient } from 'convex/browser';
import type { FunctionReference, FunctionReturnType, OptionalRestArgs } from 'convex/server';
import { ConvexError } from 'convex/values';
import { api, internal } from '../../convex/_generated/api.js';
import type { Id } from '../../convex/_generated/dataModel.js';
import type { Usage } from '../../convex/usage.ts';
import type { Model } from '../model/model.ts';
import type { AgentType } from './steps.ts';

export interface Claim {
  readonly id: Id<'workflows'>;
  readonly task: string;
  readonly token: number;
  /** Passing failures since a step was last completed. */
  readonly failures: number;
  /** Aborted when the work ends, done or not: from then on no call waits for a deployment that does not answer. */
  readonly signal: AbortSignal;
}

export interface BackendOptions {
  readonly url: string;
  readonly adminKey: string;
  /** Told when the deployment goes away, and when it is back. */
  readonly log?: (line: string) => void;
}

/** Longer than any call of a runner takes. */
const answerMs = 30_000;
const firstWaitMs = 100;
const longestWaitMs = 5_000;

/**
 * The runner's view of the deployment. Its calls about a claim change nothing when they are repeated, so each waits for
 * a deployment that has gone away, and is made again when it is back. A claim whose answer was lost ends with its lease.
 */
export class Backend implements AsyncDisposable {
  readonly #http: ConvexHttpClient;
  readonly #live: ConvexClient;
  readonly #log: (line: string) => void;
  #away = false;

  constructor(options: BackendOptions) {
    this.#log = options.log ?? (() => {});
    this.#http = new ConvexHttpClient(options.url, { logger: false, fetch: reach });
    withAdminAuth(this.#http).setAdminAuth(options.adminKey);
    this.#live = new ConvexClient(options.url, { logger: false, unsavedChangesWarning: false });
  }

  async claim(
    runner: string,
    leaseMs: number,
    { name, scripted }: Pick<Model, 'name' | 'scripted'>,
    signal: AbortSignal,
  ): Promise<Claim | null> {
    const claim = await this.#call(signal, internal.runner.claim, {
      runner,
      leaseMs,
      model: { name, scripted },
    });
    return claim && { ...claim, signal };
  }

  /** Waits for nothing: the next one comes soon. */
  async heartbeat(claim: Claim, leaseMs: number): Promise<void> {
    await this.#callOnce(internal.runner.heartbeat, { ...lease(claim), leaseMs });
  }

  finished(claim: Claim, step: string): Promise<string | null> {
    return this.#call(claim.signal, internal.runner.finished, { id: claim.id, step });
  }

  beginSession(
    claim: Claim,
    step: string,
    agentType: AgentType,
    input: string,
  ): Promise<{ session: Id<'agentSessions'>; previous: Id<'agentSessions'> | null }> {
    return this.#call(claim.signal, internal.runner.beginSession, {
      ...lease(claim),
      step,
      agentType,
      input,
    });
  }

  async appendText(claim: Claim, session: Id<'agentSessions'>, index: number, text: string): Promise<void> {
    await this.#call(claim.signal, internal.runner.appendText, { ...lease(claim), session, index, text });
  }

  async putArtifact(claim: Claim, step: string, path: string, text: string): Promise<void> {
    await this.#call(claim.signal, internal.runner.putArtifact, { ...lease(claim), step, path, text });
  }

  async completeSession(
    claim: Claim,
    session: Id<'agentSessions'>,
    result: { sessionId: string; output: string; usage: Usage },
  ): Promise<void> {
    await this.#call(claim.signal, internal.runner.completeSession, { ...lease(claim), session, ...result });
  }

  async release(
    claim: Claim,
    outcome: { status: 'completed' | 'failed' | 'pending'; error?: string; delayMs?: number },
  ): Promise<void> {
    await this.#call(claim.signal, internal.runner.release, { ...lease(claim), ...outcome });
  }

  /** The files of a workflow as they are now, for a runner that did not write them itself. */
  async files(claim: Claim): Promise<Map<string, string>> {
    const versions = await this.#patiently(claim.signal, () =>
      this.#http.query(api.artifacts.list, { workflowId: claim.id }),
    );
    return new Map(versions.map(({ path, text }) => [path, text])); // oldest first: the last one stays
  }

  /** Calls back at once and whenever the number of waiting workflows may have grown. Returns how to stop. */
  onWaiting(callback: () => void): () => void {
    const page = { numItems: 1, cursor: null };
    return this.#live.onUpdate(
      api.workflows.list,
      { status: 'pending', paginationOpts: page },
      callback,
      () => {},
    );
  }

  /** Calls back when the claim is no longer the one at work: cancelled, or taken over. Returns how to stop. */
  onLost(claim: Claim, callback: (reason: string) => void): () => void {
    return this.#live.onUpdate(
      api.workflows.get,
      { id: claim.id },
      (workflow) => {
        if (workflow?.status === 'running' && workflow.lease?.token === claim.token) return;
        callback(workflow?.status === 'cancelled' ? 'cancelled' : 'taken over');
      },
      () => {},
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#live.close();
  }

  #call<Fn extends FunctionReference<'query' | 'mutation', 'internal'>>(
    signal: AbortSignal,
    fn: Fn,
    ...args: OptionalRestArgs<Fn>
  ): Promise<FunctionReturnType<Fn>> {
    return this.#patiently(signal, () => this.#callOnce(fn, ...args));
  }

  async #patiently<Value>(signal: AbortSignal, call: () => Promise<Value>): Promise<Value> {
    for (let wait = firstWaitMs; ; wait = Math.min(wait * 2, longestWaitMs)) {
      try {
        const value = await call();
        if (this.#away) this.#log('the deployment answers again');
        this.#away = false;
        return value;
      } catch (error) {
        if (!(error instanceof AwayError) || signal.aborted) throw error;
        if (!this.#away) this.#log(`${error.message}; the work waits for it`);
        this.#away = true;
        await delay(wait, undefined, { signal }).catch(() => {}); // one last attempt when it is aborted
      }
    }
  }

  #callOnce<Fn extends FunctionReference<'query' | 'mutation', 'internal'>>(
    fn: Fn,
    ...args: OptionalRestArgs<Fn>
  ): Promise<FunctionReturnType<Fn>> {
    return withAdminAuth(this.#http).function(fn, undefined, args[0]) as Promise<FunctionReturnType<Fn>>;
  }
}

/** The deployment could not be asked, or something before it answered in its place. */
class AwayError extends Error {
  override readonly name = 'AwayError';
  readonly code = 'AGENT_DEPLOYMENT_AWAY';
  readonly hint = './pnpmw stackyard status says whether it runs.';
}

/** The status with which Convex answers for a function that failed. */
const functionFailed = 560;

/** `fetch` with a time limit, and one error for all that may pass by itself. */
async function reach(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  let why: unknown;
  try {
    const response = await fetch(input, { ...init, signal: AbortSignal.timeout(answerMs) });
    if (response.status < 500 || response.status === functionFailed) return response;
    why = await response.text();
  } catch (error) {
    why = error instanceof Error ? (error.cause ?? error) : error;
  }
  const reason = why instanceof Error ? why.message : String(why).slice(0, 200);
  throw new AwayError(`the deployment does not answer: ${reason}`, { cause: why });
}

/** Whether an error says that another runner, or nobody, holds the lease now. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof ConvexError && (error.data as { code?: string } | null)?.code === 'LEASE_LOST';
}

/** Whether an error says that the admin key belongs to another instance, or to none. */
export function isKeyRefused(error: unknown): boolean {
  return error instanceof Error && /"(?:BadAdminKey|BadDeployKey|ReadOnlyAdminKey)"/.test(error.message);
}

function lease(claim: Claim): { id: Id<'workflows'>; token: number } {
  return { id: claim.id, token: claim.token };
}

/** The client's methods for admin keys, which its published types leave out. */
interface AdminMethods {
  setAdminAuth(key: string): void;
  function(
    fn: FunctionReference<'query' | 'mutation', 'internal'>,
    component: undefined,
    args: unknown,
  ): Promise<unknown>;
}

function withAdminAuth(client: ConvexHttpClient): AdminMethods {
  return client as unknown as AdminMethods;
}
