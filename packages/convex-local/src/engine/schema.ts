import type { ValidatorJSON } from 'convex/values';

export interface SearchIndex {
  readonly indexDescriptor: string;
  readonly searchField: string;
  readonly filterFields: readonly string[];
}

export interface VectorIndex {
  readonly indexDescriptor: string;
  readonly vectorField: string;
  readonly dimensions: number;
  readonly filterFields: readonly string[];
}

export interface DatabaseIndex {
  readonly indexDescriptor: string;
  readonly fields: readonly string[];
}

/** One table of `schema.export()`. Staged indexes are filled in the background on Convex, and not usable yet. */
export interface TableSchema {
  readonly tableName: string;
  readonly indexes: readonly DatabaseIndex[];
  readonly stagedDbIndexes?: readonly DatabaseIndex[];
  readonly searchIndexes: readonly SearchIndex[];
  readonly stagedSearchIndexes?: readonly SearchIndex[];
  readonly vectorIndexes: readonly VectorIndex[];
  readonly stagedVectorIndexes?: readonly VectorIndex[];
  readonly documentType: ValidatorJSON | null;
  /** False where the whole schema switched validation off. */
  readonly validated: boolean;
}

export interface Schema {
  readonly tables: readonly TableSchema[];
  readonly schemaValidation: boolean;
}

/** Reads what `defineSchema(...).export()` returns. */
export function parseSchema(json: string): Schema {
  const schema = JSON.parse(json) as { tables: TableSchema[]; schemaValidation: boolean };
  return {
    schemaValidation: schema.schemaValidation,
    tables: schema.tables.map((table) => ({
      ...table,
      searchIndexes: table.searchIndexes ?? [],
      vectorIndexes: table.vectorIndexes ?? [],
      validated: schema.schemaValidation,
    })),
  };
}

/** Whether an index is filled, and not to be used yet. */
export function isStaged(schema: TableSchema | undefined, name: string): boolean {
  const staged = [
    ...(schema?.stagedDbIndexes ?? []),
    ...(schema?.stagedSearchIndexes ?? []),
    ...(schema?.stagedVectorIndexes ?? []),
  ];
  return staged.some(({ indexDescriptor }) => indexDescriptor === name);
}

/** Why an index cannot be queried: it is staged, or not there. */
export function missingIndex(schema: TableSchema | undefined, fullName: string): string {
  return isStaged(schema, fullName.slice(fullName.indexOf('.') + 1))
    ? `Index ${fullName} is currently staged and not available to query until it is enabled`
    : `Index ${fullName} not found.`;
}
