/** What a person reads when something cannot be done: what, where, and the next step. */
export interface StackyardErrorOptions {
  /** What to do next, as an instruction. */
  readonly hint?: string;
  /** Further lines: one per problem, owner, log line. */
  readonly details?: readonly string[];
  readonly cause?: unknown;
  /** Exit code of the command; 1 where absent. */
  readonly exitCode?: number;
}

/** Every refusal of this package. `code` starts with `STACKYARD_` and is stable. */
export class StackyardError extends Error {
  override readonly name: string = 'StackyardError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: readonly string[];
  readonly exitCode: number;

  constructor(code: `STACKYARD_${string}`, message: string, options: StackyardErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? [];
    this.exitCode = options.exitCode ?? 1;
  }
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends StackyardError {
  override readonly name = 'UsageError';

  constructor(message: string, options: StackyardErrorOptions = {}) {
    super('STACKYARD_USAGE', message, { exitCode: exitCodes.usage, ...options });
  }
}

/** Ctrl-C or SIGTERM ended the command: exit code 130. */
export class InterruptedError extends StackyardError {
  override readonly name = 'InterruptedError';

  constructor() {
    super('STACKYARD_INTERRUPTED', 'interrupted', { exitCode: exitCodes.interrupted });
  }
}

/** The exit codes of every command. */
export const exitCodes = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** An error as plain data: it crosses from the background supervisor to the command that waits for it. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details: readonly string[];
  readonly exitCode: number;
  /** Only for errors that nobody planned for. */
  readonly stack?: string;
}

/** What the system refuses, in words of this package: engines and Node report it by these codes. */
const refusals: Readonly<Record<string, { readonly code: `STACKYARD_${string}`; readonly hint: string }>> = {
  ENOSPC: {
    code: 'STACKYARD_DISK_FULL',
    hint: 'free some space, then start again; nothing was left half-done',
  },
  EDQUOT: { code: 'STACKYARD_DISK_FULL', hint: 'free some of your quota, then start again' },
  EACCES: {
    code: 'STACKYARD_NOT_PERMITTED',
    hint: 'give the file to this user (chown), or run this as its owner',
  },
  EPERM: {
    code: 'STACKYARD_NOT_PERMITTED',
    hint: 'give the file to this user (chown), or run this as its owner',
  },
  EROFS: { code: 'STACKYARD_NOT_PERMITTED', hint: 'use a checkout on a file system that can be written to' },
};

/** Describes any thrown value; errors of the sibling packages carry `code` and `hint` too. */
export function describeError(error: unknown): ErrorReport {
  if (!(error instanceof Error)) {
    return { code: 'STACKYARD_INTERNAL', message: String(error), details: [], exitCode: exitCodes.failure };
  }
  const { message } = error;
  const { code, hint, details, exitCode } = error as Partial<StackyardError>;
  if (typeof hint === 'string' || error instanceof StackyardError) {
    return {
      code: code ?? 'STACKYARD_INTERNAL',
      message,
      ...(hint === undefined ? {} : { hint }),
      details: details?.map(String) ?? [],
      exitCode: exitCode ?? exitCodes.failure,
    };
  }
  const refusal = refusals[code ?? ''];
  if (refusal) return { ...refusal, message, details: [], exitCode: exitCodes.failure };
  const trace = error.stack === undefined ? {} : { stack: error.stack };
  return { code: 'STACKYARD_INTERNAL', message, details: [], exitCode: exitCodes.failure, ...trace };
}

/** The other way: an error that another process described. */
export function reviveError(report: ErrorReport): StackyardError {
  return new StackyardError(report.code as `STACKYARD_${string}`, report.message, {
    ...(report.hint === undefined ? {} : { hint: report.hint }),
    details: report.stack ? [...report.details, ...report.stack.split('\n').slice(1)] : report.details,
    exitCode: report.exitCode,
  });
}

/** One calm block of text, without a trailing line break. */
export function formatError(error: unknown): string {
  const report = describeError(error);
  const lines = [`error ${report.code}: ${report.message}`];
  for (const detail of report.details) lines.push(`  ${detail}`);
  if (report.stack) lines.push(...report.stack.split('\n').filter((line) => /^ +at /.test(line)));
  if (report.hint) lines.push(`next: ${report.hint}`);
  return lines.join('\n');
}
