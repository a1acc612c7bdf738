import type { PipelineErrorCode } from '../pipeline/index.ts';
import { PipelineError } from '../pipeline/index.ts';
import type { StorageErrorCode } from '../storage/index.ts';
import { StorageError } from '../storage/index.ts';
import { isOutage } from '../store/database.ts';
import type { Failure } from '../store/jobs.ts';

export interface Policy {
  /** How often the job may run in all. */
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
}

/** An outage: patience for a day, since nothing is wrong with the document. */
const outage: Policy = { attempts: 3000, firstDelayMs: 1000, longestDelayMs: 30_000 };

export type RetryPolicies = Readonly<
  Partial<
    Record<PipelineErrorCode | StorageErrorCode | 'INGEST_STORE_UNAVAILABLE' | 'INGEST_INTERNAL', Policy>
  >
>;

/** What may be tried again, and how. Every other error is final: the same bytes would fail the same way. */
export const retryPolicies: RetryPolicies = {
  INGEST_WORKER_LOST: { attempts: 3, firstDelayMs: 500, longestDelayMs: 5000 },
  INGEST_SOURCE_UNAVAILABLE: outage,
  INGEST_CANCELLED: { attempts: 10, firstDelayMs: 200, longestDelayMs: 5000 },
  INGEST_EMBED_RATE_LIMITED: outage,
  INGEST_EMBED_UNAVAILABLE: outage,
  INGEST_EMBED_TIMEOUT: { attempts: 8, firstDelayMs: 2000, longestDelayMs: 60_000 },
  STORAGE_UNAVAILABLE: outage,
  STORAGE_FULL: outage,
  INGEST_STORE_UNAVAILABLE: outage,
  // An error that nobody has foreseen: perhaps of the moment, perhaps not.
  INGEST_INTERNAL: { attempts: 3, firstDelayMs: 1000, longestDelayMs: 10_000 },
};

/** What to note of an error on the given attempt, from 1. `random` is in [0, 1). */
export function failureOf(
  error: unknown,
  attempt: number,
  { policies = retryPolicies, random = Math.random() }: { policies?: RetryPolicies; random?: number } = {},
): Failure {
  const known = describe(error);
  const policy = policies[known.code];
  if (!policy || attempt >= policy.attempts) return { ...known, retryAfterMs: undefined };
  const asked = error instanceof PipelineError ? (error.retryAfterMs ?? 0) : 0;
  const longest = Math.min(policy.longestDelayMs, policy.firstDelayMs * 2 ** (attempt - 1));
  // Half of it is left to chance, so that what failed together does not come back together.
  return { ...known, retryAfterMs: Math.max(asked, Math.round(longest * (0.5 + random / 2))) };
}

function describe(error: unknown) {
  if (error instanceof PipelineError || error instanceof StorageError) {
    return { code: error.code, message: error.message, hint: error.hint };
  }
  if (isOutage(error)) {
    return {
      code: 'INGEST_STORE_UNAVAILABLE' as const,
      message: 'The database could not take the result',
      hint: 'It is tried again by itself; the log of the worker has the details.',
    };
  }
  return {
    code: 'INGEST_INTERNAL' as const,
    message: 'The document could not be processed because of an error of this service',
    hint: 'Its log has the details; try again when the cause is mended.',
  };
}
