/** At most `size` holders at a time; the others wait in line. */
export class Semaphore {
  readonly #size: number;
  readonly #waiting: (() => void)[] = [];
  #held = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Rejects with the signal's reason when it aborts before there is room. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#held < this.#size) this.#held++;
    else await this.#turn(signal);
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        const next = this.#waiting.shift();
        // The place goes to the next in line without becoming free in between.
        if (next) next();
        else this.#held--;
      },
    };
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal?.reason);
      };
      const enter = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      this.#waiting.push(enter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}
