import { EVERYTHING } from '../storage/value-order.ts';
import { ActionScope, type ActionServices } from './action-scope.ts';
import { ActionWatch } from './action-watch.ts';
import { type BusyLabel, BusyMark, callKey } from './busy-mark.ts';
import { type Caller, withoutIdentity } from './caller.ts';
import type { Deployment, FunctionRecord } from './deployment.ts';
import { host } from './environment.ts';
import { FunctionError, RequestError } from './function-error.ts';
import { parseFunctionPath } from './function-path.ts';
import { type FunctionAddress, resolveAddress } from './function-reference.ts';
import type { Functions } from './functions.ts';
import type { Execution, RunRequest, RunResponse } from './messages.ts';
import { ReadSet } from './read-set.ts';
import type { Evaluated, Subscription } from './subscriptions.ts';
import { isSystemPath, runSystemFunction } from './system-functions.ts';
import { TransactionScope, type TransactionServices } from './transaction-scope.ts';
import type { Transactions } from './transactions.ts';

export interface RunnerOptions {
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly functionTimeoutMs: number;
  readonly actionTimeoutMs: number;
  readonly busyMemory: SharedArrayBuffer;
  readonly blockingCalls: readonly string[];
}

const MAX_ACTION_DEPTH = 64;
/** Actions that run at once; more are refused, so that actions that call actions end. */
const MAX_ACTIONS = 1000;

/** Where a mutation of the scheduler records how its job ended, in the same transaction. */
export interface JobHooks {
  wanted(): boolean;
  complete(error?: string): void;
}

/**
 * The narrow interface behind which functions run: a kind, a path and arguments in; a value or an error, what was
 * read, the commit timestamp and the log lines out.
 */
export class Runner {
  readonly #transactions: Transactions;
  readonly #functions: Functions;
  readonly #deployment: () => Deployment;
  readonly #options: RunnerOptions;
  readonly #report: (execution: Execution) => void;
  readonly watch: ActionWatch;
  readonly #busy: BusyMark;
  /** Calls that blocked the engine before: as live queries and jobs they are not tried again. */
  readonly #blocking: Set<string>;
  /** Set once by the engine, which makes services out of the runner. */
  services!: { readonly transaction: TransactionServices; readonly action: ActionServices };
  /** Called when a transaction has ended and subscribers may have to hear of it. */
  onSettled: () => void = () => {};

  constructor(
    transactions: Transactions,
    functions: Functions,
    deployment: () => Deployment,
    options: RunnerOptions,
    report: (execution: Execution) => void,
  ) {
    this.#transactions = transactions;
    this.#functions = functions;
    this.#deployment = deployment;
    this.#options = options;
    this.#report = report;
    this.watch = new ActionWatch(options.actionTimeoutMs);
    this.#busy = new BusyMark(options.busyMemory);
    this.#blocking = new Set(options.blockingCalls);
  }

  /** Runs a function for a client, another function, or a job. A RequestError is answered with a status. */
  async run(request: RunRequest, parent?: ActionScope, job?: JobHooks): Promise<RunResponse> {
    const started = host.now();
    let kind = request.kind;
    let response: RunResponse;
    try {
      kind = isSystemPath(request.path) ? 'query' : this.#kindOf(request);
      if (kind === 'query') response = await this.#query(request);
      else if (kind === 'mutation') response = await this.#mutate(request, job);
      else response = await this.#act(request, parent);
    } catch (error) {
      response = { success: false, ...failureOf(error), logLines: [] };
    }
    if (parent !== undefined) for (const line of response.logLines) parent.log(line);
    if (!isSystemPath(request.path)) this.#report(execution(request, kind, started, response));
    return response;
  }

