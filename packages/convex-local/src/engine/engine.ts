import path from 'node:path';
import type { Instance } from '@stackyard/convex-selfhost';
import { CommitLog } from '../storage/commit-log.ts';
import { Store, type Write } from '../storage/store.ts';
import { ActionScope, type ActionServices } from './action-scope.ts';
import type { Caller } from './caller.ts';
import { CronRunner } from './crons.ts';
import { Deployer } from './deployer.ts';
import { host } from './environment.ts';
import { ExternalPackages } from './external-packages.ts';
import { Files, STORAGE } from './files.ts';
import { FunctionError, RequestError } from './function-error.ts';
import { parseFunctionPath } from './function-path.ts';
import { type FunctionAddress, formatHandle, resolveAddress } from './function-reference.ts';
import { Functions } from './functions.ts';
import type { EngineEvent, RunResponse } from './messages.ts';
import { ModuleLoader } from './module-loader.ts';
import { Runner, type RunnerOptions } from './runner.ts';
import { Scheduler } from './scheduler.ts';
import { checkConvexPackage } from './self-check.ts';
import { type LiveResult, type Subscription, Subscriptions } from './subscriptions.ts';
import { runTestQuery } from './test-query.ts';
import { TokenSigner } from './token-signer.ts';
import type { TransactionServices } from './transaction-scope.ts';
import { Transactions } from './transactions.ts';
import { Transfers } from './transfers.ts';
import { searchVectors } from './vector-search.ts';

export interface EngineOptions extends RunnerOptions {
  readonly dataDirectory: string;
  readonly instance: Instance;
  /** What npm runs with, when a push names external packages. User code never sees it. */
  readonly hostEnvironment: Readonly<Record<string, string | undefined>>;
}

/** Changes wait for each other this long at most before subscribers hear of them. */
const REFRESH_AFTER_MS = 4;
/** How long filling an index may hold up others, and how long they then have for themselves. */
const FILL_MS = 5;
const FILL_PAUSE_MS = 10;

export function modulesRoot(dataDirectory: string): string {
  return path.join(dataDirectory, 'modules');
}

/** A Convex deployment without its network: documents, functions, subscriptions, jobs. */
export class Engine {
  readonly store = new Store();
  readonly files: Files;
  readonly loader: ModuleLoader;
  readonly runner: Runner;
  readonly deployer: Deployer;
  readonly transfers: Transfers;
  readonly #options: EngineOptions;
  readonly #emit: (event: EngineEvent) => void;
  readonly #transactions: Transactions;
  readonly #subscriptions: Subscriptions;
  readonly #scheduler: Scheduler;
  readonly #crons: CronRunner;
  readonly #signer: TokenSigner;
  readonly #actionServices: ActionServices;
  #filler: NodeJS.Timeout | undefined;
  #refreshQueued = false;
  #lastRefresh = 0;

