/**
 * - `CONVEX_INSTANCE_NAME_INVALID`: an instance name that Convex, or a database name, cannot have.
 * - `CONVEX_INSTANCE_SECRET_INVALID`: not 32 bytes as 64 hexadecimal digits.
 * - `CONVEX_ADMIN_KEY_OPTIONS`: an admin key was asked for that no backend would accept.
 */
export type SelfhostErrorCode =
  | 'CONVEX_INSTANCE_NAME_INVALID'
  | 'CONVEX_INSTANCE_SECRET_INVALID'
  | 'CONVEX_ADMIN_KEY_OPTIONS';

/** The one error class of this package. No message holds a secret or a key. */
export class SelfhostError extends Error {
  override readonly name = 'SelfhostError';
  readonly code: SelfhostErrorCode;
  /** What to do next. */
  readonly hint: string;

  constructor(code: SelfhostErrorCode, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
