import { jsonToConvex } from 'convex/values';
import type { StoredDocument } from '../storage/document.ts';
import { FunctionError } from './function-error.ts';
import type { TableSchema } from './schema.ts';
import { type TableOfId, validate } from './validator.ts';

/** Convex's limits on one document. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;
const MAX_DEPTH = 64;
const MAX_ARRAY = 8192;
const MAX_FIELDS = 1024;

const sizes = new WeakMap<StoredDocument, number>();

function sizeOf(json: unknown): number {
  if (json === null || typeof json === 'boolean') return 1;
  if (typeof json === 'number') return 9;
  if (typeof json === 'string') return 2 + Buffer.byteLength(json);
  if (Array.isArray(json)) return json.reduce((sum: number, item) => sum + sizeOf(item), 2);
  const entries = Object.entries(json as Record<string, unknown>);
  if (entries[0]?.[0] === '$bytes') return 2 + ((entries[0][1] as string).length * 3) / 4;
  if (entries[0]?.[0].startsWith('$')) return 9;
  return entries.reduce((sum, [name, value]) => sum + name.length + 1 + sizeOf(value), 2);
}

/** Bytes a document counts for, by Convex's rules (about those of its encoding). */
export function documentSize(document: StoredDocument): number {
  let size = sizes.get(document);
  if (size === undefined) {
    size = sizeOf(document);
    sizes.set(document, size);
  }
  return size;
}

function checkShape(json: unknown, depth: number): void {
  if (typeof json !== 'object' || json === null) return;
  if (depth > MAX_DEPTH) {
    throw new FunctionError(`Document is too nested (nested more than ${MAX_DEPTH} levels deep)`);
  }
  if (Array.isArray(json)) {
    if (json.length > MAX_ARRAY) {
      throw new FunctionError(`Array length is too long (${json.length} > maximum length ${MAX_ARRAY})`);
    }
    for (const item of json) checkShape(item, depth + 1);
    return;
  }
  const entries = Object.entries(json);
  if (entries[0]?.[0].startsWith('$')) return void jsonToConvex(json as never);
  if (entries.length > MAX_FIELDS) {
    throw new FunctionError(`Object has too many fields (${entries.length} > maximum number ${MAX_FIELDS})`);
  }
  for (const [name, value] of entries) {
    if (name === '') throw new FunctionError('Field names must not be empty.');
    if (name.startsWith('_') && depth > 1) {
      throw new FunctionError(
        `Field name '${name}' starts with an underscore, which is only allowed for system fields like '_id'`,
      );
    }
    checkShape(value, depth + 1);
  }
}

/** Throws where a table cannot have this name, or belongs to Convex. */
export function checkTableName(name: string): void {
  if (name.startsWith('_')) throw new FunctionError('System tables (prefixed with `_`) are read-only.');
  if (!/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name)) {
    throw new FunctionError(
      `Invalid table name "${name}": it must begin with a letter, and hold up to 64 letters, digits and underscores.`,
    );
  }
}

/** The fields of a document that is to be written. */
export function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FunctionError('A document must be an object.');
  }
  return { ...value };
}

/** Throws where a top-level field has a name that belongs to Convex. */
export function checkFieldName(name: string): void {
  if (!name.startsWith('_') || name === '_id' || name === '_creationTime') return;
  throw new FunctionError(
    `Field name '${name}' starts with an underscore, which is only allowed for system fields like '_id'`,
  );
}

/** Throws where a document breaks Convex's limits, has a field of its own with `_`, or does not fit the schema. */
export function checkDocument(
  document: StoredDocument,
  table: string,
  schema: TableSchema | undefined,
  tableOf: TableOfId,
): void {
  for (const name of Object.keys(document)) checkFieldName(name);
  checkShape(document, 1);
  const size = documentSize(document);
  if (size > MAX_DOCUMENT_BYTES) {
    throw new FunctionError(
      `Value is too large (${(size / 1024 / 1024).toFixed(2)} MiB > maximum size 1 MiB)`,
    );
  }
  const problem = schemaProblem(document, schema, tableOf);
  if (problem !== undefined) {
    throw new FunctionError(
      `Failed to insert or update a document in table "${table}" because it does not match the schema: ${problem}`,
    );
  }
}

/** What of a document does not fit its table's schema. */
export function schemaProblem(
  document: StoredDocument,
  schema: TableSchema | undefined,
  tableOf: TableOfId,
): string | undefined {
  if (schema === undefined || !schema.validated || schema.documentType === null) return undefined;
  const { _id, _creationTime, ...fields } = document;
  return validate(schema.documentType, fields, tableOf);
}
