import { fieldAt, type StoredDocument } from '../storage/store.ts';
import { compareParts, EVERYTHING } from '../storage/value-order.ts';
import { evaluate, literal } from './filter-expression.ts';
import { FunctionError } from './function-error.ts';
import type { QueryScope, SerializedQuery } from './query-stream.ts';
import { missingIndex } from './schema.ts';

const MAX_RESULTS = 1024;
const MAX_QUERY_TERMS = 16;

/** Words, lower case, as Convex's tokenizer splits them: at everything that is no letter or digit. */
function tokenize(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => word.length <= 32);
}

/** How well a document's words answer a query's; 0 where they do not. The last word of a query may be a prefix. */
function score(words: readonly string[], terms: readonly string[], weights: readonly number[]): number {
  const k = 1.2;
  let total = 0;
  for (const [i, term] of terms.entries()) {
    const prefix = i === terms.length - 1;
    let exact = 0;
    let partial = 0;
    for (const word of words) {
      if (word === term) exact++;
      else if (prefix && word.startsWith(term)) partial++;
    }
    const frequency = exact + partial / 2;
    if (frequency === 0) continue;
    total += weights[i]! * ((frequency * (k + 1)) / (frequency + k * (0.25 + 0.75 * (words.length / 20))));
  }
  return total;
}

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
  const terms = tokenize(search[0]!.value as string).slice(0, MAX_QUERY_TERMS);
  const candidates = candidatesOf(scope, name, index.searchField, equalities);
  const weights = terms.map((term, i) => {
    const prefix = i === terms.length - 1;
    const matching = candidates.filter(({ words }) =>
      words.some((word) => word === term || (prefix && word.startsWith(term))),
    );
    return Math.log(1 + (candidates.length - matching.length + 0.5) / (matching.length + 0.5));
  });
  const limit = Math.min(MAX_RESULTS, ...query.operators.flatMap(({ limit }) => limit ?? []));
  return candidates
    .map((candidate) => ({ ...candidate, score: score(candidate.words, terms, weights) }))
    .filter((candidate) => candidate.score > 0)
    .sort((a, b) => b.score - a.score || b.document._creationTime - a.document._creationTime)
    .map(({ document }) => document)
    .filter((document) =>
      query.operators.every(({ filter }) => filter === undefined || evaluate(filter, document) === true),
    )
    .slice(0, limit)
    .map((document) => {
      scope.charge(document);
      return document;
    });
}

function candidatesOf(
  scope: QueryScope,
  name: string,
  field: string,
  equalities: ReadonlyArray<{ fieldPath: string; value: unknown }>,
): Array<{ document: StoredDocument; words: string[] }> {
  const table = scope.store.table(scope.component, name);
  const wanted = equalities.map(({ fieldPath, value }) => [fieldPath.split('.'), literal(value)] as const);
  const path = field.split('.');
  return [...(table?.documents.values() ?? [])].flatMap((document) => {
    if (!wanted.every(([at, value]) => compareParts(fieldAt(document, at), value) === 0)) return [];
    const text = fieldAt(document, path);
    return typeof text === 'string' ? [{ document, words: tokenize(text) }] : [];
  });
}