  constructor(options: EngineOptions, emit: (event: EngineEvent) => void) {
    const { dataDirectory, cloudUrl } = options;
    this.#options = options;
    this.#emit = emit;
    this.#transactions = new Transactions(this.store, new CommitLog(path.join(dataDirectory, 'log')));
    this.#transactions.onCommit = (writes) => this.#committed(writes);
    this.loader = new ModuleLoader(modulesRoot(dataDirectory));
    this.files = new Files(path.join(dataDirectory, 'files'), this.store, cloudUrl, options.instance);
    const external = new ExternalPackages(path.join(dataDirectory, 'packages'), options.hostEnvironment);
    this.deployer = new Deployer(this.store, this.loader, external, options);
    const deployment = () => this.deployer.current;
    const functions = new Functions(
      this.loader,
      deployment,
      (component) => (id) => this.store.tableOf(component, id),
    );
    this.runner = new Runner(this.#transactions, functions, deployment, options, (execution) =>
      emit({ event: 'execution', execution }),
    );
    this.runner.onSettled = () => this.#queueRefresh();
    this.#scheduler = new Scheduler(this.store, this.#transactions, this.runner, (component, name) => {
      const { module, name: exported } = parseFunctionPath(name);
      return deployment().function(component, module, exported)?.udfType === 'Action' ? 'action' : 'mutation';
    });
    this.#crons = new CronRunner(this.store, this.#transactions, (component, udfPath, at, args) =>
      this.#scheduler.add(component, { component, path: udfPath }, at, args),
    );
    this.#signer = new TokenSigner(this.store, cloudUrl);
    const transaction = this.#makeTransactionServices();
    this.#actionServices = this.#makeActionServices(transaction);
    this.runner.services = { transaction, action: this.#actionServices };
    const exports = path.join(dataDirectory, 'exports');
    this.transfers = new Transfers(this.store, this.runner, this.deployer, this.files, exports);
    this.#subscriptions = new Subscriptions((subscription) => this.runner.evaluate(subscription));
  }

  /** Restores state from disk and starts the jobs. */
  async start(): Promise<void> {
    await checkConvexPackage();
    const damage = this.#transactions.recover();
    this.deployer.restore();
    this.files.index();
    const documents = [...this.store.tables.values()].reduce((sum, table) => sum + table.documents.size, 0);
    this.#emit({ event: 'ready', ts: this.#transactions.ts, documents, damage });
    await this.#scheduler.start();
    await this.#crons.start(this.deployer.current);
    this.#fillTextIndexes();
  }

  /** Fills indexes of words bit by bit, so that nobody waits for them who does not search. */
  #fillTextIndexes(): void {
    if (this.store.fillTextIndexes(FILL_MS)) return;
    this.#filler = host.setTimeout(() => this.#fillTextIndexes(), FILL_PAUSE_MS).unref();
  }

  close(): void {
    clearTimeout(this.#filler);
    this.#crons.stop();
    this.#scheduler.stop();
    this.#transactions.close();
  }

  get timestamp(): number {
    return this.#transactions.ts;
  }

  #committed(writes: readonly Write[]): void {
    this.#subscriptions.invalidate(writes);
    const removed = writes.filter(({ table, after }) => table.name === STORAGE && after === undefined);
    if (removed.length > 0) this.files.forget(removed.map(({ id }) => id));
    this.#scheduler.note(writes);
  }

  #makeTransactionServices(): TransactionServices {
    const { files, store } = this;
    return {
      store,
      deploymentName: this.#options.instance.instanceName,
      schemaOf: (component, table) =>
        this.deployer.current.schema(component)?.tables.find(({ tableName }) => tableName === table),
      runNested: (scope, kind, address, args) => this.runner.nested(scope, kind, address, args),
      createHandle: (component, address) => formatHandle(resolveAddress(component, address)),
      schedule: ({ component }, address, seconds, args) => {
        const target = this.#schedulable(component, address);
        return this.#scheduler.add(component, target, seconds * 1000, args);
      },
      cancelScheduled: (component, id) => this.#scheduler.cancel(component, id),
      uploadUrl: (component) => files.uploadUrl(component),
      fileUrl: (component, id) => files.url(component, id),
      fileMetadata: (component, id) => files.metadata(component, id),
      deleteFile: (component, id) => files.remove(component, id),
      signToken: (component, request) => this.#signer.sign(component, request),
    };
  }

  #makeActionServices(transaction: TransactionServices): ActionServices {
    const { files, runner } = this;
    return {
      deploymentName: this.#options.instance.instanceName,
      run: async (scope, kind, address, args) => {
        const target = resolveAddress(scope.component, address);
        const caller = { ...scope.caller, admin: true };
        const response = await runner.run({ kind, ...target, args, caller, requestId: '' }, scope);
        if (!response.success) throw new FunctionError(response.message, response.data);
        return JSON.parse(response.value);
      },
      schedule: (scope, address, seconds, args) =>
        runner.change(() => transaction.schedule(scope, address, seconds, args)),
      cancelScheduled: (component, id) => runner.change(() => this.#scheduler.cancel(component, id)),
      createHandle: transaction.createHandle,
      vectorSearch: (component, query) =>
        runner.change(() => searchVectors(this.store, this.deployer.current, component, query)),
      uploadUrl: (component) => files.uploadUrl(component),
      fileUrl: (component, id) => runner.change(() => files.url(component, id)),
      fileMetadata: (component, id) => runner.change(() => files.metadata(component, id)),
      deleteFile: (component, id) => runner.change(() => files.remove(component, id)),
      storeFile: async (component, blob, sha256) => {
        const bytes = new Uint8Array(await blob.arrayBuffer());
        try {
          return await this.storeFile(component, bytes, blob.type, sha256);
        } catch (error) {
          // What an upload answers with a status is an error of the action's own here.
          throw error instanceof RequestError ? new FunctionError(error.message) : error;
        }
      },
      readFile: (component, id) => files.read(component, id),
    };
  }

  #schedulable(component: string, address: FunctionAddress) {
    const target = resolveAddress(component, address);
    const { module, name } = parseFunctionPath(target.path);
    if (this.deployer.current.module(target.component, module) === undefined) {
      throw new FunctionError(`Attempted to schedule function at nonexistent path: ${target.path}`);
    }
    if (this.deployer.current.function(target.component, module, name) === undefined) {
      throw new FunctionError(
        `Attempted to schedule function, but no exported function ${name} found in the file: ${module}.js. ` +
          'Did you forget to export it?',
      );
    }
    return target;
  }

  async storeFile(
    component: string,
    bytes: Uint8Array,
    contentType: string | null,
    sha256: string | null | undefined,
  ): Promise<string> {
    const written = await this.files.write(bytes, sha256);
    return await this.runner.change(() =>
      this.files.record(component, { ...written, size: bytes.length, contentType }),
    );
  }

  publicKeys(): Promise<unknown> {
    return this.runner.change(() => this.#signer.publicKeys());
  }

  /** Runs a query that was written on the command line (`convex run --inline-query`). */
  async runTestQuery(component: string, source: string, caller: Caller): Promise<RunResponse> {
    return await runTestQuery(this.runner, this.loader, component, source, caller);
  }

  /** A scope for code that runs outside of a registered action: HTTP actions. */
  actionScope(functionName: string, component: string, caller: Caller, logs: string[]): ActionScope {
    return new ActionScope(this.#actionServices, { component, functionName, caller, logs });
  }

  /** Adds watchers. The answer comes as a `state` event, so that its place among the others is certain. */
  async subscribe(token: number, subscriptions: readonly Subscription[]): Promise<void> {
    await this.#transactions.exclusive(async () => {
      const changed = await this.#subscriptions.refresh();
      const results: LiveResult[] = [];
      for (const subscription of subscriptions) results.push(await this.#subscriptions.watch(subscription));
      this.#emit({ event: 'state', ts: this.#transactions.ts, changed, subscribed: { token, results } });
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
      this.#emit({ event: 'state', ts: this.#transactions.ts, changed });
    };
    const busy = this.#transactions.waiting > 1 && host.now() - this.#lastRefresh < REFRESH_AFTER_MS;
    if (busy) host.setTimeout(() => void this.#transactions.exclusive(refresh), 1);
    else void this.#transactions.exclusive(refresh);
  }

  async waitForSchema(request: { schemaChange?: unknown }): Promise<unknown> {
    return await this.#transactions.exclusive(() => this.deployer.checkSchema(request.schemaChange));
  }

  async finishPush(request: { startPush?: { schemaChange?: unknown }; dryRun?: boolean }): Promise<unknown> {
    const dryRun = request.dryRun === true;
    const diff = await this.runner.change(() => {
      const changes = this.deployer.finish(request.startPush?.schemaChange, dryRun);
      this.#subscriptions.invalidateAll();
      return changes;
    });
    if (dryRun) return diff;
    this.runner.forgiveBlocking();
    this.#emit({ event: 'deployed' });
    await this.#crons.start(this.deployer.current);
    this.#fillTextIndexes();
    return diff;
  }

  async updateEnvironment(changes: ReadonlyArray<{ name: string; value: string | null }>): Promise<void> {
    await this.runner.change(() => {
      this.deployer.updateEnvironment(changes);
      this.#subscriptions.invalidateAll();
    });
  }
}
