/** Things to undo, in the reverse of the order in which they were done. */
export class Releasers {
  readonly #stack: { readonly name: string; readonly release: () => Promise<void> | void }[] = [];

  push(name: string, release: () => Promise<void> | void): void {
    this.#stack.push({ name, release });
  }

  /** Undoes everything, also after a failure on the way; throws the first failure at the end. */
  async release(): Promise<void> {
    const failures: unknown[] = [];
    for (let entry = this.#stack.pop(); entry; entry = this.#stack.pop()) {
      try {
        await entry.release();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
