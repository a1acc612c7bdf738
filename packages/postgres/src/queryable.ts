import type { ClientBase, QueryResult } from 'pg';
import { type CopyOptions, copyRows } from './copy.ts';
import { type InterruptOptions, interruptible } from './interrupt.ts';
import { PostgresError } from './postgres-error.ts';
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
   * `'school.person'`. A row is an array in the order of `columns`; objects and arrays inside become JSON and
   * PostgreSQL arrays.
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

/** The methods of a Queryable over a way to borrow a connection. */
export function queryableOver(lend: Lend, inTransaction: boolean): Queryable {
  const run = (
    statement: string | Statement,
    values: readonly unknown[] | undefined,
    options: QueryOptions | undefined,
  ): Promise<QueryResult> => {
    const text = typeof statement === 'string' ? statement : statement.text;
    const parameters = (typeof statement === 'string' ? values : statement.values) as unknown[] | undefined;
    return lend((client) => interruptible(client, () => client.query(text, parameters), options), options);
  };
  return {
    async query<R extends object>(
      statement: string | Statement,
      values?: readonly unknown[],
      options?: QueryOptions,
    ) {
      return (await run(statement, values, options)).rows as R[];
    },
    async one<R extends object>(
      statement: string | Statement,
      values?: readonly unknown[],
      options?: QueryOptions,
    ) {
      const { rows } = await run(statement, values, options);
      if (rows.length === 1) return rows[0] as R;
      throw new PostgresError('POSTGRES_ROW_COUNT', `Expected one row, and ${rows.length} came`, {
        hint: 'Use `query` where there may be none or several.',
      });
    },
    async execute(statement, values, options) {
      return (await run(statement, values, options)).rowCount ?? 0;
    },
    copyInto: (table, columns, rows, options) =>
      lend((client) => copyRows(client, { table, columns, rows }, inTransaction, options), options),
  };
}
