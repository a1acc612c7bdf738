/** Why an embedded engine cannot run a service. `code` starts with `ENGINE_`; `hint` says what to do next. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: `ENGINE_${string}`;
  readonly hint: string;

  constructor(code: `ENGINE_${string}`, message: string, hint: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}
