const codes = {
  STORAGE_UNAVAILABLE: {
    retryable: true,
    hint: 'Check that STORAGE_URL is right and the storage is reachable.',
  },
  STORAGE_FULL: { retryable: true, hint: 'Make room in the storage; work resumes by itself.' },
  STORAGE_NOT_FOUND: {
    retryable: false,
    hint: 'The content is gone from the storage: send the document again.',
  },
  STORAGE_TOO_LARGE: { retryable: false, hint: 'Split the document, or raise MAX_DOCUMENT_BYTES.' },
} as const;

export type StorageErrorCode = keyof typeof codes;

/** Why bytes could not be stored or read. The message names no path, host or credential. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  readonly hint: string;
  readonly retryable: boolean;

  constructor(code: StorageErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.hint = codes[code].hint;
    this.retryable = codes[code].retryable;
  }
}
