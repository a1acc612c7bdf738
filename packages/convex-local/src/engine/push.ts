import { randomUUID } from 'node:crypto';
import { analyzeAuth, analyzeDefinition, analyzeModules, analyzeSchema } from './analysis.ts';
import { definitionExports, mountExports, publicTree } from './component-exports.ts';
import {
  type AuthProvider,
  type DefinitionRecord,
  Deployment,
  type DeploymentRecord,
  type ModuleRecord,
} from './deployment.ts';
import type { ExternalPackage, ExternalPackages } from './external-packages.ts';
import { RequestError } from './function-error.ts';
import { type ModuleLoader, moduleHash, type PushedModule } from './module-loader.ts';

interface ModuleHash {
  readonly path: string;
  readonly environment: 'isolate' | 'node';
  readonly sha256: string;
}

interface PushRequest {
  readonly dryRun?: boolean;
  readonly appDefinition: {
    readonly definition: PushedModule | null;
    readonly dependencies: readonly string[];
    readonly schema: PushedModule | null;
    readonly auth?: PushedModule | null;
    readonly changedModules: readonly PushedModule[];
    readonly unchangedModuleHashes: readonly ModuleHash[];
    readonly udfServerVersion: string;
  };
  readonly componentDefinitions: ReadonlyArray<{
    readonly definitionPath: string;
    readonly definition: PushedModule;
    readonly dependencies: readonly string[];
    readonly schema: PushedModule | null;
    readonly functions: readonly PushedModule[];
    readonly udfServerVersion: string;
  }>;
  readonly nodeDependencies: readonly ExternalPackage[];
  readonly nodeVersion?: string;
}

/** A push that was analysed and waits to be finished. */
export interface PreparedPush {
  readonly id: string;
  readonly record: DeploymentRecord;
  readonly response: unknown;
}

const APP = '';

async function allModules(
  loader: ModuleLoader,
  app: PushRequest['appDefinition'],
  current: DeploymentRecord,
): Promise<PushedModule[]> {
  const modules = [...app.changedModules];
  const previous = current.definitions[APP];
  for (const { path, environment, sha256 } of app.unchangedModuleHashes) {
    if (previous?.modules[path]?.sha256 !== sha256) {
      throw new RequestError(
        400,
        'ModulesNotFound',
        `Module ${path} is not the one that was pushed before. Push again.`,
      );
    }
    const { source, sourceMap } = await loader.read(previous.directory, path);
    modules.push({ path, environment, source, ...(sourceMap === undefined ? {} : { sourceMap }) });
    const read = modules.at(-1)!;
    if (moduleHash(read) !== sha256) {
      throw new RequestError(
        400,
        'ModulesNotFound',
        `Module ${path} on disk is damaged. Push all modules again.`,
      );
    }
  }
  return modules;
}

async function prepareDefinition(
  loader: ModuleLoader,
  path: string,
  source: { definition: PushedModule | null; schema: PushedModule | null; modules: readonly PushedModule[] },
  childNames: ReadonlyMap<string, string>,
  packages: External = {},
): Promise<DefinitionRecord> {
  const directory = await loader.write(source.modules, packages.folder);
  return {
    directory,
    modules: await analyzeModules(loader, directory, source.modules, packages.missing),
    schema: source.schema === null ? null : await analyzeSchema(loader, source.schema),
    definition: await analyzeDefinition(loader, path, source.definition, childNames),
  };
}

/** Mounts: every use of a component in another, with its path. */
function mountComponents(definitions: Record<string, DefinitionRecord>): Record<string, string> {
  const mounts: Record<string, string> = {};
  const mount = (component: string, definitionPath: string) => {
    const definition = definitions[definitionPath];
    if (definition === undefined) {
      throw new RequestError(400, 'InvalidDefinition', `Component ${definitionPath} was not pushed.`);
    }
    mounts[component] = definitionPath;
    for (const child of definition.definition.childComponents) {
      mount(component === '' ? child.name : `${component}/${child.name}`, child.path);
    }
  };
  mount(APP, APP);
  return mounts;
}

function authInfo(provider: unknown): AuthProvider {
  const fields = provider as Record<string, unknown>;
  const name = fields.type === 'customJwt' ? 'issuer' : 'domain';
  if (typeof fields[name] !== 'string' || fields[name] === '') {
    throw new RequestError(400, 'InvalidAuthConfig', `A provider of auth.config needs a "${name}".`);
  }
  if (fields.type !== 'customJwt') return provider as AuthProvider;
  return { applicationID: null, ...fields } as unknown as AuthProvider;
}

