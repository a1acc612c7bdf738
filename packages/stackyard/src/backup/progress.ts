/** Bytes that a reader stays behind: who reads what is just being written is in the writer's way. */
const distance = 32 * 1024 ** 2;

/** How far somebody has come who writes files one after the other; a thread that reads them waits for more. */
export class Progress {
  readonly memory: SharedArrayBuffer;
  /** Files that are complete, bytes of the one after these, and a count of changes to wait for. */
  readonly #cells: BigInt64Array<SharedArrayBuffer>;

  constructor(memory = new SharedArrayBuffer(3 * 8)) {
    this.memory = memory;
    this.#cells = new BigInt64Array(memory);
  }

  /** More of the current file is there. */
  wrote(bytes: number): void {
    Atomics.add(this.#cells, 1, BigInt(bytes));
    this.#changed();
  }

  /** The current file is complete, or will not come. */
  finished(): void {
    Atomics.add(this.#cells, 0, 1n);
    Atomics.store(this.#cells, 1, 0n);
    this.#changed();
  }

  /** Waits, in its thread, until a file has plenty to read after `done` bytes, or is complete. */
  waitFor(file: number, done: number): void {
    for (;;) {
      const change = Atomics.load(this.#cells, 2);
      if (Number(Atomics.load(this.#cells, 0)) > file) return;
      // If they are the next file's already, this one is complete.
      if (Number(Atomics.load(this.#cells, 1)) >= done + distance) return;
      Atomics.wait(this.#cells, 2, change, 100); // a thread that is to end looks up
    }
  }

  isComplete(file: number): boolean {
    return Number(Atomics.load(this.#cells, 0)) > file;
  }

  #changed(): void {
    Atomics.add(this.#cells, 2, 1n);
    Atomics.notify(this.#cells, 2);
  }
}
