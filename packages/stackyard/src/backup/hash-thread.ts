import path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Progress } from './progress.ts';

const script = new URL(`./hash-worker${path.extname(import.meta.filename)}`, import.meta.url);

/** What the thread is asked. */
export interface HashRequest {
  readonly files: readonly string[];
  /** Of whoever writes these files, in this order. */
  readonly progress: SharedArrayBuffer | undefined;
}

/** What it answers. */
export type HashAnswer =
  | { readonly hashes: readonly (string | undefined)[] }
  | { readonly failed: { readonly code?: string | undefined; readonly message: string } };

/** Hashes files beside whatever else is done: a core of its own for what takes longest of a backup. */
export class HashThread implements AsyncDisposable {
  readonly #worker = new Worker(script, { env: {}, name: 'stackyard-hash' });
  readonly #asked: PromiseWithResolvers<readonly (string | undefined)[]>[] = [];
  readonly #signal: AbortSignal;
  readonly #abort = () => this.#end(this.#signal.reason);
  #gone: unknown;

  /** @param signal that ends it, and what waits for it */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#abort);
    this.#worker.on('message', (answer: HashAnswer) => {
      const asked = this.#asked.shift();
      if ('hashes' in answer) asked?.resolve(answer.hashes);
      else asked?.reject(Object.assign(new Error(answer.failed.message), answer.failed));
    });
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('the thread that hashes has ended')));
  }

  /**
   * @param progress of whoever writes the files meanwhile, one after the other
   * @returns the SHA-256 of each, in hexadecimal; undefined for what is not there
   */
  hash(files: readonly string[], progress?: Progress): Promise<readonly (string | undefined)[]> {
    const asked = Promise.withResolvers<readonly (string | undefined)[]>();
    asked.promise.catch(() => {}); // awaited when everything else is done
    if (this.#gone) asked.reject(this.#gone);
    else {
      this.#asked.push(asked);
      this.#worker.postMessage({ files, progress: progress?.memory } satisfies HashRequest);
    }
    return asked.promise;
  }

  #end(error: unknown): void {
    this.#gone ??= error;
    for (const asked of this.#asked.splice(0)) asked.reject(this.#gone);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener('abort', this.#abort);
    await this.#worker.terminate();
  }
}