  #kindOf(request: RunRequest): 'query' | 'mutation' | 'action' {
    const found = this.#functions.find(request.component, request.path, request.kind, request.caller);
    return found.udfType.toLowerCase() as 'query' | 'mutation' | 'action';
  }

  /** Computes a query, on the current state. Call it inside `exclusive` only. */
  async evaluate(
    { component, path, args, caller, journal }: Subscription,
    requestId = '',
  ): Promise<Evaluated> {
    const reads = new ReadSet();
    const logLines: string[] = [];
    let scope: TransactionScope | undefined;
    const outcome = () => ({ logLines, journal: scope?.journal.after ?? null });
    try {
      let value: string;
      if (isSystemPath(path)) value = this.#system(component, path, args, caller, reads);
      else {
        reads.add('', '_deployment', { index: 'by_creation_time', range: EVERYTHING });
        const found = this.#functions.find(component, path, 'query', caller);
        scope = this.#scope('query', component, path, caller, reads, logLines, journal);
        const called = scope;
        const call = () => this.#functions.call(component, path, found, args, called);
        value = await this.#limited(
          { requestId, key: callKey(component, path, args) },
          component,
          path,
          call,
        );
      }
      return { reads, result: { success: true, value, ...outcome() } };
    } catch (error) {
      // A live query has nobody to send it again.
      const failure = requestId === '' ? describeFailure(error) : failureOf(error);
      return { reads, result: { success: false, ...failure, ...outcome() } };
    } finally {
      scope?.close();
      if (this.#transactions.store.pendingWrites > 0) this.#transactions.store.rollback();
    }
  }

  #system(component: string, path: string, args: unknown, caller: Caller, reads: ReadSet): string {
    if (!caller.admin) throw new FunctionError(`Could not find public function for '${path}'.`);
    const { store } = this.#transactions;
    const { cloudUrl, siteUrl } = this.#options;
    const scope = { store, deployment: this.#deployment(), component, reads, cloudUrl, siteUrl };
    return JSON.stringify(runSystemFunction(scope, path, args as Record<string, unknown>));
  }

  #scope(
    kind: 'query' | 'mutation',
    component: string,
    functionName: string,
    caller: Caller,
    reads: ReadSet,
    logs: string[],
    journal: string | null = null,
  ): TransactionScope {
    const startedAt = host.now();
    const options = { kind, component, functionName, caller, reads, logs, startedAt, journal };
    return new TransactionScope(this.services.transaction, options);
  }

  /** Gives a promise that user code may never settle its time limit. Code that blocks is the server's to end. */
  async #limited<T>(label: BusyLabel, component: string, path: string, work: () => Promise<T>): Promise<T> {
    const { functionTimeoutMs } = this.#options;
    const message = timeoutMessage(path, functionTimeoutMs);
    if (label.requestId === '' && this.#blocking.has(label.key)) throw new FunctionError(message);
    let timer: NodeJS.Timeout | undefined;
    this.#busy.set(label);
    try {
      // Loading code for the first time is not the function's own time.
      await this.#functions.load(component, path);
      const limit = new Promise<never>((_, reject) => {
        timer = host.setTimeout(() => reject(new FunctionError(message)), functionTimeoutMs).unref();
      });
      return await Promise.race([work(), limit]);
    } finally {
      this.#busy.clear();
      host.clearTimeout(timer);
    }
  }

  /** New code may behave: what blocked the engine is tried again. */
  forgiveBlocking(): void {
    this.#blocking.clear();
  }

  async #query(request: RunRequest): Promise<RunResponse> {
    return await this.#transactions.exclusive(async () => {
      const evaluate = () => this.evaluate({ ...request, journal: null }, request.requestId);
      const { result } =
        request.at === undefined ? await evaluate() : await this.#transactions.at(request.at, evaluate);
      if (!result.success) return result;
      return { success: true, value: result.value, ts: this.#transactions.ts, logLines: result.logLines };
    });
  }

  /** Runs a query of a module outside of the deployment. */
  async runModuleQuery(query: {
    readonly component: string;
    readonly directory: string;
    readonly module: string;
    readonly found: FunctionRecord;
    readonly caller: Caller;
  }): Promise<RunResponse> {
    const { component, directory, module, found, caller } = query;
    const logLines: string[] = [];
    return await this.#transactions.exclusive(async () => {
      const scope = this.#scope('query', component, module, caller, new ReadSet(), logLines);
      const label = { requestId: module, key: module };
      const call = () => this.#functions.callIn(directory, component, module, found, {}, scope);
      try {
        const value = await this.#limited(label, component, module, call);
        return { success: true, value, ts: this.#transactions.ts, logLines };
      } catch (error) {
        return { success: false, ...failureOf(error), logLines };
      } finally {
        scope.close();
      }
    });
  }

  async #mutate(request: RunRequest, job: JobHooks | undefined): Promise<RunResponse> {
    const { component, path, caller, idempotency } = request;
    const logLines: string[] = [];
    return await this.#transactions.exclusive(async () => {
      const before = idempotency === undefined ? undefined : this.#transactions.answerTo(idempotency);
      if (before !== undefined) {
        this.onSettled();
        return JSON.parse(before) as RunResponse;
      }
      if (job?.wanted() === false)
        return { success: false, message: 'The job is no longer pending', logLines };
      const scope = this.#scope('mutation', component, path, caller, new ReadSet(), logLines);
      try {
        const found = this.#functions.find(component, path, 'mutation', caller);
        const call = () => this.#functions.call(component, path, found, request.args, scope);
        const label = { requestId: request.requestId, key: callKey(component, path, request.args) };
        const value = await this.#limited(label, component, path, call);
        scope.close();
        job?.complete();
        const answer = (ts: number): RunResponse => ({ success: true, value, ts, logLines });
        const { ts } = this.#transactions.commit(idempotency, (at) => JSON.stringify(answer(at)));
        return answer(ts);
      } catch (error) {
        scope.close();
        this.#transactions.store.rollback();
        const failure = failureOf(error);
        if (job !== undefined) {
          job.complete(failure.message);
          this.#transactions.commit();
        }
        return { success: false, ...failure, logLines };
      } finally {
        this.onSettled();
      }
    });
  }

  async #act(request: RunRequest, parent: ActionScope | undefined): Promise<RunResponse> {
    const { component, path, args, requestId } = request;
    const logLines: string[] = [];
    const depth = (parent?.depth ?? 0) + 1;
    if (depth > MAX_ACTION_DEPTH) throw new FunctionError('Actions call each other too deeply');
    if (this.watch.running >= MAX_ACTIONS) throw new FunctionError('Too many actions run at once');
    // A component does not see who signed in to the app that uses it.
    const same = parent === undefined || parent.component === component;
    const caller = same ? request.caller : withoutIdentity(request.caller);
    const found = this.#functions.find(component, path, 'action', caller);
    const scope = new ActionScope(this.services.action, {
      component,
      functionName: path,
      caller: {
        ...caller,
        ...(caller.request === undefined ? {} : { request: { ...caller.request, requestId } }),
      },
      logs: logLines,
      depth,
    });
    try {
      const value = await this.watch.run(scope, this.#functions.call(component, path, found, args, scope));
      return { success: true, value, ts: this.#transactions.ts, logLines };
    } catch (error) {
      return { success: false, ...failureOf(error), logLines };
    }
  }

  /** Runs a function that a query or mutation calls, as part of its transaction. */
  async nested(
    scope: TransactionScope,
    kind: 'query' | 'mutation',
    address: FunctionAddress,
    args: unknown,
  ): Promise<unknown> {
    if (kind === 'mutation' && scope.kind === 'query')
      throw new FunctionError('Queries cannot call mutations.');
    const { component, path } = resolveAddress(scope.component, address);
    const caller = { ...scope.caller, admin: true };
    const found = this.#functions.find(component, path, kind, caller);
    const inner = new TransactionScope(this.services.transaction, {
      kind,
      component,
      functionName: path,
      caller: component === scope.component ? scope.caller : withoutIdentity(scope.caller),
      reads: scope.reads,
      logs: scope.logs,
      startedAt: scope.startedAt,
      parent: scope,
    });
    const { store } = this.#transactions;
    const savepoint = store.savepoint();
    try {
      return JSON.parse(await this.#functions.call(component, path, found, args, inner));
    } catch (error) {
      if (kind === 'mutation') store.rollbackTo(savepoint);
      throw error;
    } finally {
      inner.close();
    }
  }

  /** Changes documents outside of any function, in a transaction of its own. */
  change<T>(job: () => T | Promise<T>): Promise<T> {
    return this.#transactions.exclusive(async () => {
      try {
        const result = await job();
        this.#transactions.commit();
        return result;
      } catch (error) {
        this.#transactions.store.rollback();
        throw error;
      } finally {
        this.onSettled();
      }
    });
  }
}

