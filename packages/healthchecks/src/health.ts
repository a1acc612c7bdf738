import { describe } from './health-error.ts';
import { type Probe, probeOnce } from './probe.ts';

export interface HealthOptions {
  /** What must be ready for the application to be, by name. */
  readonly checks?: Readonly<Record<string, Probe>>;
  /** Milliseconds that a result of `ready` stays good; 1000 unless told. */
  readonly cacheMs?: number;
  /** Milliseconds that a check may take; 2000 unless told. */
  readonly timeoutMs?: number;
}

export interface CheckResult {
  readonly status: 'ok' | 'failed';
  readonly ms: number;
  /** The answer, when it failed. */
  readonly message?: string;
}

export interface HealthReport {
  readonly status: 'live' | 'ready' | 'not ready' | 'shutting down';
  readonly checks?: Readonly<Record<string, CheckResult>>;
}

/** The health of the application itself, to be served with `nodeHandler` or `fetchHandler`. */
export interface Health {
  /** The process runs. Asks nothing of any dependency: restarting the process would not mend them. */
  live(): HealthReport;
  /** Every check passes. Callers at the same time, and within the cache time, share one run of the checks. */
  ready(): Promise<HealthReport>;
  /** From now on not ready, so that load balancers look elsewhere while requests under way are finished. */
  shutDown(): void;
}

/** Makes the health of an application out of the probes of what it needs. */
export function createHealth({ checks = {}, cacheMs = 1000, timeoutMs = 2000 }: HealthOptions = {}): Health {
  let shuttingDown = false;
  let underWay: Promise<HealthReport> | undefined;
  let last: { readonly report: HealthReport; readonly at: number } | undefined;

  const run = async (): Promise<HealthReport> => {
    const names = Object.keys(checks);
    const results = await Promise.all(names.map((name) => check(checks[name] as Probe, timeoutMs)));
    const report: HealthReport = {
      status: results.every((result) => result.status === 'ok') ? 'ready' : 'not ready',
      checks: Object.fromEntries(names.map((name, index) => [name, results[index] as CheckResult])),
    };
    last = { report, at: performance.now() };
    return report;
  };

  return {
    live: () => ({ status: 'live' }),
    async ready() {
      if (shuttingDown) return { status: 'shutting down' };
      if (last && performance.now() - last.at < cacheMs) return last.report;
      underWay ??= run().finally(() => {
        underWay = undefined;
      });
      const report = await underWay;
      return shuttingDown ? { status: 'shutting down' } : report;
    },
    shutDown() {
      shuttingDown = true;
    },
  };
}

async function check(probe: Probe, timeoutMs: number): Promise<CheckResult> {
  const started = performance.now();
  const ms = () => Math.round(performance.now() - started);
  try {
    await probeOnce(probe, { timeoutMs });
    return { status: 'ok', ms: ms() };
  } catch (answer) {
    return { status: 'failed', ms: ms(), message: describe(answer) };
  }
}
