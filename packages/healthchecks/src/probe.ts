import { HealthError } from './health-error.ts';

/**
 * One question to one dependency: resolves when it is ready, rejects with its answer otherwise. It gives up, and
 * leaves nothing open, when the signal aborts.
 */
export type Probe = (signal: AbortSignal) => Promise<void>;

export interface ProbeOnceOptions {
  /** Milliseconds until the probe counts as unanswered. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a probe once, within a time limit, also when the probe itself does not heed its signal. Rejects with the
 * probe's answer, with `HEALTH_UNREADY` at the limit, or with the reason of an aborted signal.
 */
export function probeOnce(probe: Probe, { timeoutMs, signal }: ProbeOnceOptions): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    signal?.throwIfAborted();
    const attempt = new AbortController();
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      finish();
    };
    const cut = (reason: unknown) => {
      settle(() => reject(reason));
      attempt.abort(reason);
    };
    const onAbort = () => cut(signal?.reason);
    const timer = setTimeout(
      () => cut(new HealthError('HEALTH_UNREADY', `no answer within ${Math.round(timeoutMs)} ms`)),
      timerMs(timeoutMs),
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    const run = async () => probe(attempt.signal);
    run().then(
      () => settle(resolve),
      (answer) => settle(() => reject(answer)),
    );
  });
}

/** A time limit as a timer takes it: one beyond 24.8 days, `Infinity` too, would fire at once. */
export function timerMs(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}
