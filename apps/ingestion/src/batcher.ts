export interface BatcherOptions<Item, Result> {
  /** Works on several items as one; gives a result per item, in order. All or nothing. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Most that one batch may weigh; a single item may weigh more. */
  readonly capacity: number;
  readonly weigh?: (item: Item) => number;
  /** True for failures, such as outages, that no single item is to blame for: all of the batch fail with them. */
  readonly isShared?: (error: unknown) => boolean;
}

interface Entry<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: while one batch runs, the next gathers, so a transaction's cost is shared by all that came in the
 * meantime and an idle system waits for nothing. When a batch fails because of one of them, its items are tried one by one.
 */
export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  #waiting: Entry<Item, Result>[] = [];
  #running: Promise<void> | undefined;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#running ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // What is added in the same turn of the event loop belongs together.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#runBatch(this.#take());
    this.#running = undefined;
  }

  async #runBatch(batch: readonly Entry<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      if (batch.length === 1 || this.#options.isShared?.(error))
        for (const { reject } of batch) reject(error);
      else for (const entry of batch) await this.#runBatch([entry]);
    }
  }

  #take(): Entry<Item, Result>[] {
    const { capacity, weigh } = this.#options;
    let weight = 0;
    let count = 0;
    for (const { item } of this.#waiting) {
      weight += weigh?.(item) ?? 1;
      if (count > 0 && weight > capacity) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}
