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

/** One table of `schema.export()`. */
export interface TableSchema {
  readonly tableName: string;
  readonly indexes: ReadonlyArray<{ readonly indexDescriptor: string; readonly fields: readonly string[] }>;
  readonly stagedDbIndexes?: ReadonlyArray<{
    readonly indexDescriptor: string;
    readonly fields: readonly string[];
  }>;
  readonly searchIndexes: readonly SearchIndex[];
  readonly vectorIndexes: readonly VectorIndex[];
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
