/** What went wrong, and whether trying again can help. */
const codes = {
  INGEST_UNSUPPORTED_TYPE: {
    retryable: false,
    why: 'the content is of a kind that holds no text we can read',
  },
  INGEST_MALFORMED: { retryable: false, why: 'the file is damaged or cut off' },
  INGEST_ENCRYPTED: { retryable: false, why: 'the file asks for a password' },
  INGEST_INPUT_TOO_LARGE: { retryable: false, why: 'the file is larger than the limit' },
  INGEST_TEXT_TOO_LARGE: { retryable: false, why: 'the text is longer than the limit' },
  INGEST_INFLATED_TOO_LARGE: { retryable: false, why: 'the compressed content grows past the limit' },
  INGEST_TOO_MANY_ENTRIES: { retryable: false, why: 'the archive has more entries than the limit' },
  INGEST_TOO_MANY_PAGES: { retryable: false, why: 'there are more pages than the limit' },
  INGEST_TOO_DEEP: { retryable: false, why: 'the nesting is deeper than the limit' },
  INGEST_TIME_LIMIT: { retryable: false, why: 'extraction takes longer than the limit, and would again' },
  INGEST_MEMORY_LIMIT: {
    retryable: false,
    why: 'extraction needs more memory than the limit, and would again',
  },
  INGEST_CRASHED: { retryable: false, why: 'the content brings the parser down, and would again' },
  INGEST_WORKER_LOST: {
    retryable: true,
    why: 'something outside ended the process; the document is not to blame',
  },
  INGEST_SOURCE_UNAVAILABLE: { retryable: true, why: 'the bytes could not be read this time' },
  INGEST_CANCELLED: { retryable: true, why: 'the caller stopped it' },
  INGEST_EMBED_REJECTED: { retryable: false, why: 'the embedding service refuses the request itself' },
  INGEST_EMBED_INVALID: {
    retryable: false,
    why: 'the service answers with vectors that do not fit its model',
  },
  INGEST_EMBED_RATE_LIMITED: { retryable: true, why: 'the service asks to wait' },
  INGEST_EMBED_UNAVAILABLE: { retryable: true, why: 'the service or the way to it fails' },
  INGEST_EMBED_TIMEOUT: { retryable: true, why: 'the service did not answer in time' },
} as const satisfies Record<string, { retryable: boolean; why: string }>;

export type PipelineErrorCode = keyof typeof codes;

/** Every code with whether it may be retried and why. */
export const pipelineErrorCodes: Readonly<
  Record<PipelineErrorCode, { readonly retryable: boolean; readonly why: string }>
> = codes;

/** The failure of one document. The message may be shown to the sender: it holds no secret, path or stack. */
export class PipelineError extends Error {
  readonly code: PipelineErrorCode;
  /** What to do next. */
  readonly hint: string;
  /** False means terminal: the same bytes will fail the same way, so a queue must not try again. */
  readonly retryable: boolean;
  /** For rate limits: milliseconds that the service asked to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: PipelineErrorCode,
    message: string,
    options: { hint: string; cause?: unknown; retryAfterMs?: number | undefined },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PipelineError';
    this.code = code;
    this.hint = options.hint;
    this.retryable = codes[code].retryable;
    this.retryAfterMs = options.retryAfterMs;
  }
}
