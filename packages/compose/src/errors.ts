/** Where something stands in a file; lines and columns start at 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column?: number;
}

/** One thing that is wrong with the input. `file` and `line` are absent only when the caller gave a bare string. */
export interface Problem {
  readonly code: ComposeErrorCode;
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** Every code of this package, with its meaning. */
export const COMPOSE_ERROR_CODES = {
  COMPOSE_CYCLE: '`depends_on`, `extends`, `include` or an anchor goes round in a circle.',
  COMPOSE_ENV_FILE: 'A line of an env file cannot be parsed.',
  COMPOSE_FILE: 'A file is missing or cannot be read.',
  COMPOSE_INTERPOLATION: 'A `$` reference has a form that Compose does not know.',
  COMPOSE_LIMIT: 'The input is larger or nested deeper than any real Compose file.',
  COMPOSE_MERGE: 'Two documents cannot be merged at a path.',
  COMPOSE_PROJECT_NAME: 'The project name is not one that Docker takes.',
  COMPOSE_REFERENCE:
    'A service, network, volume, secret, config or model is not defined, or is disabled by its profiles.',
  COMPOSE_SYNTAX: 'The YAML cannot be parsed, or is not a mapping.',
  COMPOSE_TYPE: 'A value is not of the type of its field.',
  COMPOSE_UNKNOWN_FIELD: 'A field is not part of the Compose specification.',
  COMPOSE_UNSUPPORTED: 'A feature of Compose that this loader does not have.',
  COMPOSE_VALUE: 'A value of the right type makes no sense: a port of 70000, a duration of "soon".',
  COMPOSE_VARIABLE_REQUIRED: 'A `${VAR:?...}` variable has no value.',
} as const;

export type ComposeErrorCode = keyof typeof COMPOSE_ERROR_CODES;

/**
 * Thrown by every function of this package for bad input: the complete list of problems of one phase.
 * `code` and `hint` are those of the first one.
 */
export class ComposeError extends Error {
  readonly code: ComposeErrorCode;
  readonly hint: string;
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    super(problems.map(describeProblem).join('\n'), options);
    this.name = 'ComposeError';
    this.code = problems[0]?.code ?? 'COMPOSE_SYNTAX';
    this.hint = problems[0]?.hint ?? '';
    this.problems = problems;
  }
}

/** Something that is allowed and probably not meant. */
export interface Warning {
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
}

export type OnWarning = (warning: Warning) => void;

/** Collects the problems of a phase, so that one run shows them all. */
export class Problems {
  readonly #list: Problem[] = [];

  add(code: ComposeErrorCode, message: string, at: Place | undefined, hint: string): void {
    this.#list.push({ code, message, hint, ...placeFields(at) });
  }

  /** Runs `work` and keeps the problems of the ComposeError it may throw; any other error passes through. */
  collect<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof ComposeError)) throw error;
      this.#list.push(...error.problems);
      return undefined;
    }
  }

  get found(): boolean {
    return this.#list.length > 0;
  }

  throwIfAny(): void {
    if (this.#list.length > 0) throw new ComposeError(this.#list);
  }
}

/** Does the work for every item, and then throws the problems of all of them at once. */
export function forEvery<T, R>(items: readonly T[], work: (item: T) => R): R[] {
  const problems = new Problems();
  const results = items.flatMap((item) => problems.collect(() => [work(item)]) ?? []);
  problems.throwIfAny();
  return results;
}

export function composeError(
  code: ComposeErrorCode,
  message: string,
  at: Place | undefined,
  hint: string,
  cause?: unknown,
): ComposeError {
  return new ComposeError(
    [{ code, message, hint, ...placeFields(at) }],
    cause === undefined ? {} : { cause },
  );
}

function placeFields(at: Place | undefined): Partial<Place> {
  if (at === undefined) return {};
  return {
    file: at.file,
    line: at.line,
    ...(at.column === undefined ? {} : { column: at.column }),
  };
}

function describeProblem({ file, line, message, hint }: Problem): string {
  const where = file === undefined ? '' : `${file}:${line}: `;
  return `${where}${message}${hint === '' ? '' : ` (${hint})`}`;
}
