import type { StoredDocument } from '../storage/document.ts';
import type { Store } from '../storage/store.ts';
import { EVERYTHING } from '../storage/value-order.ts';
import { decodeCursor, END_CURSOR, encodeCursor } from './cursor.ts';
import type { Deployment } from './deployment.ts';
import { FunctionError } from './function-error.ts';
import type { ReadSet } from './read-set.ts';

export const ENVIRONMENT = '_environment_variables';

export interface SystemScope {
  readonly store: Store;
  readonly deployment: Deployment;
  readonly component: string;
  readonly reads: ReadSet;
  readonly cloudUrl: string;
  readonly siteUrl: string;
}

type Arguments = Record<string, unknown>;
type SystemFunction = (scope: SystemScope, args: Arguments) => unknown;

interface PaginationOptions {
  readonly cursor: string | null;
  readonly numItems: number;
}

function documents(scope: SystemScope, component: string, name: string): StoredDocument[] {
  scope.reads.add(component, name, { index: 'by_creation_time', range: EVERYTHING });
  const table = scope.store.table(component, name);
  if (table === undefined) return [];
  return Array.from(
    table.indexes.get('by_creation_time')!.entries.entries(EVERYTHING),
    ([, document]) => document,
  );
}

function environmentVariables(scope: SystemScope) {
  return documents(scope, '', ENVIRONMENT)
    .map(({ name, value }) => ({ name: name as string, value: value as string }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The tables a person has: those with documents and those of the schema. */
export function userTables(store: Store, deployment: Deployment, component: string): string[] {
  const names = new Set(deployment.schema(component)?.tables.map(({ tableName }) => tableName));
  for (const table of store.tables.values()) {
    if (table.component === component && !table.name.startsWith('_')) names.add(table.name);
  }
  return [...names].sort();
}

function tableData(scope: SystemScope, args: Arguments): unknown {
  const name = args.table as string;
  const { cursor, numItems } = args.paginationOpts as PaginationOptions;
  scope.reads.add(scope.component, name, { index: 'by_creation_time', range: EVERYTHING });
  const table = scope.store.table(scope.component, name);
  const known = userTables(scope.store, scope.deployment, scope.component).includes(name);
  if (table === undefined && !known && !name.startsWith('_')) {
    throw new FunctionError(`Table "${name}" not found.`);
  }
  const order = args.order === 'asc' ? 'asc' : 'desc';
  const fingerprint = `${name}-${order}`;
  const after = cursor === null ? null : decodeCursor(cursor, fingerprint);
  const done = { isDone: true, continueCursor: encodeCursor(END_CURSOR, fingerprint) };
  if (table === undefined || after === END_CURSOR) return { page: [], ...done };
  const range =
    after === null
      ? EVERYTHING
      : order === 'asc'
        ? { ...EVERYTHING, low: { prefix: after, after: true } }
        : { ...EVERYTHING, high: { prefix: after, after: false } };
  const page: StoredDocument[] = [];
  for (const [key, document] of table.indexes.get('by_creation_time')!.entries.entries(range, order)) {
    page.push(document);
    if (page.length >= numItems) {
      return { page, isDone: false, continueCursor: encodeCursor(key, fingerprint) };
    }
  }
  return { page, ...done };
}

function apiSpec(scope: SystemScope): unknown[] {
  scope.reads.add('', '_deployment', { index: 'by_creation_time', range: EVERYTHING });
  const parse = (json: string | null) => (json === null ? { type: 'any' } : JSON.parse(json));
  const modules = scope.deployment.definition(scope.component)?.modules ?? {};
  return Object.entries(modules).flatMap(([path, module]) => [
    ...module.functions.map(({ name, udfType, visibility, args, returns }) => ({
      functionType: udfType,
      identifier: `${path}:${name}`,
      visibility,
      args: parse(args),
      returns: parse(returns),
    })),
    ...(module.httpRoutes ?? []).map(({ route }) => ({ functionType: 'HttpAction', ...route })),
  ]);
}

const FUNCTIONS: Readonly<Record<string, SystemFunction>> = {
  '_system/cli/convexUrl:cloudUrl': (scope) => scope.cloudUrl,
  '_system/cli/convexUrl:siteUrl': (scope) => scope.siteUrl,
  '_system/cli/queryEnvironmentVariables:default': environmentVariables,
  '_system/cli/queryEnvironmentVariables:get': (scope, { name }) =>
    environmentVariables(scope).find((variable) => variable.name === name) ?? null,
  '_system/cli/tables:default': (scope) => ({
    page: userTables(scope.store, scope.deployment, scope.component).map((name) => ({ name })),
    isDone: true,
    continueCursor: '',
  }),
  '_system/cli/tableData:default': tableData,
  '_system/cli/tableSize:default': (scope, { tableName }) =>
    scope.store.table(scope.component, tableName as string)?.documents.size ?? 0,
  '_system/cli/queryTable:default': (scope, { tableName }) =>
    documents(scope, scope.component, tableName as string),
  '_system/cli/modules:apiSpec': apiSpec,
  '_system/cli/exports:getLatest': (scope) => documents(scope, '', '_exports').at(-1) ?? null,
  '_system/cli/queryImport:default': (scope, { importId }) =>
    documents(scope, '', '_snapshot_imports').find(({ _id }) => _id === importId) ?? null,
  '_system/cli/queryImport:list': (scope) => documents(scope, '', '_snapshot_imports'),
  '_system/frontend/components:list': (scope) =>
    scope.deployment.components.map((path) => ({
      id: path,
      name: path === '' ? null : (path.split('/').at(-1) ?? null),
      path,
      args: {},
      state: 'active',
    })),
  '_system/frontend/getSchemas:default': (scope) => ({
    active: scope.deployment.definition(scope.component)?.schema ?? null,
    inProgress: null,
  }),
};

export function isSystemPath(path: string): boolean {
  return path.startsWith('_system/');
}

/** Runs one of the functions the CLI and the dashboard expect of a backend. */
export function runSystemFunction(scope: SystemScope, path: string, args: Arguments): unknown {
  const known = FUNCTIONS[path] ?? FUNCTIONS[`${path}:default`];
  if (known === undefined) throw new FunctionError(`Could not find function for '${path}'.`);
  return known(scope, args);
}
