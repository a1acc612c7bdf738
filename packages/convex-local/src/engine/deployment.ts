import { parseSchema, type Schema } from './schema.ts';

/** One function as analysis found it. */
export interface FunctionRecord {
  readonly name: string;
  readonly udfType: 'Query' | 'Mutation' | 'Action';
  readonly visibility: { readonly kind: 'public' | 'internal' };
  /** Validators as JSON text, as the `convex` package exports them. */
  readonly args: string | null;
  readonly returns: string | null;
  readonly pos: unknown;
}

export interface ModuleRecord {
  readonly sha256: string;
  readonly environment: 'isolate' | 'node';
  readonly functions: readonly FunctionRecord[];
  readonly httpRoutes: ReadonlyArray<{
    readonly route: { readonly path: string; readonly method: string };
  }> | null;
  readonly cronSpecs: ReadonlyArray<readonly [string, CronSpec]> | null;
  /** Why the module cannot be loaded: an external package of its Node actions is missing. */
  readonly unavailable?: string;
}

export interface CronSpec {
  readonly udfPath: string;
  readonly udfArgs: string;
  readonly cronSchedule: Readonly<Record<string, unknown>> & { readonly type: string };
}

/** Code and schema of one component; every mount of it shares them. */
export interface DefinitionRecord {
  /** Folder under the modules directory that holds the code. */
  readonly directory: string;
  readonly modules: Readonly<Record<string, ModuleRecord>>;
  /** `schema.export()`, or null without a schema. */
  readonly schema: string | null;
  readonly definition: DefinitionMetadata;
}

export interface DefinitionMetadata {
  readonly path: string;
  readonly definitionType: { readonly type: string; readonly name?: string; readonly httpPrefix?: string };
  readonly childComponents: ReadonlyArray<{
    readonly name: string;
    readonly path: string;
    readonly env?: ReadonlyArray<
      readonly [string, { readonly type: string; readonly value?: string; readonly name?: string }]
    > | null;
  }>;
  readonly httpMounts: Readonly<Record<string, string>>;
  readonly exports: unknown;
  readonly envVars?: unknown;
  readonly httpPrefix?: string;
}

/** One accepted issuer of tokens, from `auth.config`. */
export type AuthProvider =
  | { readonly domain: string; readonly applicationID: string }
  | {
      readonly type: 'customJwt';
      readonly applicationID: string | null;
      readonly issuer: string;
      readonly jwks: string;
      readonly algorithm: string;
    };

/** Everything a push put in place, as it is stored. */
export interface DeploymentRecord {
  readonly definitions: Readonly<Record<string, DefinitionRecord>>;
  /** Component path (the app is the empty path) to definition path. */
  readonly components: Readonly<Record<string, string>>;
  readonly auth: readonly AuthProvider[];
  readonly udfServerVersion: string;
  readonly nodeDependencies: readonly unknown[];
  readonly nodeVersion: string | null;
}

export const EMPTY_DEPLOYMENT: DeploymentRecord = {
  definitions: {},
  components: {},
  auth: [],
  udfServerVersion: '0.0.0',
  nodeDependencies: [],
  nodeVersion: null,
};

/** A deployment with its schemas parsed. */
export class Deployment {
  readonly record: DeploymentRecord;
  readonly #schemas = new Map<string, Schema | null>();

  constructor(record: DeploymentRecord) {
    this.record = record;
    for (const [path, { schema }] of Object.entries(record.definitions)) {
      this.#schemas.set(path, schema === null ? null : parseSchema(schema));
    }
  }

  get components(): string[] {
    return Object.keys(this.record.components);
  }

  definition(component: string): DefinitionRecord | undefined {
    const path = this.record.components[component];
    return path === undefined ? undefined : this.record.definitions[path];
  }

  schema(component: string): Schema | null {
    const path = this.record.components[component];
    return (path === undefined ? null : this.#schemas.get(path)) ?? null;
  }

  module(component: string, module: string): ModuleRecord | undefined {
    const modules = this.definition(component)?.modules;
    return modules?.[`${module}.js`];
  }

  function(component: string, module: string, name: string): FunctionRecord | undefined {
    return this.module(component, module)?.functions.find((candidate) => candidate.name === name);
  }
}