/** Children before parents, so that a definition finds the default names of those it uses. */
function dependencyOrder(definitions: PushRequest['componentDefinitions']) {
  const byPath = new Map(definitions.map((definition) => [definition.definitionPath, definition]));
  const ordered = new Map<string, (typeof definitions)[number]>();
  const visit = (path: string, trail: readonly string[]) => {
    const definition = byPath.get(path);
    if (definition === undefined || ordered.has(path)) return;
    if (trail.includes(path)) {
      throw new RequestError(
        400,
        'InvalidDefinition',
        `Components use each other: ${[...trail, path].join(' -> ')}`,
      );
    }
    for (const dependency of definition.dependencies) visit(dependency, [...trail, path]);
    ordered.set(path, definition);
  };
  for (const path of byPath.keys()) visit(path, []);
  return [...ordered.values()];
}

interface External {
  /** The `node_modules` folder, or undefined where nothing external is wanted or could be had. */
  readonly folder?: string;
  /** Why the packages are missing: the modules that import them stay out, the rest of the push goes on. */
  readonly missing?: string;
}

async function preparePackages(
  external: ExternalPackages,
  packages: readonly ExternalPackage[],
): Promise<External> {
  if (packages.length === 0) return {};
  try {
    return { folder: await external.prepare(packages) };
  } catch (error) {
    const names = packages.map(({ name, version }) => `${name}@${version}`).join(', ');
    return { missing: `the external packages ${names} could not be installed (${(error as Error).message})` };
  }
}

/** Analyses a push without changing anything. */
export async function preparePush(
  loader: ModuleLoader,
  request: PushRequest,
  current: DeploymentRecord,
  environment: Record<string, string>,
  external: ExternalPackages,
): Promise<PreparedPush> {
  const definitions: Record<string, DefinitionRecord> = {};
  const names = new Map<string, string>();
  for (const component of dependencyOrder(request.componentDefinitions)) {
    const record = await prepareDefinition(
      loader,
      component.definitionPath,
      { ...component, modules: component.functions },
      names,
    );
    definitions[component.definitionPath] = record;
    names.set(component.definitionPath, record.definition.definitionType.name ?? component.definitionPath);
  }
  const app = request.appDefinition;
  const modules = await allModules(loader, app, current);
  const packages = await preparePackages(external, request.nodeDependencies);
  const authModule = app.auth ?? modules.find(({ path }) => path === 'auth.config.js') ?? null;
  definitions[APP] = await prepareDefinition(
    loader,
    APP,
    { ...app, modules: modules.filter(({ path }) => path !== 'auth.config.js' || app.auth != null) },
    names,
    packages,
  );
  const auth = authModule === null ? [] : (await analyzeAuth(loader, authModule)).map(authInfo);
  const record: DeploymentRecord = {
    definitions,
    components: mountComponents(definitions),
    auth,
    udfServerVersion: app.udfServerVersion,
    nodeDependencies: request.nodeDependencies,
    nodeVersion: request.nodeVersion ?? null,
  };
  const id = randomUUID();
  return { id, record, response: startPushResponse(id, record, environment) };
}

function analyzedModule(module: ModuleRecord): unknown {
  const { functions, httpRoutes, cronSpecs } = module;
  return {
    functions,
    httpRoutes,
    cronSpecs: cronSpecs === null ? null : Object.fromEntries(cronSpecs),
    sourceMapped: null,
  };
}

function evaluatedDefinition(record: DefinitionRecord, version: string): unknown {
  const udfConfig = {
    serverVersion: version,
    importPhaseRngSeed: { $bytes: Buffer.alloc(32).toString('base64') },
    importPhaseUnixTimestamp: { $integer: Buffer.alloc(8).toString('base64') },
  };
  const functions = Object.entries(record.modules)
    .filter(([path]) => !path.startsWith('_deps/'))
    .map(([path, module]) => [path, analyzedModule(module)]);
  return {
    definition: { ...record.definition, exports: definitionExports(publicTree(record)) },
    schema: record.schema === null ? null : JSON.parse(record.schema),
    functions: Object.fromEntries(functions),
    udfConfig,
  };
}

