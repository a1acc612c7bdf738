import { fieldAt, type StoredDocument } from '../storage/document.ts';
import { tokenize } from '../storage/text-index.ts';
import { compareParts, EVERYTHING } from '../storage/value-order.ts';
import { evaluate, literal } from './filter-expression.ts';
import { FunctionError } from './function-error.ts';
import type { QueryScope, SerializedQuery } from './query-stream.ts';
import { missingIndex } from './schema.ts';

const MAX_RESULTS = 1024;
const MAX_QUERY_TERMS = 16;

/** Runs a full-text search: the documents in order of relevance, the newer one first where two are alike. */
export function runSearch(scope: QueryScope, query: SerializedQuery): StoredDocument[] {
  const { source } = query;
  if (source.type !== 'Search') throw new FunctionError('Not a search query');
  const dot = source.indexName.indexOf('.');
  const name = source.indexName.slice(0, dot);
  const index = scope
    .schemaOf(name)
    ?.searchIndexes.find(({ indexDescriptor }) => indexDescriptor === source.indexName.slice(dot + 1));
  if (index === undefined) {
    throw new FunctionError(missingIndex(scope.schemaOf(name), source.indexName));
  }
  const search = source.filters.filter(({ type }) => type === 'Search');
  if (search.length !== 1 || search[0]!.fieldPath !== index.searchField) {
    throw new FunctionError(
      `Search query against ${source.indexName} does not contain a search filter on its search field ` +
        `"${index.searchField}".`,
    );
  }
  const equalities = source.filters.filter(({ type }) => type === 'Eq');
  for (const { fieldPath } of equalities) {
    if (!index.filterFields.includes(fieldPath)) {
      throw new FunctionError(
        `Search query against ${source.indexName} contains a filter on "${fieldPath}" but that field isn't indexed ` +
          "for filtering in the index's `filterFields`.",
      );
    }
  }
  scope.reads.add(scope.component, name, { index: 'by_creation_time', range: EVERYTHING });
  const words = tokenize(search[0]!.value as string).slice(0, MAX_QUERY_TERMS);
  const texts = scope.store.table(scope.component, name)?.textIndexes.get(index.indexDescriptor);
  const wanted = equalities.map(({ fieldPath, value }) => [fieldPath.split('.'), literal(value)] as const);
  const found = texts?.search(words, MAX_RESULTS, (document) =>
    wanted.every(([at, value]) => compareParts(fieldAt(document, at), value) === 0),
  );
  const limit = Math.min(MAX_RESULTS, ...query.operators.flatMap(({ limit }) => limit ?? []));
  return (found ?? [])
    .filter((document) =>
      query.operators.every(({ filter }) => filter === undefined || evaluate(filter, document) === true),
    )
    .slice(0, limit)
    .map((document) => {
      scope.charge(document);
      return document;
    });
}
