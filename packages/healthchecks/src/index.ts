export { convex } from './convex.ts';
export { fetchHandler, nodeHandler } from './handlers.ts';
export {
  type CheckResult,
  createHealth,
  type Health,
  type HealthOptions,
  type HealthReport,
} from './health.ts';
export { describe, HealthError, type HealthErrorCode } from './health-error.ts';
export { type HttpOptions, http } from './http.ts';
export { type PgClient, type PgDriver, postgres, type Queryable } from './postgres.ts';
export { type Probe, type ProbeOnceOptions, probeOnce } from './probe.ts';
export { redis } from './redis.ts';
export { type S3Client, s3 } from './s3.ts';
export { type TcpTarget, tcp } from './tcp.ts';
export { type Waited, type WaitUntilOptions, waitUntil } from './wait-until.ts';
