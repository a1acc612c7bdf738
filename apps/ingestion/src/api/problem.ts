import { PostgresError } from '@stackyard/postgres';
import { StorageError } from '../storage/index.ts';
import { isOutage } from '../store/database.ts';

/** Every code that the API answers with, its status and what to do next. */
export const problems = {
  API_UNAUTHENTICATED: { status: 401, hint: 'Send an API key: "Authorization: Bearer sy_...".' },
  API_FORBIDDEN: { status: 403, hint: 'Use a key of an administrator.' },
  API_HOST_REFUSED: { status: 403, hint: 'Send an API key, or add the host to ALLOWED_HOSTS.' },
  API_NOT_FOUND: { status: 404, hint: 'Check the id; it may belong to another tenant, or be deleted.' },
  API_INVALID: { status: 400, hint: 'Correct the named parts of the request.' },
  API_CONFLICT: { status: 409, hint: 'Ask for the current state, then decide again.' },
  API_TOO_LARGE: { status: 413, hint: 'Send a smaller document, or in parts.' },
  API_UNSUPPORTED_MEDIA: {
    status: 415,
    hint: 'Send multipart/form-data, or the bytes of one document with its name.',
  },
  API_IDEMPOTENCY_MISMATCH: { status: 422, hint: 'Use a new Idempotency-Key for a new request.' },
  API_UPLOAD_CUT_OFF: { status: 400, hint: 'Send it again; with an Idempotency-Key that is always safe.' },
  API_MALFORMED_MULTIPART: { status: 400, hint: 'Check the boundary and the end of the multipart body.' },
  API_RATE_LIMITED: { status: 429, hint: 'Wait as long as Retry-After says.' },
  API_QUOTA_EXCEEDED: { status: 507, hint: 'Delete documents, or ask for a larger quota.' },
  API_URL_REFUSED: {
    status: 422,
    hint: 'Give an http(s) URL of a public address that answers with a document.',
  },
  API_URL_FAILED: { status: 502, hint: 'Check that the URL answers, then try again.' },
  API_UNAVAILABLE: { status: 503, hint: 'A service behind the API is away; try again in a moment.' },
  API_STORAGE_FULL: { status: 507, hint: 'Make room in the storage, then send it again.' },
  API_INTERNAL: { status: 500, hint: 'The log of the API has the details.' },
} as const satisfies Record<string, { status: number; hint: string }>;

export type ProblemCode = keyof typeof problems;

/** An answer that is not what was asked for, in the form of RFC 9457 (application/problem+json). */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly retryAfterSeconds: number | undefined;
  readonly details: unknown;

  constructor(
    code: ProblemCode,
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number; details?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.details = options.details;
  }

  get status(): number {
    return problems[this.code].status;
  }

  /** A failure of the service, which belongs into its log. */
  get unforeseen(): boolean {
    return this.status === 500 || this.status === 503 || this.code === 'API_STORAGE_FULL';
  }

  toJSON(): object {
    const { status, hint } = problems[this.code];
    return {
      type: `urn:stackyard:ingestion:${this.code.toLowerCase().replaceAll('_', '-')}`,
      title: this.message,
      status,
      code: this.code,
      hint,
      ...(this.details !== undefined && { details: this.details }),
    };
  }
}

/** Puts any error into words for the caller; what is not foreseen becomes API_INTERNAL and tells nothing. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const cause = { cause: error };
  if (error instanceof StorageError) {
    if (error.code === 'STORAGE_TOO_LARGE') return new Problem('API_TOO_LARGE', error.message, cause);
    if (error.code === 'STORAGE_NOT_FOUND') return new Problem('API_NOT_FOUND', error.message, cause);
    if (error.code === 'STORAGE_FULL') return new Problem('API_STORAGE_FULL', error.message, cause);
    return new Problem('API_UNAVAILABLE', error.message, { ...cause, retryAfterSeconds: 5 });
  }
  if (error instanceof PostgresError) return ofDatabase(error);
  const { code, statusCode, validation, message } = (error ?? {}) as FrameworkError;
  if (validation) {
    // The details say where it was; a person reads "name" more easily than "querystring/name".
    const text = message?.replace(/^(?:querystring|body|params|headers)\//, '');
    return new Problem('API_INVALID', text ?? 'The request is not valid', { ...cause, details: validation });
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE' || statusCode === 413) {
    return new Problem('API_TOO_LARGE', 'The body is larger than allowed here', cause);
  }
  if (statusCode === 415)
    return new Problem('API_UNSUPPORTED_MEDIA', 'This media type is not accepted here', cause);
  if (statusCode && statusCode >= 400 && statusCode < 500) {
    return new Problem('API_INVALID', message ?? 'The request is not valid', cause);
  }
  return new Problem('API_INTERNAL', 'Something went wrong here', cause);
}

interface FrameworkError {
  readonly code?: string;
  readonly statusCode?: number;
  readonly validation?: unknown;
  readonly message?: string;
}

/** `IN...` are raised by the functions of the migrations. */
const bySqlState: Readonly<Record<string, ProblemCode>> = {
  IN404: 'API_NOT_FOUND',
  IN422: 'API_IDEMPOTENCY_MISMATCH',
  IN507: 'API_QUOTA_EXCEEDED',
};

function ofDatabase(error: PostgresError): Problem {
  const known = bySqlState[error.sqlState ?? ''];
  if (known) return new Problem(known, error.message.replace(/^.*?: /, ''), { cause: error });
  if (isOutage(error)) {
    return new Problem('API_UNAVAILABLE', 'The database cannot take this now', {
      cause: error,
      retryAfterSeconds: 5,
    });
  }
  return new Problem('API_INTERNAL', 'Something went wrong here', { cause: error });
}
