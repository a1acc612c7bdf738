/** Sets by key; a key without values takes no room. */
export class MultiMap<K, V> {
  readonly #sets = new Map<K, Set<V>>();

  add(key: K, value: V): void {
    const known = this.#sets.get(key);
    if (known === undefined) this.#sets.set(key, new Set([value]));
    else known.add(value);
  }

  /** Removes a value; true where it was the last of its key. */
  delete(key: K, value: V): boolean {
    const known = this.#sets.get(key);
    if (known?.delete(value) !== true || known.size > 0) return false;
    return this.#sets.delete(key);
  }

  get(key: K): Iterable<V> {
    return this.#sets.get(key) ?? [];
  }

  clear(): void {
    this.#sets.clear();
  }
}
