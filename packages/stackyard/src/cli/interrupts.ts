import { InterruptedError } from '../errors.ts';

/** One press of Ctrl-C may arrive more than once, by way of the terminal and of turbo: it counts once. */
const samePressMs = 400;

const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Ctrl-C and its kin, while a command has something to clean up. */
export class Interrupts implements Disposable {
  readonly #stop = new AbortController();
  readonly #hurry = new AbortController();
  #first = 0;
  readonly #onSignal = () => {
    const now = performance.now();
    if (!this.#stop.signal.aborted) {
      this.#first = now;
      this.#stop.abort();
    } else if (now - this.#first > samePressMs) this.#hurry.abort();
  };

  constructor() {
    for (const signal of signals) process.on(signal, this.#onSignal);
  }

  /** As the first Ctrl-C, for a reason other than a signal. */
  interrupt(): void {
    this.#stop.abort();
  }

  /** Aborted by the first signal: stop in order. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborted by the second: stop at once. */
  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  /** Resolves with the first signal. */
  get stopped(): Promise<void> {
    return new Promise((resolve) => {
      if (this.stop.aborted) resolve();
      else this.stop.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#onSignal);
  }
}

/** Whatever an abort broke on its way, the interruption is what happened. */
export async function interruptible<T>(interrupts: Interrupts, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw interrupts.stop.aborted ? new InterruptedError() : error;
  }
}
