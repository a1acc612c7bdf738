/** Undoes one thing; told whether something before it could not be undone. */
type Release = (failed: boolean) => Promise<void> | void;

/** Things to undo, in the reverse of the order in which they were done. */
export class Releasers {
  readonly #stack: { readonly name: string; readonly release: Release }[] = [];

  push(name: string, release: Release): void {
    this.#stack.push({ name, release });
  }

  /** Undoes everything, also after a failure on the way; throws the first failure at the end. */
  async release(): Promise<void> {
    const failures: unknown[] = [];
    for (let entry = this.#stack.pop(); entry; entry = this.#stack.pop()) {
      try {
        await entry.release(failures.length > 0);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
