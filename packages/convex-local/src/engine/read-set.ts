import type { Table, Write } from '../storage/store.ts';
import { inRange, type KeyRange } from '../storage/value-order.ts';

export interface TableRead {
  readonly index: string;
  /** Narrowed by a query that stopped early. */
  range: KeyRange;
}

/** Identifies a table before it exists, too. */
export function tableKey(component: string, name: string): string {
  return `${component}\n${name}`;
}

/** The index ranges a function looked at; a write outside them cannot change its result. */
export class ReadSet {
  readonly #tables = new Map<string, TableRead[]>();
  /** The result depends on who asked. */
  identity = false;
  /** The result depends on the clock and is not to be shared for long. */
  time = false;

  add(component: string, table: string, read: TableRead): TableRead {
    const key = tableKey(component, table);
    const reads = this.#tables.get(key);
    if (reads === undefined) this.#tables.set(key, [read]);
    else reads.push(read);
    return read;
  }

  get tables(): Iterable<string> {
    return this.#tables.keys();
  }

  touches(write: Write): boolean {
    const reads = this.#tables.get(tableKey(write.table.component, write.table.name));
    return reads?.some((read) => hits(write.table, write, read)) ?? false;
  }
}

function hits(table: Table, write: Write, read: TableRead): boolean {
  const index = table.indexes.get(read.index);
  // An index that is gone, or that the table got only now: the result must be computed again.
  if (index === undefined) return true;
  return (
    (write.before !== undefined && inRange(index.key(write.before), read.range)) ||
    (write.after !== undefined && inRange(index.key(write.after), read.range))
  );
}
