import { setTimeout as delay } from 'node:timers/promises';
import { AnthropicError, APIConnectionError, APIError, APIUserAbortError } from '@anthropic-ai/sdk';
import { ModelError } from './model.ts';

/** Answers of the Messages API after which the same request may succeed, and why. */
const retryable: Record<string, string> = {
  408: 'the request took too long to arrive',
  409: 'another request held a lock',
  429: 'the rate limit is reached',
  500: 'an error inside the service',
  502: 'a gateway failed',
  503: 'the service is unavailable',
  504: 'the service took too long',
  529: 'the service is overloaded',
  // Errors in the middle of a stream carry a type and no status.
  rate_limit_error: 'the rate limit is reached',
  api_error: 'an error inside the service',
  overloaded_error: 'the service is overloaded',
  timeout_error: 'the service took too long',
};

const longestWaitMs = 60_000;

/**
 * Repeats `request` while the service says that it may succeed later, and turns its errors into `ModelError`s.
 *
 * @throws ModelError with `retryable: true` when the last attempt failed for a passing reason
 */
export async function retrying<Value>(
  request: () => Promise<Value>,
  options: { signal: AbortSignal; backoffMs?: readonly number[] },
): Promise<Value> {
  const waits = options.backoffMs ?? [1_000, 2_000, 4_000, 8_000, 16_000];
  for (let attempt = 0; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      if (options.signal.aborted || error instanceof APIUserAbortError) throw options.signal.reason ?? error;
      const wait = waits[attempt];
      const reason = passing(error);
      if (reason === undefined || wait === undefined) throw modelError(error, reason, attempt + 1);
      const jitter = 1 + Math.random() / 4; // several runners must not come back at the same moment
      await delay(Math.min(retryAfterMs(error) ?? wait * jitter, longestWaitMs), undefined, {
        signal: options.signal,
      });
    }
  }
}

/** Why the request may succeed later, or undefined when it never will. */
function passing(error: unknown): string | undefined {
  if (error instanceof APIConnectionError) return 'the service cannot be reached';
  // What is no answer with a status is a stream that ended too soon or cannot be read.
  if (error instanceof AnthropicError && !(error instanceof APIError)) return 'its answer broke off';
  if (!(error instanceof APIError)) return undefined;
  return retryable[String(error.status)] ?? retryable[errorType(error) ?? ''];
}

function errorType(error: APIError): string | undefined {
  const body = error.error as { type?: string; error?: { type?: string } } | undefined;
  return body?.error?.type ?? body?.type;
}

function retryAfterMs(error: unknown): number | undefined {
  if (!(error instanceof APIError)) return undefined;
  const seconds = Number(error.headers?.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

function modelError(error: unknown, reason: string | undefined, attempts: number): unknown {
  if (reason !== undefined) {
    return new ModelError(
      'MODEL_UNAVAILABLE',
      `The model could not be reached: ${reason} (${attempts} attempts).`,
      {
        hint: 'Retry the workflow later; finished steps are kept.',
        retryable: true,
        cause: error,
      },
    );
  }
  if (!(error instanceof APIError)) return error;
  if (error.status === 401 || error.status === 403) {
    return new ModelError('MODEL_KEY_INVALID', 'The model service does not accept the key.', {
      hint: 'Set ANTHROPIC_API_KEY in .env to a valid key, or unset it to use the scripted model.',
    });
  }
  return new ModelError(
    'MODEL_REFUSED',
    `The model service refused the request: ${error.apiMessage ?? error.message}`,
    {
      hint: 'Check ANTHROPIC_MODEL and ANTHROPIC_BASE_URL in .env.',
      cause: error,
    },
  );
}
