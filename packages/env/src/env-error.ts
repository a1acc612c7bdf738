/** One thing that is wrong with one variable. Holds no value of a secret variable. */
export interface EnvProblem {
  readonly variable: string;
  /** What is wrong: `is not set`, `must be a port number from 1 to 65535, not "80a"`. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** Every problem of an environment at once, code `ENV_INVALID`. It has no `cause`, so that none can hold a secret. */
export class EnvError extends Error {
  override readonly name = 'EnvError';
  readonly code = 'ENV_INVALID';
  readonly hint: string;
  readonly problems: readonly EnvProblem[];

  constructor(problems: readonly EnvProblem[]) {
    super(textOf(problems));
    this.problems = Object.freeze(problems.map((problem) => Object.freeze({ ...problem })));
    this.hint = `Correct ${problems.map((problem) => problem.variable).join(', ')}, then run this again.`;
  }

  toJSON(): { name: string; code: string; hint: string; problems: readonly EnvProblem[] } {
    return { name: this.name, code: this.code, hint: this.hint, problems: this.problems };
  }
}

function textOf(problems: readonly EnvProblem[]): string {
  const width = Math.max(...problems.map((problem) => problem.variable.length));
  const lines = problems.flatMap(({ variable, message, hint }) => [
    `  ${variable.padEnd(width)}  ${message}`,
    `  ${''.padEnd(width)}  ${hint}`,
  ]);
  const count =
    problems.length === 1 ? '1 environment variable is' : `${problems.length} environment variables are`;
  return [`${count} not usable:`, ...lines].join('\n');
}
