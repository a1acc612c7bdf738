import { fieldAt } from '../storage/document.ts';
import type { Store } from '../storage/store.ts';
import type { VectorQuery } from './action-scope.ts';
import type { Deployment } from './deployment.ts';
import { evaluate } from './filter-expression.ts';
import { FunctionError } from './function-error.ts';
import { missingIndex } from './schema.ts';

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 256;

function cosine(a: readonly number[], b: readonly number[]): number {
  let dot = 0;
  let lengthA = 0;
  let lengthB = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    lengthA += a[i]! * a[i]!;
    lengthB += b[i]! * b[i]!;
  }
  return lengthA === 0 || lengthB === 0 ? 0 : dot / Math.sqrt(lengthA * lengthB);
}

/** The documents whose vector is nearest by angle, nearest first. */
export function searchVectors(
  store: Store,
  deployment: Deployment,
  component: string,
  query: VectorQuery,
): { results: Array<{ _id: string; _score: number }> } {
  const dot = query.indexName.indexOf('.');
  const name = query.indexName.slice(0, dot);
  const schema = deployment.schema(component)?.tables.find(({ tableName }) => tableName === name);
  const index = schema?.vectorIndexes.find(
    ({ indexDescriptor }) => indexDescriptor === query.indexName.slice(dot + 1),
  );
  if (index === undefined) throw new FunctionError(missingIndex(schema, query.indexName));
  if (query.vector.length !== index.dimensions) {
    throw new FunctionError(
      `Vector has ${query.vector.length} dimensions, but ${query.indexName} has ${index.dimensions}.`,
    );
  }
  const limit = query.limit ?? DEFAULT_LIMIT;
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new FunctionError(`Vector queries require a limit between 1 and ${MAX_LIMIT}, not ${limit}.`);
  }
  const path = index.vectorField.split('.');
  const results: Array<{ _id: string; _score: number }> = [];
  for (const document of store.table(component, name)?.documents.values() ?? []) {
    const vector = fieldAt(document, path);
    if (!Array.isArray(vector) || vector.length !== index.dimensions) continue;
    if (query.expressions !== null && evaluate(query.expressions, document) !== true) continue;
    results.push({ _id: document._id, _score: cosine(vector as number[], query.vector) });
  }
  results.sort((a, b) => b._score - a._score);
  return { results: results.slice(0, limit) };
}