function checkedComponent(component: string, record: DeploymentRecord): unknown {
  const definitionPath = record.components[component]!;
  const definition = record.definitions[definitionPath]!;
  const children = definition.definition.childComponents.map(({ name }) => [
    name,
    checkedComponent(component === '' ? name : `${component}/${name}`, record),
  ]);
  const routes = definition.modules['http.js']?.httpRoutes ?? null;
  return {
    definitionPath,
    componentPath: component,
    args: {},
    childComponents: Object.fromEntries(children),
    httpRoutes: {
      httpModuleRoutes: routes?.map(({ route }) => route) ?? null,
      mounts: Object.keys(definition.definition.httpMounts),
    },
    exports: mountExports(component, publicTree(definition)),
  };
}

function startPushResponse(
  id: string,
  record: DeploymentRecord,
  environment: Record<string, string>,
): unknown {
  const analysis = Object.entries(record.definitions).map(([path, definition]) => [
    path,
    evaluatedDefinition(definition, record.udfServerVersion),
  ]);
  return {
    environmentVariables: environment,
    externalDepsId: null,
    componentDefinitionPackages: {},
    appAuth: record.auth,
    analysis: Object.fromEntries(analysis),
    app: checkedComponent(APP, record),
    schemaChange: { allocatedComponentIds: {}, schemaIds: { push: id } },
  };
}

type IndexConfig = { readonly name: string } & Readonly<Record<string, unknown>>;

function indexConfigs(deployment: Deployment, component: string): Map<string, IndexConfig> {
  const configs: IndexConfig[] = (deployment.schema(component)?.tables ?? []).flatMap((table) => [
    ...table.indexes.map(({ indexDescriptor, fields }) => ({
      name: `${table.tableName}.${indexDescriptor}`,
      type: 'database',
      fields: [...fields, '_creationTime'],
    })),
    ...(table.stagedDbIndexes ?? []).map(({ indexDescriptor, fields }) => ({
      name: `${table.tableName}.${indexDescriptor}`,
      type: 'database',
      fields: [...fields, '_creationTime'],
      staged: true,
    })),
    ...table.searchIndexes.map(({ indexDescriptor, searchField, filterFields }) => ({
      name: `${table.tableName}.${indexDescriptor}`,
      type: 'search',
      searchField,
      filterFields,
    })),
    ...table.vectorIndexes.map(({ indexDescriptor, vectorField, dimensions, filterFields }) => ({
      name: `${table.tableName}.${indexDescriptor}`,
      type: 'vector',
      vectorField,
      dimensions,
      filterFields,
    })),
  ]);
  return new Map(configs.map((config) => [JSON.stringify(config), config]));
}

function added<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): T[] {
  return [...after].filter(([key]) => !before.has(key)).map(([, value]) => value);
}

/** What `finish_push` reports: the difference of two deployments. */
export function pushDiff(beforeRecord: DeploymentRecord, afterRecord: DeploymentRecord): unknown {
  const before = new Deployment(beforeRecord);
  const after = new Deployment(afterRecord);
  const keyed = (items: readonly unknown[]) =>
    new Map(items.map((item) => [JSON.stringify(item), JSON.stringify(item)]));
  const componentDiffs: Record<string, unknown> = {};
  for (const component of new Set([...before.components, ...after.components])) {
    const modules = (deployment: Deployment) =>
      new Map(Object.keys(deployment.definition(component)?.modules ?? {}).map((path) => [path, path]));
    const crons = (deployment: Deployment) =>
      new Map(
        (deployment.definition(component)?.modules['crons.js']?.cronSpecs ?? []).map(([name]) => [
          name,
          name,
        ]),
      );
    const indexes = (deployment: Deployment) => indexConfigs(deployment, component);
    const known = before.components.includes(component);
    componentDiffs[component] = {
      diffType: { type: !known ? 'create' : after.components.includes(component) ? 'modify' : 'unmount' },
      moduleDiff: {
        added: added(modules(before), modules(after)),
        removed: added(modules(after), modules(before)),
      },
      udfConfigDiff: null,
      cronDiff: {
        added: added(crons(before), crons(after)),
        updated: [],
        deleted: added(crons(after), crons(before)),
      },
      indexDiff: {
        added_indexes: added(indexes(before), indexes(after)),
        removed_indexes: added(indexes(after), indexes(before)),
      },
      schemaDiff: null,
    };
  }
  return {
    authDiff: {
      added: added(keyed(beforeRecord.auth), keyed(afterRecord.auth)),
      removed: added(keyed(afterRecord.auth), keyed(beforeRecord.auth)),
    },
    definitionDiffs: {},
    componentDiffs,
  };
}
