import type { CronSpec, DefinitionMetadata, FunctionRecord, ModuleRecord } from './deployment.ts';
import { RequestError } from './function-error.ts';
import { type ModuleLoader, moduleHash, type PushedModule } from './module-loader.ts';
import { asFunctionError } from './user-error.ts';

interface RegisteredFunction {
  readonly isQuery?: boolean;
  readonly isMutation?: boolean;
  readonly isAction?: boolean;
  readonly isPublic?: boolean;
  readonly isInternal?: boolean;
  exportArgs?(): string;
  exportReturns?(): string;
}

interface Router {
  readonly isRouter: true;
  getRoutes(): ReadonlyArray<readonly [path: string, method: string, handler: unknown]>;
}

interface Crons {
  readonly isCrons: true;
  export(): string;
}

/** Runs a step of a push on the person's code; what it throws becomes the push's refusal. */
async function evaluate<T>(what: string, action: () => Promise<T> | T): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(
      400,
      'InvalidModules',
      `Failed to analyze ${what}: ${asFunctionError(error, () => undefined).message}`,
    );
  }
}

function analyzeFunction(name: string, candidate: RegisteredFunction): FunctionRecord | undefined {
  const udfType = candidate.isQuery
    ? 'Query'
    : candidate.isMutation
      ? 'Mutation'
      : candidate.isAction
        ? 'Action'
        : undefined;
  if (udfType === undefined) return undefined;
  return {
    name,
    udfType,
    visibility: { kind: candidate.isPublic ? 'public' : 'internal' },
    args: candidate.exportArgs?.() ?? null,
    returns: candidate.exportReturns?.() ?? null,
    pos: null,
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null;
}

function cronSpecs(crons: Crons): Array<readonly [string, CronSpec]> {
  const specs = JSON.parse(crons.export()) as Record<
    string,
    { name: string; args: unknown[]; schedule: Record<string, unknown> & { type: string } }
  >;
  return Object.entries(specs).map(([identifier, { name, args, schedule }]) => [
    identifier,
    { udfPath: name, udfArgs: JSON.stringify(args), cronSchedule: schedule },
  ]);
}

/** What the modules of one component define. Modules without functions (`_deps`) are left out of the records' lists. */
export async function analyzeModules(
  loader: ModuleLoader,
  directory: string,
  modules: readonly PushedModule[],
  missingPackages?: string,
): Promise<Record<string, ModuleRecord>> {
  const records: Record<string, ModuleRecord> = {};
  for (const module of modules) {
    const base = {
      sha256: moduleHash(module),
      environment: module.environment,
      functions: [],
      httpRoutes: null,
      cronSpecs: null,
    };
    if (module.path.startsWith('_deps/')) {
      records[module.path] = base;
      continue;
    }
    try {
      const analyzed = await evaluate(module.path, () => analyzeModule(loader, directory, module));
      records[module.path] = { ...base, ...analyzed };
    } catch (error) {
      if (missingPackages === undefined || module.environment !== 'node') throw error;
      records[module.path] = { ...base, unavailable: missingPackages };
    }
  }
  return records;
}

async function analyzeModule(loader: ModuleLoader, directory: string, { path, environment }: PushedModule) {
  const exports = await loader.load(directory, path, environment);
  const functions: FunctionRecord[] = [];
  for (const [name, value] of Object.entries(exports)) {
    const record = isObject(value) ? analyzeFunction(name, value as RegisteredFunction) : undefined;
    if (record !== undefined) functions.push(record);
  }
  const main = exports.default;
  const router = isObject(main) && main.isRouter === true ? (main as unknown as Router) : undefined;
  if (path === 'http.js' && router === undefined) {
    throw new RequestError(400, 'MissingRouter', 'The default export of `convex/http.js` is not a Router.');
  }
  const crons = isObject(main) && main.isCrons === true ? (main as unknown as Crons) : undefined;
  if (path === 'crons.js' && crons === undefined) {
    throw new RequestError(
      400,
      'MissingCrons',
      'The default export of `convex/crons.js` is not a Crons object.',
    );
  }
  return {
    functions,
    httpRoutes:
      path === 'http.js' && router !== undefined
        ? router.getRoutes().map(([route, method]) => ({ route: { path: route, method }, pos: null }))
        : null,
    cronSpecs: path === 'crons.js' && crons !== undefined ? cronSpecs(crons) : null,
  };
}

/** `schema.export()` of a pushed schema module. */
export async function analyzeSchema(loader: ModuleLoader, module: PushedModule): Promise<string> {
  return await evaluate(module.path, async () => {
    const directory = await loader.write([module]);
    const exports = await loader.load(directory, module.path);
    const schema = exports.default as { export?(): string } | undefined;
    if (typeof schema?.export !== 'function') {
      throw new RequestError(
        400,
        'InvalidSchema',
        'The default export of `convex/schema.js` is not a schema.',
      );
    }
    return schema.export();
  });
}

/** Providers of `auth.config`. */
export async function analyzeAuth(loader: ModuleLoader, module: PushedModule): Promise<unknown[]> {
  return await evaluate(module.path, async () => {
    const directory = await loader.write([module]);
    const exports = await loader.load(directory, module.path);
    const config = exports.default as { providers?: unknown } | undefined;
    if (!Array.isArray(config?.providers)) {
      throw new RequestError(
        400,
        'InvalidAuthConfig',
        'auth config file must include a list of provider credentials: `export default { providers: [...] }`',
      );
    }
    return config.providers as unknown[];
  });
}

/** `export()` of a component's (or the app's) definition. */
export async function analyzeDefinition(
  loader: ModuleLoader,
  path: string,
  module: PushedModule | null,
  childNames: ReadonlyMap<string, string>,
): Promise<DefinitionMetadata> {
  if (module === null) {
    return {
      path,
      definitionType: { type: 'app' },
      childComponents: [],
      httpMounts: {},
      exports: { type: 'branch', branch: [] },
    };
  }
  return await evaluate(module.path, async () => {
    // The bundle imports its children's definitions by path; all it may know of them is path and default name.
    const stubs = [...childNames].map(([child, defaultName]) => ({
      path: `_componentDeps/${Buffer.from(child).toString('base64url')}`,
      source: `export default ${JSON.stringify({ componentDefinitionPath: child, defaultName })};\n`,
      environment: 'isolate' as const,
    }));
    const directory = await loader.write([module, ...stubs]);
    const exports = await loader.load(directory, module.path);
    const definition = exports.default as { export(): DefinitionMetadata } | undefined;
    if (typeof definition?.export !== 'function') {
      throw new RequestError(
        400,
        'InvalidDefinition',
        `The default export of ${module.path} is not a definition.`,
      );
    }
    return { ...definition.export(), path };
  });
}
