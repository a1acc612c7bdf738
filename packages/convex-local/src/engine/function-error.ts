/** A failure of user code or of a call it made, in the form clients see. */
export class FunctionError extends Error {
  override readonly name = 'FunctionError';
  readonly code = 'CONVEX_LOCAL_FUNCTION';
  /** The payload of a `ConvexError`, as Convex JSON; absent for any other error. */
  readonly data: unknown;

  constructor(message: string, data?: unknown) {
    super(message);
    this.data = data;
  }
}

/** A request that is answered with a status and `{code, message}` in place of a function's result. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** A failure that is nobody's fault and passes: a client may send the same request again. */
export class TransientError extends RequestError {
  constructor(code: string, message: string) {
    super(503, code, message);
  }
}
