import { getCompileCacheDir } from 'node:module';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { BusyMark, newBusyMemory } from '../engine/busy-mark.ts';
import type { EngineOptions } from '../engine/engine.ts';
import { RequestError, TransientError } from '../engine/function-error.ts';
import type {
  EngineCalls,
  EngineEvent,
  EngineMethod,
  FromEngine,
  RunRequest,
  RunResponse,
  ToEngine,
} from '../engine/messages.ts';
import { timeoutMessage } from '../engine/runner.ts';

interface Ping {
  /** The engine's processor time when it was sent. */
  readonly cpuMs: number;
  checked: { readonly at: number; readonly cpuMs: number };
  /** Time without an answer. A pause of the whole process counts as one check. */
  silentMs: number;
  /** The latest part of it in which the engine used no processor. */
  asleepMs: number;
}

interface PendingCall {
  readonly method: EngineMethod;
  readonly params: unknown;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export interface EngineHostOptions extends Omit<EngineOptions, 'busyMemory' | 'blockingCalls'> {
  /** How long user code may block the engine's thread, milliseconds. */
  readonly hangAfterMs: number;
}

/** The sibling module that runs in the thread, in sources and in built packages. */
const WORKER = new URL(`../engine/worker${extname(import.meta.filename)}`, import.meta.url);
const CHECK_MS = 100;
/** Beyond this the engine ends with an error that the server survives. */
const MAX_HEAP_MB = 4096;
/** Id of the calls that only ask for a sign of life. */
const PING = 0;
/** A thread that uses less of its time than this sleeps. */
const SLEEPING_SHARE = 0.02;
const BLOCKED = 'a function blocked the engine';

/** Processor time of everything in this process but the server's own thread. */
function engineCpuMs(): number {
  const all = process.cpuUsage();
  const own = process.threadCpuUsage();
  return (all.user + all.system - own.user - own.system) / 1000;
}

/**
 * Runs the engine in a worker thread and keeps it running. User code that blocks the thread is ended with the whole
 * worker; a new one restores the state from the log and gets the calls that were waiting.
 */
export class EngineHost {
  readonly #options: EngineHostOptions;
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  readonly #pending = new Map<number, PendingCall>();
  readonly #blockingCalls = new Set<string>();
  #busy = new BusyMark(newBusyMemory());
  #worker: Worker | undefined;
  #nextId = 1;
  #ready: Promise<void> = Promise.resolve();
  /** The ping that is under way, if any. */
  #ping: Ping | undefined;
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
    const { hangAfterMs: _, ...options } = this.#options;
    const busyMemory = newBusyMemory();
    this.#busy = new BusyMark(busyMemory);
    // A thread does not take part in the compile cache of its process unless it is told of one.
    const cache = getCompileCacheDir();
    const worker = new Worker(WORKER, {
      workerData: { ...options, busyMemory, blockingCalls: [...this.#blockingCalls] } satisfies EngineOptions,
      env: { NODE_ENV: 'production', ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }) },
      name: 'convex-local-engine',
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    this.#worker = worker;
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: FromEngine) => {
        if ('event' in message && message.event === 'ready') resolve();
        if ('event' in message && message.event === 'failed') {
          this.#worker = undefined; // calls get the error from now on
          worker.removeAllListeners();
          void worker.terminate();
          reject(new RequestError(500, message.code, message.message));
          return;
        }
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
  }

  #receive(message: FromEngine): void {
    if ('event' in message) {
      for (const listener of this.#listeners) listener(message);
      return;
    }
    if (message.id === PING) this.#ping = undefined;
    const call = this.#pending.get(message.id);
    if (call === undefined) return;
    this.#pending.delete(message.id);
    if ('error' in message) {
      const { status = 500, code = 'InternalServerError', message: text } = message.error;
      call.reject(status === 503 ? new TransientError(code, text) : new RequestError(status, code, text));
    } else call.resolve(message.result);
  }

  /** Asks for a sign of life. A thread that user code blocks cannot answer, however it came to be blocked. */
  #check(): void {
    const worker = this.#worker;
    if (worker === undefined) return;
    if (this.#pending.size === 0 && this.#busy.read() === undefined) {
      this.#ping = undefined;
    } else if (this.#ping === undefined) {
      const cpuMs = engineCpuMs();
      this.#ping = { cpuMs, checked: { at: performance.now(), cpuMs }, silentMs: 0, asleepMs: 0 };
      worker.postMessage({ id: PING, method: 'ping', params: undefined } satisfies ToEngine);
    } else if (this.#silentTooLong(this.#ping) && this.#runsUserCode()) {
      this.#died(worker, BLOCKED);
      void worker.terminate();
    }
  }

  /**
   * Counts the time that the engine had on a processor, so that a machine with too much to do ends nothing; code that
   * waits for a processor gets some now and then, unlike code that sleeps.
   */
  #silentTooLong(ping: Ping): boolean {
    const { hangAfterMs } = this.#options;
    const { checked } = ping;
    ping.checked = { at: performance.now(), cpuMs: engineCpuMs() };
    const passedMs = Math.min(ping.checked.at - checked.at, CHECK_MS * 2);
    const slept = ping.checked.cpuMs - checked.cpuMs < passedMs * SLEEPING_SHARE;
    ping.silentMs += passedMs;
    ping.asleepMs = slept ? ping.asleepMs + passedMs : 0;
    const busyMs = ping.checked.cpuMs - ping.cpuMs;
    return (ping.silentMs >= hangAfterMs && busyMs >= hangAfterMs) || ping.asleepMs >= hangAfterMs;
  }

  /** The engine's own long work, such as writing a snapshot, is no reason to end it. */
  #runsUserCode(): boolean {
    if (this.#busy.read() !== undefined) return true;
    const codeRunning = new Set<EngineMethod>(['run', 'httpAction', 'startPush']);
    return [...this.#pending.values()].some(({ method }) => codeRunning.has(method));
  }

  #died(worker: Worker, reason: string): void {
    if (this.#worker !== worker || this.#closing) return;
    const label = this.#busy.read();
    if (label !== undefined) this.#blockingCalls.add(label.key);
    this.#worker = undefined;
    this.#ping = undefined;
    worker.removeAllListeners();
    worker.on('error', () => {});
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    this.onRestart(reason);
    this.#ready = this.#spawn();
    this.#ready.catch(() => {});
    for (const call of calls) this.#settleAfterDeath(call, label?.requestId, reason);
  }

  /** The call that blocked the engine fails, actions fail (they may have had effects), the others run again. */
  #settleAfterDeath(call: PendingCall, culprit: string | undefined, reason: string): void {
    if (call.method !== 'run') {
      call.reject(new TransientError('EngineRestarted', `Ended before it was done: ${reason}.`));
      return;
    }
    const request = call.params as RunRequest;
    const { functionTimeoutMs } = this.#options;
    const fail = (message: string) =>
      call.resolve({ success: false, message, logLines: [] } satisfies RunResponse);
    if (request.requestId === culprit) {
      const blocked = reason === BLOCKED;
      fail(blocked ? timeoutMessage(request.path, functionTimeoutMs) : `${request.path} failed: ${reason}`);
    } else if (request.kind === 'query' || request.kind === 'mutation') {
      this.call('run', request).then(call.resolve, call.reject);
    } else fail(`Action ${request.path} was ended before it was done: ${reason}.`);
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
