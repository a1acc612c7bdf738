import { Semaphore } from '../semaphore.ts';
import { cancelled, lost, type Reader } from './reader.ts';

/** A child is replaced after this many documents: parsers leak. */
const documentsPerReader = 2000;

/** Keeps readers from one document to the next, and replaces those that are of no more use. */
export class ReaderPool {
  readonly #places: Semaphore;
  readonly #startReader: () => Reader;
  readonly #idle: { reader: Reader; documents: number }[] = [];
  readonly #all = new Set<Reader>();
  readonly #closing = new AbortController();

  constructor(size: number, start: () => Reader) {
    this.#places = new Semaphore(size);
    this.#startReader = start;
  }

  /** A reader for one document, and the signal that says when to stop it. */
  async lease(
    signal: AbortSignal | undefined,
  ): Promise<{ reader: Reader; signal: AbortSignal } & Disposable> {
    const either = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    const place = await this.#places.acquire(either).catch((cause) => {
      throw cancelled(cause);
    });
    const held = this.#take() ?? this.#start(place);
    return {
      reader: held.reader,
      signal: either,
      [Symbol.dispose]: () => {
        held.documents++;
        if (held.reader.usable && held.documents < documentsPerReader) this.#idle.push(held);
        else {
          this.#all.delete(held.reader);
          void held.reader[Symbol.asyncDispose]();
        }
        place[Symbol.dispose]();
      },
    };
  }

  /** One that is still alive: something may have ended it while it waited. */
  #take() {
    for (let held = this.#idle.pop(); held; held = this.#idle.pop()) {
      if (held.reader.usable) return held;
      this.#all.delete(held.reader);
    }
    return undefined;
  }

  #start(place: Disposable) {
    try {
      const reader = this.#startReader();
      this.#all.add(reader);
      return { reader, documents: 0 };
    } catch (cause) {
      // The system has no room for another process; the place must not be lost with it.
      place[Symbol.dispose]();
      throw lost(cause);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The extractor is closed'));
    await Promise.all([...this.#all].map((reader) => reader[Symbol.asyncDispose]()));
    this.#all.clear();
  }
}
