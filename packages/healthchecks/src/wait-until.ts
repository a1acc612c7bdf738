import { describe, HealthError } from './health-error.ts';
import { type Probe, probeOnce, timerMs } from './probe.ts';

export interface WaitUntilOptions {
  /** Milliseconds until waiting fails with `HEALTH_TIMEOUT`. */
  readonly timeoutMs: number;
  /** Ends the wait with the signal's own reason. */
  readonly signal?: AbortSignal | undefined;
  /** Settles, either way, when the thing that is waited for has died; its value or reason says how. */
  readonly died?: Promise<unknown> | undefined;
  /** Asked before each probe and after the one that succeeds; `false` means that the thing has died. */
  readonly alive?: (() => boolean) | undefined;
  /** What is waited for, as the errors name it: `postgres on 127.0.0.1:5434`. */
  readonly what?: string | undefined;
  /** Milliseconds that a single probe may take; 5000 unless told. */
  readonly attemptTimeoutMs?: number | undefined;
  /** Sees every answer that was not "ready", for progress display. */
  readonly onAnswer?: ((answer: unknown, attempt: number) => void) | undefined;
}

export interface Waited {
  /** Probes made, the successful one included. */
  readonly attempts: number;
  readonly elapsedMs: number;
}

const shortestPauseMs = 5;
const longestPauseMs = 250;

/**
 * Milliseconds between two probes: a fixed share of the time already waited. So nothing is noticed later than
 * 1/200 of its own start time (15 ms after three seconds), and what takes long is not hammered: the longest pause
 * is reached after 50 s. A probe that is slow itself gets a rest as long as it took, up to 15 ms.
 */
export function pauseAfter(elapsedMs: number, probeMs = 0): number {
  const share = Math.max(shortestPauseMs, elapsedMs / 200, Math.min(probeMs, 15));
  return Math.min(share, longestPauseMs);
}

/**
 * Probes until the answer is "ready". Fails with `HEALTH_TIMEOUT` when the time is up and with `HEALTH_DIED` at
 * once when the thing is gone; both messages hold the last answer, and `cause` is that answer.
 *
 * @example await waitUntil(tcp({ port: 5434 }), { timeoutMs: 30_000, died: exitOf(child), signal });
 */
export async function waitUntil(probe: Probe, options: WaitUntilOptions): Promise<Waited> {
  const { timeoutMs, signal, died, alive, attemptTimeoutMs = 5000, what = 'the service' } = options;
  signal?.throwIfAborted();
  const started = performance.now();
  const elapsed = () => performance.now() - started;
  let attempts = 0;
  let lastAnswer: unknown;

  const stop = new AbortController();
  const onAbort = () => stop.abort(signal?.reason);
  const onDeath = (reason: unknown) => stop.abort(deathOf(what, reason, lastAnswer));
  const timer = setTimeout(
    () => stop.abort(timeoutOf(what, timeoutMs, attempts, lastAnswer)),
    timerMs(timeoutMs),
  );
  signal?.addEventListener('abort', onAbort, { once: true });
  died?.then(onDeath, onDeath);
  const checkAlive = () => {
    if (alive?.() === false) onDeath(undefined);
    stop.signal.throwIfAborted();
  };

  try {
    // A death that was known before the call has settled after this turn: no probe may then succeed by accident,
    // against another server on the same port.
    await Promise.resolve();
    for (;;) {
      checkAlive();
      attempts += 1;
      const before = elapsed();
      try {
        await probeOnce(probe, { timeoutMs: attemptTimeoutMs, signal: stop.signal });
        checkAlive();
        return { attempts, elapsedMs: elapsed() };
      } catch (answer) {
        stop.signal.throwIfAborted();
        lastAnswer = answer;
        options.onAnswer?.(answer, attempts);
      }
      await pause(pauseAfter(elapsed(), elapsed() - before), stop.signal);
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    stop.abort();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function timeoutOf(what: string, timeoutMs: number, attempts: number, lastAnswer: unknown): HealthError {
  const probes = attempts === 1 ? '1 probe' : `${attempts} probes`;
  return new HealthError(
    'HEALTH_TIMEOUT',
    `${what} was not ready after ${seconds(timeoutMs)} (${probes}); last answer: ${describe(lastAnswer)}`,
    { hint: 'Look at its log for why it does not answer, or allow it more time.', cause: lastAnswer },
  );
}

function deathOf(what: string, reason: unknown, lastAnswer: unknown): HealthError {
  const how = reason === undefined || reason === null ? '' : `: ${describe(reason)}`;
  const last = lastAnswer === undefined ? '' : `; last answer: ${describe(lastAnswer)}`;
  return new HealthError('HEALTH_DIED', `${what} ended before it was ready${how}${last}`, {
    hint: 'Look at the end of its log for the reason.',
    cause: reason ?? lastAnswer,
  });
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Number((ms / 1000).toFixed(1))} s`;
}
