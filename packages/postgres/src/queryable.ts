import type { ClientBase, QueryResult } from 'pg';
import { type CopyOptions, copyRows } from './copy.ts';
import { type InterruptOptions, interruptible } from './interrupt.ts';
import { PostgresError, rethrow } from './postgres-error.ts';
import type { Statement } from './statement.ts';

/** Passed to each query; `signal` and `timeoutMs` cancel it on the server. */
export type QueryOptions = InterruptOptions;

export type Row = Record<string, unknown>;

/** What a client and a transaction have in common. */
export interface Queryable {
  /** The rows of a statement. `Row` is the caller's word: nothing checks it. */
  query<R extends object = Row>(
    statement: string | Statement,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<R[]>;
  /** The only row of a statement. @throws PostgresError `POSTGRES_ROW_COUNT` when there is not exactly one. */
  one<R extends object = Row>(
    statement: string | Statement,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<R>;
  /** How many rows a statement changed. */
  execute(
    statement: string | Statement,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<number>;
  /**
   * Loads rows in bulk, through COPY where the server can, and returns how many. `table` may have a schema:
   * `'club.person'`. A row is an array in the order of `columns`; objects and arrays inside become JSON and
   * PostgreSQL arrays. In a transaction, `rows` must not wait for a statement of the same transaction: it would never
   * come, since the connection is taken.
   */
  copyInto(
    table: string,
    columns: readonly string[],
    rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>,
    options?: CopyOptions,
  ): Promise<number>;
}

/** Lends a connection for the time of `use`. */
export type Lend = <T>(use: (client: ClientBase) => Promise<T>, options?: QueryOptions) => Promise<T>;

/** Runs one statement that nobody will interrupt. */
export type Direct = (text: string, values: unknown[] | undefined) => Promise<QueryResult>;

export interface Access {
  readonly lend: Lend;
  /** The short way, on which most statements go; through `lend` where absent. */
  readonly direct?: Direct;
  readonly inTransaction: boolean;
}

/** The methods of a Queryable over a way to borrow a connection. */
export function queryableOver({ lend, direct, inTransaction }: Access): Queryable {
  const run = (
    statement: string | Statement,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult> => {
    const plain = typeof statement === 'string';
    const text = plain ? statement : statement.text;
    const parameters = (plain ? values : statement.values) as unknown[] | undefined;
    if (options === undefined && direct) return direct(text, parameters);
    return lend(
      (client) => interruptible(client, () => client.query(text, parameters).catch(rethrow), options),
      options,
    );
  };
  return {
    query: (statement, values, options) => run(statement, values, options).then(rowsOf) as Promise<never>,
    one: (statement, values, options) => run(statement, values, options).then(onlyRow) as Promise<never>,
    execute: (statement, values, options) =>
      run(statement, values, options).then((result) => last(result).rowCount ?? 0),
    copyInto: (table, columns, rows, options) =>
      lend((client) => copyRows(client, { table, columns, rows }, inTransaction, options), options),
  };
}

/** Of several statements in one text, the last one's result counts. */
function last(result: QueryResult): QueryResult {
  return Array.isArray(result) ? (result.at(-1) as QueryResult) : result;
}

function rowsOf(result: QueryResult): unknown[] {
  return last(result).rows;
}

function onlyRow(result: QueryResult): unknown {
  const rows = rowsOf(result);
  if (rows.length === 1) return rows[0];
  throw new PostgresError('POSTGRES_ROW_COUNT', `Expected one row, and ${rows.length} came`, {
    hint: 'Use `query` where there may be none or several.',
  });
}
