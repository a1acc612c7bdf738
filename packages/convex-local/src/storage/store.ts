import { fieldAt, type StoredDocument } from './document.ts';
import { newDocumentId, tableNumberOf } from './document-id.ts';
import { OrderedIndex } from './ordered-index.ts';
import { TextIndex } from './text-index.ts';
import type { Key, KeyPart } from './value-order.ts';

export interface IndexDefinition {
  readonly name: string;
  readonly fields: readonly string[];
}

class TableIndex {
  readonly fields: readonly string[];
  readonly #paths: ReadonlyArray<readonly string[]>;
  entries = new OrderedIndex<StoredDocument>();

  constructor(fields: readonly string[]) {
    this.fields = fields;
    this.#paths = fields.map((field) => field.split('.'));
  }

  key(document: StoredDocument): Key {
    const key: KeyPart[] = this.#paths.map((path) => fieldAt(document, path));
    key.push(document._creationTime, document._id);
    return key;
  }
}

export interface TableAddress {
  /** Path of the component that owns the table; the app itself is the empty path. */
  readonly component: string;
  readonly name: string;
  /** The number in the ids of its documents; each component counts its own tables. */
  readonly number: number;
  /** The key in the log, unique in the whole store. */
  readonly tablet: number;
}

export class Table implements TableAddress {
  readonly component: string;
  readonly name: string;
  readonly number: number;
  readonly tablet: number;
  readonly documents = new Map<string, StoredDocument>();
  readonly indexes = new Map<string, TableIndex>([
    ['by_creation_time', new TableIndex([])],
    ['by_id', new TableIndex(['_id'])],
  ]);

  /** Indexes of words, by name. */
  readonly textIndexes = new Map<string, TextIndex>();

  constructor(address: TableAddress) {
    this.component = address.component;
    this.name = address.name;
    this.number = address.number;
    this.tablet = address.tablet;
  }
}

/** One changed document of a commit. */
export interface Write {
  readonly table: Table;
  readonly id: string;
  readonly before: StoredDocument | undefined;
  readonly after: StoredDocument | undefined;
}

/** Number of the first table a person makes; the numbers below belong to system tables. */
const FIRST_USER_TABLE = 10_001;

/** Tables every component has, under the same numbers, so that an id of one is sound (and unknown) in another. */
const SYSTEM_TABLES: ReadonlyMap<string, number> = new Map([
  ['_scheduled_functions', 27],
  ['_storage', 33],
]);

/**
 * All documents in memory, with ordered indexes. Changes apply at once and are undone on `rollback`: commits are
 * serial, so nobody else sees a transaction that is under way.
 */
export class Store {
  /** By tablet. */
  readonly tables = new Map<number, Table>();
  readonly #byNumber = new Map<string, Table>();
  readonly #byName = new Map<string, Table>();
  #undo: Write[] = [];
  #created: Table[] = [];
  readonly #nextNumber = new Map<string, number>();
  #nextTablet = 1;
  #lastCreationTime = 0;
  /** While documents are loaded in bulk, indexes wait for `buildIndexes`. */
  #loading = false;

  table(component: string, name: string): Table | undefined {
    return this.#byName.get(`${component}\n${name}`);
  }

