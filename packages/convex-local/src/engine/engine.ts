import path from 'node:path';
import { CommitLog } from '../storage/commit-log.ts';
import { Store, type Write } from '../storage/store.ts';
import { EVERYTHING } from '../storage/value-order.ts';
import { ActionScope, type ActionServices } from './action-scope.ts';
import type { Caller } from './caller.ts';
import { CronRunner } from './crons.ts';
import { Deployment, type DeploymentRecord, EMPTY_DEPLOYMENT } from './deployment.ts';
import { schemaProblem } from './document-rules.ts';
import { host } from './environment.ts';
import { Files, STORAGE } from './files.ts';
import { FunctionError, RequestError } from './function-error.ts';
import { parseFunctionPath } from './function-path.ts';
import { type FunctionAddress, formatHandle, resolveAddress } from './function-reference.ts';
import { Functions } from './functions.ts';
import type { EngineEvent, Execution, RunRequest, RunResponse } from './messages.ts';
import { ModuleLoader } from './module-loader.ts';
import { type PreparedPush, preparePush, pushDiff } from './push.ts';
import { ReadSet } from './read-set.ts';
import { Scheduler } from './scheduler.ts';
import { type Evaluated, type LiveResult, type Subscription, Subscriptions } from './subscriptions.ts';
import { ENVIRONMENT, isSystemPath, runSystemFunction } from './system-functions.ts';
import { TransactionScope, type TransactionServices } from './transaction-scope.ts';
import { Transactions } from './transactions.ts';
import { searchVectors } from './vector-search.ts';

export interface EngineOptions {
  readonly dataDirectory: string;
  readonly deploymentName: string;
  readonly cloudUrl: string;
  readonly siteUrl: string;
  /** Time a query or a mutation may take, milliseconds. */
  readonly functionTimeoutMs: number;
}

const DEPLOYMENT = '_deployment';
/** Changes wait for each other this long at most before subscribers hear of them. */
const REFRESH_AFTER_MS = 4;

