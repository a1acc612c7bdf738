import type { Store } from '../storage/store.ts';
import { Deployment, type DeploymentRecord, EMPTY_DEPLOYMENT } from './deployment.ts';
import { schemaProblem } from './document-rules.ts';
import { host } from './environment.ts';
import type { ExternalPackages } from './external-packages.ts';
import { RequestError } from './function-error.ts';
import type { ModuleLoader } from './module-loader.ts';
import { type PreparedPush, preparePush, pushDiff } from './push.ts';
import { ENVIRONMENT } from './system-functions.ts';

const DEPLOYMENT = '_deployment';
const MAX_OPEN_PUSHES = 16;

interface SchemaConflict {
  readonly type: 'failed';
  readonly error: string;
  readonly componentPath: string;
  readonly tableName: string;
}

/** The code that is in place: taking pushes, checking them against the data, switching over. */
export class Deployer {
  readonly #store: Store;
  readonly #loader: ModuleLoader;
  readonly #external: ExternalPackages;
  readonly #urls: { readonly cloudUrl: string; readonly siteUrl: string };
  readonly #pushes = new Map<string, PreparedPush>();
  #current = new Deployment(EMPTY_DEPLOYMENT);

  constructor(
    store: Store,
    loader: ModuleLoader,
    external: ExternalPackages,
    urls: { cloudUrl: string; siteUrl: string },
  ) {
    this.#external = external;
    this.#store = store;
    this.#loader = loader;
    this.#urls = urls;
  }

  get current(): Deployment {
    return this.#current;
  }

  /** Takes up what was in place before a restart. */
  restore(): void {
    const stored = this.#store.table('', DEPLOYMENT)?.documents.values().next().value;
    if (stored !== undefined) this.#current = new Deployment(stored.record as DeploymentRecord);
    this.#loader.prune(Object.values(this.#current.record.definitions).map(({ directory }) => directory));
    this.#defineIndexes();
    this.loadEnvironment();
  }

  async start(request: unknown): Promise<unknown> {
    const push = await preparePush(
      this.#loader,
      request as never,
      this.#current.record,
      this.environment(),
      this.#external,
    );
    this.#pushes.set(push.id, push);
    if (this.#pushes.size > MAX_OPEN_PUSHES) this.#pushes.delete(this.#pushes.keys().next().value!);
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
  #conflict(record: DeploymentRecord): SchemaConflict | undefined {
    const next = new Deployment(record);
    for (const component of next.components) {
      const tableOf = (id: string) => this.#store.tableOf(component, id);
      for (const schema of next.schema(component)?.tables ?? []) {
        const { tableName } = schema;
        for (const document of this.#store.table(component, tableName)?.documents.values() ?? []) {
          const problem = schemaProblem(document, schema, tableOf);
          if (problem === undefined) continue;
          const error = `Document with ID "${document._id}" in table "${tableName}" does not match the schema: ${problem}`;
          return { type: 'failed', error, componentPath: component, tableName };
        }
      }
    }
    return undefined;
  }

  /** Call it when no transaction is under way. */
  checkSchema(schemaChange: unknown): SchemaConflict | { type: 'complete' } {
    return this.#conflict(this.#pushOf(schemaChange).record) ?? { type: 'complete' };
  }

  /** Puts a push in place, inside the open transaction. Returns what it changes. */
  finish(schemaChange: unknown, dryRun: boolean): unknown {
    const push = this.#pushOf(schemaChange);
    const diff = pushDiff(this.#current.record, push.record);
    if (dryRun) return diff;
    const conflict = this.#conflict(push.record);
    if (conflict !== undefined) throw new RequestError(400, 'SchemaMismatch', conflict.error);
    const table = this.#store.ensureTable('', DEPLOYMENT);
    for (const id of [...table.documents.keys()]) this.#store.remove(table, id);
    this.#store.insert(table, { record: push.record }, host.now());
    this.#current = new Deployment(push.record);
    this.#defineIndexes();
    this.#pushes.delete(push.id);
    return diff;
  }

  /** Staged indexes are filled like the others, so that enabling one later costs nothing. */
  #defineIndexes(): void {
    for (const component of this.#current.components) {
      for (const schema of this.#current.schema(component)?.tables ?? []) {
        const table = this.#store.ensureTable(component, schema.tableName);
        const indexes = [...schema.indexes, ...(schema.stagedDbIndexes ?? [])];
        this.#store.defineIndexes(
          table,
          indexes.map(({ indexDescriptor, fields }) => ({ name: indexDescriptor, fields })),
        );
        const texts = [...schema.searchIndexes, ...(schema.stagedSearchIndexes ?? [])];
        this.#store.defineTextIndexes(
          table,
          new Map(texts.map(({ indexDescriptor, searchField }) => [indexDescriptor, searchField])),
        );
      }
    }
  }

  configHashes(): unknown {
    const { record } = this.#current;
    const modules = Object.entries(record.definitions['']?.modules ?? {});
    return {
      config: { functions: 'convex/', authInfo: record.auth },
      moduleHashes: modules.map(([path, { sha256, environment }]) => ({ path, hash: sha256, environment })),
      nodeDependencies: record.nodeDependencies,
      udfServerVersion: record.udfServerVersion,
      nodeVersion: record.nodeVersion ?? undefined,
    };
  }

  environment(): Record<string, string> {
    const variables = [...(this.#store.table('', ENVIRONMENT)?.documents.values() ?? [])];
    return Object.fromEntries(variables.map(({ name, value }) => [name as string, value as string]));
  }

  /** Makes `process.env` what functions see: the deployment's variables and nothing of the host's. */
  loadEnvironment(): void {
    for (const name of Object.keys(process.env)) delete process.env[name];
    const { cloudUrl, siteUrl } = this.#urls;
    Object.assign(process.env, { CONVEX_CLOUD_URL: cloudUrl, CONVEX_SITE_URL: siteUrl }, this.environment());
  }

  /** Changes environment variables, inside the open transaction. */
  updateEnvironment(changes: ReadonlyArray<{ name: string; value: string | null }>): void {
    const table = this.#store.ensureTable('', ENVIRONMENT);
    for (const { name, value } of changes) {
      const known = [...table.documents.values()].find((document) => document.name === name);
      if (known !== undefined) this.#store.remove(table, known._id);
      if (value !== null && value !== undefined) this.#store.insert(table, { name, value }, host.now());
    }
    this.loadEnvironment();
  }
}