/** What the caller of a function hears that took too long. */
export function timeoutMessage(path: string, limitMs: number): string {
  return `Function ${path} execution timed out (maximum duration: ${limitMs / 1000}s)`;
}

/** An error as clients get it. One that is answered with a status is no function's result: it is thrown on. */
function failureOf(error: unknown): { message: string; data?: unknown } {
  if (error instanceof RequestError) throw error;
  return describeFailure(error);
}

function describeFailure(error: unknown): { message: string; data?: unknown } {
  if (error instanceof FunctionError) {
    return { message: error.message, ...(error.data === undefined ? {} : { data: error.data }) };
  }
  return { message: error instanceof Error ? error.message : String(error) };
}

function execution(
  request: RunRequest,
  kind: RunRequest['kind'],
  started: number,
  response: RunResponse,
): Execution {
  const types = { query: 'Query', mutation: 'Mutation', action: 'Action', any: 'Action' } as const;
  const { module, name } = parseFunctionPath(request.path);
  return {
    udfType: types[kind],
    componentPath: request.component === '' ? null : request.component,
    identifier: `${module}.js:${name}`,
    logLines: response.logLines,
    timestamp: host.now() / 1000,
    executionTime: (host.now() - started) / 1000,
    success: null,
    error: response.success ? null : response.message,
    requestId: request.requestId,
    caller: 'HttpApi',
  };
}
