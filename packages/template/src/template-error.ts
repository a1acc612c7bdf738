/** What a person reads when something cannot be done: what, where, and the next step. */
export interface TemplateErrorOptions {
  /** What to do next, as an instruction. */
  readonly hint: string;
  /** Further lines: one per problem. */
  readonly details?: readonly string[];
  readonly cause?: unknown;
  /** Exit code of the command; 1 where absent, 2 for a wrong command line. */
  readonly exitCode?: number;
}

/** Every refusal of this package. `code` starts with `TEMPLATE_` and is stable. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly code: string;
  readonly hint: string;
  readonly details: readonly string[];
  readonly exitCode: number;

  constructor(code: `TEMPLATE_${string}`, message: string, options: TemplateErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? [];
    this.exitCode = options.exitCode ?? 1;
  }
}
