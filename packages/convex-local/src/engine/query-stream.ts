import type { StoredDocument } from '../storage/document.ts';
import type { Store } from '../storage/store.ts';
import { compareToBound, EVERYTHING, type Key, type KeyRange } from '../storage/value-order.ts';
import { documentSize } from './document-rules.ts';
import { evaluate, literal } from './filter-expression.ts';
import { FunctionError } from './function-error.ts';
import type { ReadSet, TableRead } from './read-set.ts';
import { isStaged, missingIndex, type TableSchema } from './schema.ts';

type RangeStep = {
  readonly type: 'Eq' | 'Gt' | 'Gte' | 'Lt' | 'Lte';
  readonly fieldPath: string;
  readonly value: unknown;
};

/** A query as the `convex` package serialises it. */
export interface SerializedQuery {
  readonly source:
    | { readonly type: 'FullTableScan'; readonly tableName: string; readonly order: 'asc' | 'desc' | null }
    | {
        readonly type: 'IndexRange';
        readonly indexName: string;
        readonly range: readonly RangeStep[];
        readonly order: 'asc' | 'desc' | null;
      }
    | {
        readonly type: 'Search';
        readonly indexName: string;
        readonly filters: ReadonlyArray<
          | { readonly type: 'Search'; readonly fieldPath: string; readonly value: string }
          | { readonly type: 'Eq'; readonly fieldPath: string; readonly value: unknown }
        >;
      };
  readonly operators: ReadonlyArray<{ readonly filter?: unknown; readonly limit?: number }>;
}

export interface QueryScope {
  readonly store: Store;
  readonly component: string;
  readonly reads: ReadSet;
  /** Charged for each document that is read; throws beyond the transaction's limits. */
  charge(document: StoredDocument): void;
  schemaOf(table: string): TableSchema | undefined;
}

/** Turns `.eq().gt()` into bounds of the index's keys, refusing what the index cannot answer. */
function indexRange(fields: readonly string[], steps: readonly RangeStep[], name: string): KeyRange {
  const wanted = [...fields, '_creationTime', '_id'];
  const prefix = [];
  let at = 0;
  while (steps[at]?.type === 'Eq') {
    const step = steps[at]!;
    if (wanted[at] !== step.fieldPath) throw outOfOrder(name, wanted, step.fieldPath, at);
    prefix.push(literal(step.value));
    at++;
  }
  let low = { prefix, after: false };
  let high = { prefix, after: true };
  for (const step of steps.slice(at)) {
    if (wanted[at] !== step.fieldPath) throw outOfOrder(name, wanted, step.fieldPath, at);
    const bounded = [...prefix, literal(step.value)];
    if (step.type === 'Gt') low = { prefix: bounded, after: true };
    else if (step.type === 'Gte') low = { prefix: bounded, after: false };
    else if (step.type === 'Lt') high = { prefix: bounded, after: false };
    else if (step.type === 'Lte') high = { prefix: bounded, after: true };
    else throw new FunctionError(`Index ${name}: an equality cannot follow an inequality.`);
  }
  return { low, high };
}

function outOfOrder(name: string, fields: readonly string[], field: string, at: number): FunctionError {
  return new FunctionError(
    `Tried to query index ${name} but the query didn't use the index fields in order.\nIndex fields: ` +
      `${JSON.stringify(fields.slice(0, -1))}\nQuery fields: ${JSON.stringify([...fields.slice(0, at), field])}\n` +
      'First incorrect field: ' +
      field,
  );
}

/** Where a query stands: it can be advanced, and continued later from its position. */
export class QueryStream {
  readonly #scope: QueryScope;
  readonly #query: SerializedQuery;
  readonly #order: 'asc' | 'desc';
  readonly #table: string;
  readonly #index: string;
  readonly #read: TableRead;
  readonly #limit: number;
  #range: KeyRange;
  #position: Key | undefined;
  #returned = 0;
  /** Bytes of the document looked at last. */
  lastSize = 0;
  #done = false;

