/** Why a bulk load was refused or undone. */
export type LoadErrorCode =
  | 'LOAD_ROLE'
  | 'LOAD_SOURCE'
  | 'LOAD_NOT_EMPTY'
  | 'LOAD_TRIGGER'
  | 'LOAD_RUNNING'
  | 'LOAD_REFUSED';

export class LoadError extends Error {
  override readonly name = 'LoadError';
  readonly code: LoadErrorCode;
  readonly hint: string;

  constructor(code: LoadErrorCode, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}