/** A Convex deployment without its network: documents, functions, subscriptions, jobs. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #emit: (event: EngineEvent) => void;
  readonly store = new Store();
  readonly transactions: Transactions;
  readonly #loader: ModuleLoader;
  readonly #functions: Functions;
  readonly #subscriptions: Subscriptions;
  readonly #scheduler: Scheduler;
  readonly #crons: CronRunner;
  readonly files: Files;
  readonly #pushes = new Map<string, PreparedPush>();
  #deployment = new Deployment(EMPTY_DEPLOYMENT);
  #refreshQueued = false;
  #lastRefresh = 0;

  constructor(options: EngineOptions, emit: (event: EngineEvent) => void) {
    this.#options = options;
    this.#emit = emit;
    this.transactions = new Transactions(this.store, new CommitLog(path.join(options.dataDirectory, 'log')));
    this.transactions.onCommit = (writes) => this.#committed(writes);
    this.#loader = new ModuleLoader(path.join(options.dataDirectory, 'modules'));
    this.files = new Files(path.join(options.dataDirectory, 'files'), this.store, options.cloudUrl);
    this.#functions = new Functions(
      this.#loader,
      () => this.#deployment,
      (component) => (id) => {
        const table = this.store.tableOf(id);
        return table?.component === component ? table : undefined;
      },
    );
    this.#subscriptions = new Subscriptions((subscription) => this.#evaluate(subscription));
    this.#scheduler = new Scheduler(this.store, this.transactions, {
      kindOf: (component, name) => {
        const { module, name: fn } = parseFunctionPath(name);
        const type = this.#deployment.function(component, module, fn)?.udfType;
        return type === 'Action' ? 'action' : 'mutation';
      },
      runMutation: async (component, job, caller, complete) => {
        await this.#mutate(
          { kind: 'mutation', component, path: job.name, args: job.args[0], caller, requestId: '' },
          complete,
          () => this.store.get(job._id)?.state !== undefined && pending(this.store.get(job._id)),
        );
      },
      runAction: async (component, job, caller) => {
        const response = await this.run({
          kind: 'action',
          component,
          path: job.name,
          args: job.args[0],
          caller,
          requestId: '',
        });
        return response.success ? undefined : response.message;
      },
    });
    this.#crons = new CronRunner(this.store, this.transactions, (component, udfPath, at, args) =>
      this.#scheduler.add(component, udfPath, at, args),
    );
  }

  /** Restores state from disk and starts the jobs. */
  async start(): Promise<void> {
    const damage = this.transactions.recover();
    const record = this.#deploymentDocument()?.record as DeploymentRecord | undefined;
    if (record !== undefined) this.#deployment = new Deployment(record);
    this.#defineIndexes();
    this.files.index();
    this.#loadEnvironment();
    const documents = [...this.store.tables.values()].reduce((sum, table) => sum + table.documents.size, 0);
    this.#emit({ event: 'ready', ts: this.transactions.ts, documents, damage });
    await this.#scheduler.start();
    await this.#crons.start(this.#deployment);
  }

  close(): void {
    this.#crons.stop();
    this.#scheduler.stop();
    this.transactions.close();
  }

  get deployment(): Deployment {
    return this.#deployment;
  }

  #deploymentDocument() {
    return this.store.table('', DEPLOYMENT)?.documents.values().next().value;
  }

  #committed(writes: readonly Write[]): void {
    this.#subscriptions.invalidate(writes);
    const removed = writes.filter(({ table, after }) => table.name === STORAGE && after === undefined);
    if (removed.length > 0) this.files.forget(removed.map(({ id }) => id));
    if (writes.some(({ table }) => table.name === '_scheduled_functions')) this.#scheduler.wake();
  }

  readonly #transactionServices: TransactionServices = this.#makeTransactionServices();

  #makeTransactionServices(): TransactionServices {
    const engine = this;
    return {
      store: engine.store,
      get siteUrl() {
        return engine.#options.siteUrl;
      },
      get cloudUrl() {
        return engine.#options.cloudUrl;
      },
      get deploymentName() {
        return engine.#options.deploymentName;
      },
      schemaOf: (component, table) =>
        engine.#deployment.schema(component)?.tables.find(({ tableName }) => tableName === table),
      runNested: (scope, kind, address, args) => engine.#runNested(scope, kind, address, args),
      createHandle: (component, address) => engine.#createHandle(component, address),
      schedule: ({ component, caller }, address, seconds, args) => {
        const target = engine.#resolve(component, address, caller);
        return engine.#scheduler.add(target.component, target.path, seconds * 1000, args);
      },
      cancelScheduled: (id) => engine.#scheduler.cancel(id),
      uploadUrl: (component) => engine.files.uploadUrl(component),
      fileUrl: (component, id) => engine.files.url(component, id),
      fileMetadata: (component, id) => engine.files.metadata(component, id),
      deleteFile: (component, id) => engine.files.remove(component, id),
    };
  }

  readonly #actionServices: ActionServices = this.#makeActionServices();

  #makeActionServices(): ActionServices {
    const engine = this;
    const exclusive = <T>(job: () => T) =>
      engine.transactions.exclusive(() => {
        try {
          const result = job();
          engine.transactions.commit();
          engine.#queueRefresh();
          return result;
        } catch (error) {
          engine.store.rollback();
          throw error;
        }
      });
    return {
      get deploymentName() {
        return engine.#options.deploymentName;
      },
      run: async (scope, kind, address, args) => {
        const target = engine.#resolve(scope.component, address, scope.caller);
        const caller = { ...scope.caller, admin: true };
        const response = await engine.run({ kind, ...target, args, caller, requestId: '' }, scope);
        if (!response.success) throw new FunctionError(response.message, response.data);
        return JSON.parse(response.value);
      },
      schedule: (scope, address, seconds, args) =>
        exclusive(() => engine.#transactionServices.schedule(scope, address, seconds, args)),
      cancelScheduled: (id) => exclusive(() => engine.#scheduler.cancel(id)),
      createHandle: (component, address) => engine.#createHandle(component, address),
      vectorSearch: (component, query) =>
        exclusive(() => searchVectors(engine.store, engine.#deployment, component, query)),
      uploadUrl: (component) => engine.files.uploadUrl(component),
      fileUrl: (component, id) => exclusive(() => engine.files.url(component, id)),
      fileMetadata: (component, id) => exclusive(() => engine.files.metadata(component, id)),
      deleteFile: (component, id) => exclusive(() => engine.files.remove(component, id)),
      storeFile: async (component, blob, sha256) =>
        engine.storeFile(component, new Uint8Array(await blob.arrayBuffer()), blob.type, sha256),
      readFile: (component, id) => engine.files.read(component, id),
    };
  }

  async storeFile(
    component: string,
    bytes: Uint8Array,
    contentType: string | null,
    sha256: string | null | undefined,
  ): Promise<string> {
    const written = await this.files.write(bytes, sha256);
    return await this.transactions.exclusive(() => {
      const id = this.files.record(component, { ...written, size: bytes.length, contentType });
      this.transactions.commit();
      this.#queueRefresh();
      return id;
    });
  }

  #resolve(component: string, address: FunctionAddress, _caller: Caller) {
    const target = resolveAddress(component, address);
    this.#functions.find(target.component, target.path, 'any', { identity: null, admin: true });
    return target;
  }

  #createHandle(component: string, address: FunctionAddress): string {
    return formatHandle(resolveAddress(component, address));
  }

  async #runNested(
    scope: TransactionScope,
    kind: 'query' | 'mutation',
    address: FunctionAddress,
    args: unknown,
  ): Promise<unknown> {
    if (kind === 'mutation' && scope.kind === 'query')
      throw new FunctionError('Queries cannot call mutations.');
    const target = resolveAddress(scope.component, address);
    const found = this.#functions.find(target.component, target.path, kind, { ...scope.caller, admin: true });
    const inner = new TransactionScope(this.#transactionServices, {
      kind,
      component: target.component,
      functionName: target.path,
      caller: target.component === scope.component ? scope.caller : { ...scope.caller, identity: null },
      reads: scope.reads,
      logs: scope.logs,
      startedAt: scope.startedAt,
      parent: scope,
    });
    const savepoint = this.store.savepoint();
    try {
      return JSON.parse(await this.#functions.call(target.component, target.path, found, args, inner));
    } catch (error) {
      if (kind === 'mutation') this.store.rollback(savepoint || undefined);
      throw error;
    } finally {
      inner.close();
    }
  }

  async #evaluate(subscription: Subscription): Promise<Evaluated> {
    const { component, path: udfPath, args, caller, journal } = subscription;
    const reads = new ReadSet();
    const logLines: string[] = [];
    const started = host.now();
    let scope: TransactionScope | undefined;
    try {
      let value: string;
      if (isSystemPath(udfPath)) {
        value = this.#runSystem(component, udfPath, args, caller, reads);
      } else {
        reads.add('', DEPLOYMENT, { index: 'by_creation_time', range: EVERYTHING });
        const found = this.#functions.find(component, udfPath, 'query', caller);
        scope = this.#newScope('query', component, udfPath, caller, reads, logLines, journal);
        value = await this.#limited(udfPath, this.#functions.call(component, udfPath, found, args, scope));
      }
      return { reads, result: { success: true, value, logLines, journal: scope?.journal.after ?? null } };
    } catch (error) {
      const failure = asFailure(error);
      return {
        reads,
        result: { success: false, ...failure, logLines, journal: scope?.journal.after ?? null },
      };
    } finally {
      scope?.close();
      if (this.store.pendingWrites > 0) this.store.rollback();
      void started;
    }
  }

  #runSystem(component: string, udfPath: string, args: unknown, caller: Caller, reads: ReadSet): string {
    if (!caller.admin) throw new FunctionError(`Could not find public function for '${udfPath}'.`);
    const { cloudUrl, siteUrl } = this.#options;
    const scope = { store: this.store, deployment: this.#deployment, component, reads, cloudUrl, siteUrl };
    return JSON.stringify(runSystemFunction(scope, udfPath, args as Record<string, unknown>));
  }

  #newScope(
    kind: 'query' | 'mutation',
    component: string,
    functionName: string,
    caller: Caller,
    reads: ReadSet,
    logs: string[],
    journal: string | null = null,
  ): TransactionScope {
    return new TransactionScope(this.#transactionServices, {
      kind,
      component,
      functionName,
      caller,
      reads,
      logs,
      startedAt: host.now(),
      journal,
    });
  }

  /** Gives a promise that user code may never settle its time limit. Code that blocks is the server's to end. */
  async #limited<T>(name: string, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = host.setTimeout(
        () =>
          reject(
            new FunctionError(
              `Function execution timed out: ${name} did not finish (maximum duration: ${this.#options.functionTimeoutMs / 1000}s)`,
            ),
          ),
        this.#options.functionTimeoutMs,
      );
    });
    try {
      return await Promise.race([work, limit]);
    } finally {
      host.clearTimeout(timer);
    }
  }

  /** Runs a function for a client, another function, or a job. */
  async run(request: RunRequest, parent?: ActionScope): Promise<RunResponse> {
    const started = host.now();
    let kind = request.kind;
    let response: RunResponse;
    try {
      if (isSystemPath(request.path)) kind = 'query';
      else {
        const found = this.#functions.find(request.component, request.path, kind, request.caller);
        kind = found.udfType.toLowerCase() as typeof kind;
      }
      response =
        kind === 'query'
          ? await this.#query(request)
          : kind === 'mutation'
            ? await this.#mutate(request)
            : await this.#act(request, parent);
    } catch (error) {
      response = { success: false, ...asFailure(error), logLines: [] };
    }
    if (parent !== undefined) for (const line of response.logLines) parent.log(line);
    this.#report(request, kind, started, response);
    return response;
  }

  #report(request: RunRequest, kind: RunRequest['kind'], started: number, response: RunResponse): void {
    if (isSystemPath(request.path)) return;
    const types = { query: 'Query', mutation: 'Mutation', action: 'Action', any: 'Action' } as const;
    const { module, name } = parseFunctionPath(request.path);
    const execution: Execution = {
      udfType: types[kind],
      componentPath: request.component === '' ? null : request.component,
      identifier: `${module}.js:${name}`,
      logLines: response.logLines,
      timestamp: host.now() / 1000,
      executionTime: (host.now() - started) / 1000,
      success: response.success ? null : null,
      error: response.success ? null : response.message,
      requestId: request.requestId,
      caller: 'HttpApi',
    };
    this.#emit({ event: 'execution', execution });
  }

  async #query(request: RunRequest): Promise<RunResponse> {
    return await this.transactions.exclusive(async () => {
      const { result } = await this.#evaluate({ ...request, journal: null });
      if (!result.success) return result;
      return { success: true, value: result.value, ts: this.transactions.ts, logLines: result.logLines };
    });
  }

  async #mutate(
    request: RunRequest,
    complete?: (error?: string) => void,
    wanted: () => boolean = () => true,
  ): Promise<RunResponse> {
    const { component, path: udfPath, caller, idempotency } = request;
    const logLines: string[] = [];
    return await this.transactions.exclusive(async () => {
      const before = idempotency === undefined ? undefined : this.transactions.answerTo(idempotency);
      if (before !== undefined) return JSON.parse(before) as RunResponse;
      if (!wanted()) return { success: false, message: 'The job is no longer pending', logLines };
      const scope = this.#newScope('mutation', component, udfPath, caller, new ReadSet(), logLines);
      try {
        const found = this.#functions.find(component, udfPath, 'mutation', caller);
        const call = this.#functions.call(component, udfPath, found, request.args, scope);
        const value = await this.#limited(udfPath, call);
        scope.close();
        complete?.();
        const answer = (ts: number): RunResponse => ({ success: true, value, ts, logLines });
        const { ts } = this.transactions.commit(idempotency, (at) => JSON.stringify(answer(at)));
        return answer(ts);
      } catch (error) {
        scope.close();
        this.store.rollback();
        const failure = asFailure(error);
        if (complete !== undefined) {
          complete(failure.message);
          this.transactions.commit();
        }
        return { success: false, ...failure, logLines };
      } finally {
        this.#queueRefresh();
      }
    });
  }

  async #act(request: RunRequest, parent: ActionScope | undefined): Promise<RunResponse> {
    const { component, path: udfPath, caller, args } = request;
    const logLines: string[] = [];
    const depth = (parent?.depth ?? 0) + 1;
    if (depth > 64) throw new FunctionError('Actions call each other too deeply');
    const found = this.#functions.find(component, udfPath, 'action', caller);
    const scope = new ActionScope(this.#actionServices, {
      component,
      functionName: udfPath,
      caller: parent === undefined || parent.component === component ? caller : { ...caller, identity: null },
      logs: logLines,
      depth,
    });
    try {
      const value = await this.#functions.call(component, udfPath, found, args, scope);
      return { success: true, value, ts: this.transactions.ts, logLines };
    } catch (error) {
      return { success: false, ...asFailure(error), logLines };
    }
  }

  /** A scope for code that runs outside of a registered action: HTTP actions. */
  actionScope(functionName: string, component: string, caller: Caller, logs: string[]): ActionScope {
    return new ActionScope(this.#actionServices, { component, functionName, caller, logs });
  }

  get loader(): ModuleLoader {
    return this.#loader;
  }

  /** Adds watchers. The answer comes as a `state` event, so that its place among the others is certain. */
  async subscribe(token: number, subscriptions: readonly Subscription[]): Promise<void> {
    await this.transactions.exclusive(async () => {
      const changed = await this.#subscriptions.refresh();
      const results: LiveResult[] = [];
      for (const subscription of subscriptions) results.push(await this.#subscriptions.watch(subscription));
      this.#emit({ event: 'state', ts: this.transactions.ts, changed, subscribed: { token, results } });
    });
  }

  release(ids: readonly number[]): void {
    for (const id of ids) this.#subscriptions.release(id);
  }

  #queueRefresh(): void {
    if (this.#refreshQueued) return;
    this.#refreshQueued = true;
    const refresh = async () => {
      // The answer to the mutation that caused this must be on its way before the state that contains it.
      await new Promise((resolve) => host.setImmediate(resolve));
      this.#refreshQueued = false;
      this.#lastRefresh = host.now();
      const changed = await this.#subscriptions.refresh();
      this.#emit({ event: 'state', ts: this.transactions.ts, changed });
    };
    if (this.transactions.waiting > 1 && host.now() - this.#lastRefresh < REFRESH_AFTER_MS) {
      host.setTimeout(() => void this.transactions.exclusive(refresh), 1);
    } else {
      void this.transactions.exclusive(refresh);
    }
  }

  // --- deployment ---

  async startPush(request: unknown): Promise<unknown> {
    const push = await preparePush(
      this.#loader,
      request as never,
      this.#deployment.record,
      this.environment(),
    );
    this.#pushes.set(push.id, push);
    if (this.#pushes.size > 16) this.#pushes.delete(this.#pushes.keys().next().value!);
    return push.response;
  }

  #pushOf(schemaChange: unknown): PreparedPush {
    const id = (schemaChange as { schemaIds?: { push?: string } } | undefined)?.schemaIds?.push ?? '';
    const push = this.#pushes.get(id);
    if (push === undefined)
      throw new RequestError(400, 'RaceDetected', 'This push is not known any more. Push again.');
    return push;
  }

  /** Where existing documents do not fit the schema of a push: the first such document. */
  #schemaConflict(record: DeploymentRecord) {
    const next = new Deployment(record);
    for (const component of next.components) {
      for (const schema of next.schema(component)?.tables ?? []) {
        const table = this.store.table(component, schema.tableName);
        const tableOf = (id: string) => this.store.tableOf(id);
        for (const document of table?.documents.values() ?? []) {
          const problem = schemaProblem(document, schema, tableOf);
          if (problem === undefined) continue;
          const error = `Document with ID "${document._id}" in table "${schema.tableName}" does not match the schema: ${problem}`;
          return { type: 'failed', error, componentPath: component, tableName: schema.tableName };
        }
      }
    }
    return undefined;
  }

  async waitForSchema(request: { schemaChange?: unknown }): Promise<unknown> {
    const push = this.#pushOf(request.schemaChange);
    return await this.transactions.exclusive(() => this.#schemaConflict(push.record) ?? { type: 'complete' });
  }

  async finishPush(request: { startPush?: { schemaChange?: unknown }; dryRun?: boolean }): Promise<unknown> {
    const push = this.#pushOf(request.startPush?.schemaChange);
    const diff = pushDiff(this.#deployment.record, push.record);
    if (request.dryRun === true) return diff;
    await this.transactions.exclusive(async () => {
      const conflict = this.#schemaConflict(push.record);
      if (conflict !== undefined) throw new RequestError(400, 'SchemaMismatch', conflict.error);
      const table = this.store.ensureTable('', DEPLOYMENT);
      for (const id of [...table.documents.keys()]) this.store.remove(table, id);
      this.store.insert(table, { record: push.record }, host.now());
      this.#deployment = new Deployment(push.record);
      this.#defineIndexes();
      this.transactions.commit();
      this.#subscriptions.invalidateAll();
      this.#queueRefresh();
    });
    this.#pushes.delete(push.id);
    this.#emit({ event: 'deployed' });
    await this.#crons.start(this.#deployment);
    return diff;
  }

  #defineIndexes(): void {
    for (const component of this.#deployment.components) {
      for (const table of this.#deployment.schema(component)?.tables ?? []) {
        this.store.defineIndexes(
          this.store.ensureTable(component, table.tableName),
          table.indexes.map(({ indexDescriptor, fields }) => ({ name: indexDescriptor, fields })),
        );
      }
    }
  }

  configHashes(): unknown {
    const { record } = this.#deployment;
    const modules = record.definitions['']?.modules ?? {};
    return {
      config: { functions: 'convex/', authInfo: record.auth },
      moduleHashes: Object.entries(modules).map(([modulePath, { sha256, environment }]) => ({
        path: modulePath,
        hash: sha256,
        environment,
      })),
      nodeDependencies: record.nodeDependencies,
      udfServerVersion: record.udfServerVersion,
      nodeVersion: record.nodeVersion ?? undefined,
    };
  }

  environment(): Record<string, string> {
    const variables = [...(this.store.table('', ENVIRONMENT)?.documents.values() ?? [])];
    return Object.fromEntries(variables.map(({ name, value }) => [name as string, value as string]));
  }

  #loadEnvironment(): void {
    for (const name of Object.keys(process.env)) delete process.env[name];
    const { cloudUrl, siteUrl } = this.#options;
    Object.assign(process.env, { CONVEX_CLOUD_URL: cloudUrl, CONVEX_SITE_URL: siteUrl }, this.environment());
  }

  async updateEnvironment(changes: ReadonlyArray<{ name: string; value: string | null }>): Promise<void> {
    await this.transactions.exclusive(() => {
      const table = this.store.ensureTable('', ENVIRONMENT);
      for (const { name, value } of changes) {
        const known = [...table.documents.values()].find((document) => document.name === name);
        if (known !== undefined) this.store.remove(table, known._id);
        if (value !== null && value !== undefined) this.store.insert(table, { name, value }, host.now());
      }
      this.transactions.commit();
      this.#loadEnvironment();
      this.#subscriptions.invalidateAll();
      this.#queueRefresh();
    });
  }
}

function pending(job: Record<string, unknown> | undefined): boolean {
  return (job?.state as { kind?: string } | undefined)?.kind === 'pending';
}

function asFailure(error: unknown): { message: string; data?: unknown } {
  if (error instanceof FunctionError) {
    return { message: error.message, ...(error.data === undefined ? {} : { data: error.data }) };
  }
  return { message: error instanceof Error ? error.message : String(error) };
}
