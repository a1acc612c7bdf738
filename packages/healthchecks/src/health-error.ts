/**
 * What went wrong with a probe or with waiting for one.
 *
 * - `HEALTH_UNREADY`: a probe got an answer, or none, that means "not ready".
 * - `HEALTH_TIMEOUT`: the time given to `waitUntil` ran out.
 * - `HEALTH_DIED`: the thing that was waited for is gone; waiting longer is pointless.
 * - `HEALTH_TARGET`: a probe was asked for with a target it cannot use.
 */
export type HealthErrorCode = 'HEALTH_UNREADY' | 'HEALTH_TIMEOUT' | 'HEALTH_DIED' | 'HEALTH_TARGET';

export interface HealthErrorOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** The one error class of this package. Messages never hold a password. */
export class HealthError extends Error {
  override readonly name = 'HealthError';
  readonly code: HealthErrorCode;
  /** What to do next. */
  readonly hint: string | undefined;

  constructor(code: HealthErrorCode, message: string, options: HealthErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** One line about an answer, for people: the message of an error, or what stands in for it. */
export function describe(answer: unknown): string {
  // Node reports several refused addresses as an AggregateError without a message.
  if (answer instanceof AggregateError && answer.message === '') {
    return [...new Set(answer.errors.map(describe))].join('; ');
  }
  if (answer instanceof Error)
    return firstLine(answer.message || ('code' in answer ? String(answer.code) : answer.name));
  return answer === undefined ? 'no answer' : firstLine(String(answer));
}

function firstLine(text: string): string {
  return text.trim().split(/\r?\n/, 1)[0] as string;
}