  constructor(scope: QueryScope, query: SerializedQuery, bounds: { after?: Key; until?: Key | null } = {}) {
    this.#scope = scope;
    this.#query = query;
    const { source } = query;
    if (source.type === 'Search') throw new FunctionError('A search is no stream');
    this.#order = source.order ?? 'asc';
    if (source.type === 'FullTableScan') {
      this.#table = source.tableName;
      this.#index = 'by_creation_time';
      this.#range = EVERYTHING;
    } else {
      const dot = source.indexName.indexOf('.');
      this.#table = source.indexName.slice(0, dot);
      this.#index = source.indexName.slice(dot + 1);
      this.#range = this.#resolveRange(source.range, source.indexName);
    }
    this.#limit = Math.min(Number.POSITIVE_INFINITY, ...query.operators.flatMap(({ limit }) => limit ?? []));
    if (bounds.after !== undefined) this.#startAfter(bounds.after);
    if (bounds.until != null) this.#stopAt(bounds.until);
    this.#read = scope.reads.add(scope.component, this.#table, {
      index: this.#index,
      range: this.#emptyRange(),
    });
  }

  #resolveRange(steps: readonly RangeStep[], name: string): KeyRange {
    const table = this.#scope.store.table(this.#scope.component, this.#table);
    const index = table?.indexes.get(this.#index);
    if (index === undefined || isStaged(this.#scope.schemaOf(this.#table), this.#index)) {
      if (this.#index === 'by_creation_time' || this.#index === 'by_id') return EVERYTHING;
      throw new FunctionError(missingIndex(this.#scope.schemaOf(this.#table), name));
    }
    const fields = this.#index === 'by_id' ? [] : index.fields;
    return this.#index === 'by_id' ? byIdRange(steps) : indexRange(fields, steps, name);
  }

  #startAfter(key: Key): void {
    if (this.#order === 'asc') this.#range = { ...this.#range, low: { prefix: key, after: true } };
    else this.#range = { ...this.#range, high: { prefix: key, after: false } };
  }

  /** Ends the stream with `key` itself. */
  #stopAt(key: Key): void {
    if (this.#order === 'asc') this.#range = { ...this.#range, high: { prefix: key, after: true } };
    else this.#range = { ...this.#range, low: { prefix: key, after: false } };
  }

  #emptyRange(): KeyRange {
    const { low, high } = this.#range;
    return this.#order === 'asc' ? { low, high: low } : { low: high, high };
  }

  /** The key of the last document looked at, for a cursor. */
  get position(): Key | undefined {
    return this.#position;
  }

  get done(): boolean {
    return this.#done;
  }

  /** The next document that passes the filters; undefined at the end. */
  next(): StoredDocument | undefined {
    for (;;) {
      const document = this.step();
      if (document === undefined) return undefined;
      if (document !== null) return document;
    }
  }

  /** One document further: the document, null where a filter drops it, undefined at the end. */
  step(): StoredDocument | null | undefined {
    if (this.#done || this.#returned >= this.#limit) return undefined;
    const entry = this.#advance();
    if (entry === undefined) {
      this.#done = true;
      this.#read.range = this.#range;
      return undefined;
    }
    const [key, document] = entry;
    this.#position = key;
    this.#read.range =
      this.#order === 'asc'
        ? { low: this.#range.low, high: { prefix: key, after: true } }
        : { low: { prefix: key, after: false }, high: this.#range.high };
    this.#scope.charge(document);
    this.lastSize = documentSize(document);
    for (const { filter } of this.#query.operators) {
      if (filter !== undefined && evaluate(filter, document) !== true) return null;
    }
    this.#returned++;
    return document;
  }

  #advance(): readonly [Key, StoredDocument] | undefined {
    const index = this.#scope.store.table(this.#scope.component, this.#table)?.indexes.get(this.#index);
    if (index === undefined) return undefined;
    const { low, high } = this.#range;
    if (this.#order === 'asc') {
      const from = this.#position === undefined ? low : { prefix: this.#position, after: true };
      const entry = index.entries.firstAfter(from);
      return entry !== undefined && compareToBound(entry[0], high) < 0 ? entry : undefined;
    }
    const from = this.#position === undefined ? high : { prefix: this.#position, after: false };
    const entry = index.entries.lastBefore(from);
    return entry !== undefined && compareToBound(entry[0], low) > 0 ? entry : undefined;
  }
}

function byIdRange(steps: readonly RangeStep[]): KeyRange {
  const field = steps.find(({ fieldPath }) => fieldPath !== '_id')?.fieldPath;
  if (field !== undefined) throw outOfOrder('by_id', ['_id', '_creationTime'], field, 0);
  return indexRange(['_id'], steps, 'by_id');
}
