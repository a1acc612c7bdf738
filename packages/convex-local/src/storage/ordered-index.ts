import { type Bound, compareKeys, compareToBound, type Key, type KeyRange } from './value-order.ts';

/** Entries kept in key order, in chunks short enough that an insertion moves little memory. */
export class OrderedIndex<T> {
  static readonly #chunkLimit = 512;
  #chunks: Array<Array<readonly [Key, T]>> = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Builds the index from unordered entries: one sort is far cheaper than as many insertions. */
  static from<T>(entries: Array<readonly [Key, T]>): OrderedIndex<T> {
    const index = new OrderedIndex<T>();
    entries.sort((a, b) => compareKeys(a[0], b[0]));
    const step = OrderedIndex.#chunkLimit / 2;
    for (let i = 0; i < entries.length; i += step) index.#chunks.push(entries.slice(i, i + step));
    index.#size = entries.length;
    return index;
  }

  insert(key: Key, value: T): void {
    this.#size++;
    const [c, i] = this.#seek((entry) => compareKeys(entry, key) < 0);
    const chunk = this.#chunks[c] ?? this.#chunks.at(-1);
    if (chunk === undefined) {
      this.#chunks.push([[key, value]]);
      return;
    }
    const at = this.#chunks[c] === undefined ? chunk.length : i;
    chunk.splice(at, 0, [key, value]);
    if (chunk.length > OrderedIndex.#chunkLimit) {
      const place = this.#chunks.indexOf(chunk);
      this.#chunks.splice(place + 1, 0, chunk.splice(chunk.length >> 1));
    }
  }

  delete(key: Key): boolean {
    const [c, i] = this.#seek((entry) => compareKeys(entry, key) < 0);
    const chunk = this.#chunks[c];
    const entry = chunk?.[i];
    if (chunk === undefined || entry === undefined || compareKeys(entry[0], key) !== 0) return false;
    chunk.splice(i, 1);
    if (chunk.length === 0) this.#chunks.splice(c, 1);
    this.#size--;
    return true;
  }

  /** The first entry after the bound. */
  firstAfter(bound: Bound): readonly [Key, T] | undefined {
    const [c, i] = this.#seek((entry) => compareToBound(entry, bound) < 0);
    return this.#chunks[c]?.[i];
  }

  /** The last entry before the bound. */
  lastBefore(bound: Bound): readonly [Key, T] | undefined {
    const [c, i] = this.#seek((entry) => compareToBound(entry, bound) < 0);
    if (i > 0) return this.#chunks[c]?.[i - 1];
    return this.#chunks[c - 1]?.at(-1);
  }

  /** The entries of a range in order, read in batches so that changes between two steps are seen. */
  *entries(range: KeyRange, order: 'asc' | 'desc' = 'asc'): Generator<readonly [Key, T]> {
    let { low, high } = range;
    for (;;) {
      const entry = order === 'asc' ? this.firstAfter(low) : this.lastBefore(high);
      if (entry === undefined) return;
      if (order === 'asc' ? compareToBound(entry[0], high) > 0 : compareToBound(entry[0], low) < 0) return;
      yield entry;
      if (order === 'asc') low = { prefix: entry[0], after: true };
      else high = { prefix: entry[0], after: false };
    }
  }

  /** The place of the first entry that is not `before`. */
  #seek(before: (key: Key) => boolean): [chunk: number, index: number] {
    let from = 0;
    let to = this.#chunks.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (before(this.#chunks[middle]!.at(-1)![0])) from = middle + 1;
      else to = middle;
    }
    const chunk = this.#chunks[from];
    if (chunk === undefined) return [from, 0];
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(chunk[middle]![0])) low = middle + 1;
      else high = middle;
    }
    return [from, low];
  }
}
