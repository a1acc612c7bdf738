import { Worker } from 'node:worker_threads';
import type { EngineOptions } from '../engine/engine.ts';
import { RequestError } from '../engine/function-error.ts';
import type { EngineCalls, EngineEvent, EngineMethod, FromEngine, ToEngine } from '../engine/messages.ts';

interface PendingCall {
  readonly method: EngineMethod;
  readonly params: unknown;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export interface EngineHostOptions extends EngineOptions {
  /** How long the engine may not answer before it counts as hanging, milliseconds. */
  readonly hangAfterMs: number;
}

const CHECK_MS = 100;
const PING = 0;

/**
 * Runs the engine in a worker thread and keeps it running. User code that blocks the thread is ended with the whole
 * worker; a new one restores the state from the log and gets the calls that were waiting.
 */
export class EngineHost {
  readonly #options: EngineHostOptions;
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  readonly #pending = new Map<number, PendingCall>();
  #worker: Worker | undefined;
  #nextId = 1;
  #ready: Promise<void> = Promise.resolve();
  /** When the ping that is under way was sent; 0 without one. */
  #asked = 0;
  #watchdog: NodeJS.Timeout | undefined;
  #closing = false;
  /** Called when a worker died and the next one has not started yet. */
  onRestart: (reason: string) => void = () => {};

  constructor(options: EngineHostOptions) {
    this.#options = options;
  }

  listen(listener: (event: EngineEvent) => void): void {
    this.#listeners.add(listener);
  }

  async start(): Promise<void> {
    this.#ready = this.#spawn();
    await this.#ready;
    this.#watchdog = setInterval(() => this.#check(), CHECK_MS);
  }

  async #spawn(): Promise<void> {
    const { hangAfterMs: _, ...workerData } = this.#options;
    const worker = new Worker(new URL('../engine/worker.ts', import.meta.url), {
      workerData,
      env: { NODE_ENV: 'production' },
      name: 'convex-local-engine',
      stdout: false,
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.#worker = worker;
    const started = new Promise<void>((resolve, reject) => {
      worker.on('message', (message: FromEngine) => {
        if ('event' in message && message.event === 'ready') resolve();
        this.#receive(message);
      });
      worker.on('error', (error) => {
        reject(error);
        this.#died(worker, error.message);
      });
      worker.on('exit', () => {
        reject(new Error('The engine ended while it started.'));
        this.#died(worker, 'the engine ended');
      });
    });
    await started;
  }

  #receive(message: FromEngine): void {
    if ('event' in message) {
      for (const listener of this.#listeners) listener(message);
      return;
    }
    if (message.id === PING) this.#asked = 0;
    const call = this.#pending.get(message.id);
    if (call === undefined) return;
    this.#pending.delete(message.id);
    if ('error' in message) {
      const { status = 500, code = 'InternalServerError', message: text } = message.error;
      call.reject(new RequestError(status, code, text));
    } else call.resolve(message.result);
  }

  /** Asks for a sign of life. A thread that user code blocks cannot answer, however it came to be blocked. */
  #check(): void {
    const worker = this.#worker;
    if (worker === undefined || this.#pending.size === 0) {
      this.#asked = 0;
      return;
    }
    if (this.#asked === 0) {
      this.#asked = performance.now();
      worker.postMessage({ id: PING, method: 'ping', params: undefined } satisfies ToEngine);
      return;
    }
    if (performance.now() - this.#asked < this.#options.hangAfterMs) return;
    void worker.terminate();
    this.#died(worker, 'a function blocked the engine');
  }

  #died(worker: Worker, reason: string): void {
    if (this.#worker !== worker || this.#closing) return;
    this.#worker = undefined;
    this.#asked = 0;
    worker.removeAllListeners();
    worker.on('error', () => {});
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    this.onRestart(reason);
    this.#ready = this.#spawn();
    this.#ready.catch(() => {});
    for (const call of calls) {
      call.reject(new RequestError(503, 'EngineRestarted', `The function was ended: ${reason}.`));
    }
  }

  async call<Method extends EngineMethod>(
    method: Method,
    params: Parameters<EngineCalls[Method]>[0],
  ): Promise<ReturnType<EngineCalls[Method]>> {
    if (this.#worker === undefined) await this.#ready;
    return await new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { method, params, resolve: resolve as (result: unknown) => void, reject });
      this.#worker!.postMessage({ id, method, params } satisfies ToEngine);
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#watchdog);
    const worker = this.#worker;
    if (worker === undefined) return;
    await Promise.race([
      this.call('close', undefined as never).catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, 2000).unref()),
    ]);
    await worker.terminate();
  }
}
