import { ConvexClient, ConvexHttpClient } from 'convex/browser';
import type { FunctionReference, FunctionReturnType, OptionalRestArgs } from 'convex/server';
import { ConvexError } from 'convex/values';
import { api, internal } from '../../convex/_generated/api.js';
import type { Id } from '../../convex/_generated/dataModel.js';
import type { Usage } from '../../convex/usage.ts';
import type { AgentType } from './steps.ts';

export interface Claim {
  readonly id: Id<'workflows'>;
  readonly task: string;
  readonly token: number;
}

export interface BackendOptions {
  readonly url: string;
  readonly adminKey: string;
}

/** The runner's view of the deployment. */
export class Backend implements AsyncDisposable {
  readonly #http: ConvexHttpClient;
  readonly #live: ConvexClient;

  constructor(options: BackendOptions) {
    this.#http = new ConvexHttpClient(options.url, { logger: false });
    withAdminAuth(this.#http).setAdminAuth(options.adminKey);
    this.#live = new ConvexClient(options.url, { logger: false, unsavedChangesWarning: false });
  }

  claim(runner: string, leaseMs: number, model: { name: string; scripted: boolean }): Promise<Claim | null> {
    return this.#call(internal.runner.claim, { runner, leaseMs, model });
  }

  async heartbeat(claim: Claim, leaseMs: number): Promise<void> {
    await this.#call(internal.runner.heartbeat, { ...lease(claim), leaseMs });
  }

  finished(claim: Claim, step: string): Promise<string | null> {
    return this.#call(internal.runner.finished, { id: claim.id, step });
  }

  beginSession(
    claim: Claim,
    step: string,
    agentType: AgentType,
    input: string,
  ): Promise<Id<'agentSessions'>> {
    return this.#call(internal.runner.beginSession, { ...lease(claim), step, agentType, input });
  }

  async appendText(claim: Claim, session: Id<'agentSessions'>, index: number, text: string): Promise<void> {
    await this.#call(internal.runner.appendText, { ...lease(claim), session, index, text });
  }

  async putArtifact(claim: Claim, step: string, path: string, text: string): Promise<void> {
    await this.#call(internal.runner.putArtifact, { ...lease(claim), step, path, text });
  }

  async completeSession(
    claim: Claim,
    session: Id<'agentSessions'>,
    result: { sessionId: string; output: string; usage: Usage },
  ): Promise<void> {
    await this.#call(internal.runner.completeSession, { ...lease(claim), session, ...result });
  }

  async release(
    claim: Claim,
    outcome: { status: 'completed' | 'failed' | 'pending'; error?: string; delayMs?: number },
  ): Promise<void> {
    await this.#call(internal.runner.release, { ...lease(claim), ...outcome });
  }

  /** The files of a workflow as they are now, for a runner that did not write them itself. */
  async files(claim: Claim): Promise<Map<string, string>> {
    const versions = await this.#http.query(api.artifacts.list, { workflowId: claim.id });
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
    fn: Fn,
    ...args: OptionalRestArgs<Fn>
  ): Promise<FunctionReturnType<Fn>> {
    return withAdminAuth(this.#http).function(fn, undefined, args[0]) as Promise<FunctionReturnType<Fn>>;
  }
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
