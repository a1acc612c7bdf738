import type { Service } from '@stackyard/compose';
import { parseDuration } from './units.ts';

/** What Docker takes where a health check leaves a field out. */
const defaults = { intervalMs: 30_000, timeoutMs: 30_000, retries: 3 };

/** For a service without a health check. */
const withoutCheckMs = 60_000;

/**
 * Milliseconds after which a service that still fails its health check counts as unhealthy: the start period,
 * then `retries` attempts, each an interval and up to its time limit long.
 */
export function healthTimeout(service: Service): number {
  const check = service.healthcheck;
  if (!check || check.disable) return withoutCheckMs;
  const interval = parseDuration(check.interval) ?? defaults.intervalMs;
  const timeout = parseDuration(check.timeout) ?? defaults.timeoutMs;
  return (parseDuration(check.start_period) ?? 0) + (check.retries ?? defaults.retries) * interval + timeout;
}