  /** The table, made when it is not there yet. */
  ensureTable(component: string, name: string, numbers?: { number: number; tablet: number }): Table {
    const known = this.table(component, name);
    if (known !== undefined) return known;
    const next = this.#nextNumber.get(component) ?? FIRST_USER_TABLE;
    const number = numbers?.number ?? SYSTEM_TABLES.get(name) ?? next;
    const table = new Table({ component, name, number, tablet: numbers?.tablet ?? this.#nextTablet });
    if (number >= next) this.#nextNumber.set(component, number + 1);
    this.#nextTablet = Math.max(this.#nextTablet, table.tablet + 1);
    this.tables.set(table.tablet, table);
    this.#byNumber.set(`${component}\n${number}`, table);
    this.#byName.set(`${component}\n${name}`, table);
    this.#created.push(table);
    return table;
  }

  /** Makes a table with the number that the ids of its documents carry, where no other table has it. */
  createTable(component: string, name: string, number: number | undefined): Table {
    const free =
      number !== undefined && number >= FIRST_USER_TABLE && !this.#byNumber.has(`${component}\n${number}`);
    return this.ensureTable(component, name, free ? { number, tablet: this.#nextTablet } : undefined);
  }

  dropTable(table: Table): void {
    this.tables.delete(table.tablet);
    this.#byNumber.delete(`${table.component}\n${table.number}`);
    this.#byName.delete(`${table.component}\n${table.name}`);
  }

  /** The table an id belongs to, seen from a component; a system table is made when it is first spoken of. */
  tableOf(component: string, id: string): Table | undefined {
    const number = tableNumberOf(id);
    if (number === null) return undefined;
    const known = this.#byNumber.get(`${component}\n${number}`);
    if (known !== undefined) return known;
    const system = [...SYSTEM_TABLES].find(([, systemNumber]) => systemNumber === number);
    return system === undefined ? undefined : this.ensureTable(component, system[0]);
  }

  /** Creation times grow strictly, so that they order documents. Milliseconds, with a fraction. */
  nextCreationTime(now: number): number {
    this.#lastCreationTime = Math.max(now, this.#lastCreationTime + 1 / 4096);
    return this.#lastCreationTime;
  }

  insert(table: Table, fields: Record<string, unknown>, now: number): string {
    const id = newDocumentId(table.number);
    this.put(table, { ...fields, _creationTime: this.nextCreationTime(now), _id: id });
    return id;
  }

  put(table: Table, document: StoredDocument): void {
    this.#write(table, document._id, document);
  }

  remove(table: Table, id: string): void {
    this.#write(table, id, undefined);
  }

  #write(table: Table, id: string, after: StoredDocument | undefined): void {
    const before = table.documents.get(id);
    if (!this.#loading) this.#undo.push({ table, id, before, after });
    this.#apply(table, id, before, after);
  }

  #apply(
    table: Table,
    id: string,
    before: StoredDocument | undefined,
    after: StoredDocument | undefined,
  ): void {
    if (after === undefined) table.documents.delete(id);
    else table.documents.set(id, after);
    if (this.#loading) return;
    for (const index of table.indexes.values()) {
      if (before !== undefined) index.entries.delete(index.key(before));
      if (after !== undefined) index.entries.insert(index.key(after), after);
    }
    for (const index of table.textIndexes.values()) {
      if (before !== undefined) index.remove(before);
      if (after !== undefined) index.add(after);
    }
  }

  /** Takes commits back, newest first, and does them again afterwards: between, the store is as it was. */
  async asBefore<T>(commits: ReadonlyArray<readonly Write[]>, action: () => Promise<T>): Promise<T> {
    for (const writes of commits.toReversed()) {
      for (const { table, id, before, after } of writes) this.#apply(table, id, after, before);
    }
    try {
      return await action();
    } finally {
      for (const writes of commits) {
        for (const { table, id, before, after } of writes) this.#apply(table, id, before, after);
      }
    }
  }

  /** A mark to roll back to. */
  savepoint(): number {
    return this.#undo.length;
  }

  rollbackTo(savepoint: number): void {
    while (this.#undo.length > savepoint) {
      const { table, id, before, after } = this.#undo.pop()!;
      this.#apply(table, id, after, before);
    }
  }

  /** Undoes the whole transaction. */
  rollback(): void {
    this.rollbackTo(0);
    for (const table of this.#created) if (table.documents.size === 0) this.dropTable(table);
    this.#created = [];
  }

  /** How many documents the open transaction has written. */
  get pendingWrites(): number {
    return this.#undo.length;
  }

  /** The net effect of the open transaction: one write for each document that changed. */
  changes(): { writes: Write[]; created: Table[] } {
    const net = new Map<string, Write>();
    for (const write of this.#undo) {
      const first = net.get(write.id);
      net.set(write.id, first === undefined ? write : { ...write, before: first.before });
    }
    return {
      writes: [...net.values()].filter(({ before, after }) => before !== after),
      created: this.#created,
    };
  }

  /** Ends the transaction: from here on it cannot be undone. */
  commit(): void {
    this.#undo = [];
    this.#created = [];
  }

  /** Makes the table's indexes those given besides Convex's own; new ones are filled from the documents. */
  defineIndexes(table: Table, definitions: readonly IndexDefinition[]): void {
    const wanted = new Map(definitions.map((definition) => [definition.name, definition]));
    for (const name of table.indexes.keys()) {
      if (name !== 'by_creation_time' && name !== 'by_id' && !wanted.has(name)) table.indexes.delete(name);
    }
    for (const { name, fields } of wanted.values()) {
      const known = table.indexes.get(name);
      if (known !== undefined && known.fields.join() === fields.join()) continue;
      const index = new TableIndex(fields);
      fill(index, table);
      table.indexes.set(name, index);
    }
  }

  /** The same for indexes of words: the name of each, and the field it reads. */
  defineTextIndexes(table: Table, definitions: ReadonlyMap<string, string>): void {
    for (const name of table.textIndexes.keys()) if (!definitions.has(name)) table.textIndexes.delete(name);
    for (const [name, field] of definitions) {
      if (table.textIndexes.get(name)?.field === field) continue;
      table.textIndexes.set(name, new TextIndex(field, table.documents.values()));
    }
  }

  /** Fills indexes of words for some milliseconds. Returns whether all are filled. */
  fillTextIndexes(budgetMs: number): boolean {
    for (const { textIndexes } of this.tables.values()) {
      for (const index of textIndexes.values()) if (!index.fill(budgetMs)) return false;
    }
    return true;
  }

  /** Loads documents without indexing each, then builds every index at once. */
  load(action: (store: Store) => void): void {
    this.#loading = true;
    try {
      action(this);
    } finally {
      this.#loading = false;
    }
    this.#created = [];
    for (const table of this.tables.values()) {
      for (const index of table.indexes.values()) fill(index, table);
      for (const { _creationTime } of table.documents.values()) {
        if (_creationTime > this.#lastCreationTime) this.#lastCreationTime = _creationTime;
      }
    }
  }
}

function fill(index: TableIndex, table: Table): void {
  const entries = Array.from(
    table.documents.values(),
    (document) => [index.key(document), document] as const,
  );
  index.entries = OrderedIndex.from(entries);
}
