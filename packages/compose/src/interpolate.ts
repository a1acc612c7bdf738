import { composeError, type OnWarning, type Place } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface InterpolateOptions {
  /** Told of each variable that is read, has no value and has no default. */
  readonly onWarning?: OnWarning;
  /** Shown in errors and warnings. */
  readonly location?: Place;
}

/** One `$NAME` or `${NAME...}` of a template. */
export interface Reference {
  readonly name: string;
  readonly operator?: Operator;
  /** What follows the operator, not yet interpolated. */
  readonly argument: string;
}

export type Operator = ':-' | '-' | ':+' | '+' | ':?' | '?';

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const BRACED = /\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+?])?/y;
/** Deeper nesting of `${A:-${B:-...}}` than this is an attack, not a default. */
const MAX_DEPTH = 64;
/** Variables that double one another make any length out of a few lines. */
const MAX_LENGTH = 1_000_000;

/**
 * Replaces the variables of `template` as Compose does: `$V`, `${V}`, `${V:-default}`, `${V-default}`,
 * `${V:+alternative}`, `${V+alternative}`, `${V:?message}`, `${V?message}`, and `$$` for a literal `$`.
 * Arguments are interpolated recursively, and only when they are used; a malformed one is refused always.
 *
 * @throws ComposeError COMPOSE_INTERPOLATION for a malformed reference, COMPOSE_VARIABLE_REQUIRED for `?`.
 */
export function interpolate(template: string, env: Environment, options: InterpolateOptions = {}): string {
  const lookup = (name: string) => (Object.hasOwn(env, name) ? env[name] : undefined);
  return interpolateWith(template, lookup, options);
}

/** {@link interpolate} over a function. */
export function interpolateWith(
  template: string,
  lookup: (name: string) => string | undefined,
  options: InterpolateOptions = {},
): string {
  const substitute = (text: string, depth: number): string => {
    if (!text.includes('$')) return text;
    checkDepth(depth, options.location);
    let result = '';
    for (const part of split(text, options.location)) {
      result += typeof part === 'string' ? part : resolve(part, depth);
      if (result.length > MAX_LENGTH && result.length > template.length) throw tooLong(options.location);
    }
    return result;
  };
  const resolve = ({ name, operator, argument }: Reference, depth: number): string => {
    const value = lookup(name);
    const usable = value !== undefined && (!operator?.startsWith(':') || value !== '');
    if (operator === undefined) {
      if (value === undefined) options.onWarning?.(unsetVariable(name, options.location));
      return value ?? '';
    }
    const isAlternative = operator.endsWith('+');
    if (usable !== isAlternative) {
      // What is not used is not interpolated, but a mistake in it must not wait for the day it is used.
      references(argument, options.location, depth + 1);
      return usable ? value : '';
    }
    const result = substitute(argument, depth + 1);
    if (operator.endsWith('?')) throw requiredVariable(name, result, options.location);
    return result;
  };
  return substitute(template, 0);
}

/**
 * Every reference of a template, those inside arguments included.
 *
 * @throws ComposeError COMPOSE_INTERPOLATION for a malformed reference.
 */
export function references(template: string, location?: Place, depth = 0): Reference[] {
  checkDepth(depth, location);
  return split(template, location).flatMap((part) =>
    typeof part === 'string' ? [] : [part, ...references(part.argument, location, depth + 1)],
  );
}

/** Literal text and references, in order. */
function split(text: string, location: Place | undefined): (string | Reference)[] {
  const parts: (string | Reference)[] = [];
  let from = 0;
  for (;;) {
    const dollar = text.indexOf('$', from);
    if (dollar < 0) break;
    if (dollar > from) parts.push(text.slice(from, dollar));
    const next = text[dollar + 1];
    NAME.lastIndex = dollar + 1;
    const name = NAME.exec(text)?.[0];
    if (next === '{') {
      const { reference, end } = braced(text, dollar, location);
      parts.push(reference);
      from = end;
    } else if (name !== undefined) {
      parts.push({ name, argument: '' });
      from = dollar + 1 + name.length;
    } else {
      parts.push('$');
      from = next === '$' ? dollar + 2 : dollar + 1;
    }
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

function braced(
  text: string,
  dollar: number,
  location: Place | undefined,
): { reference: Reference; end: number } {
  BRACED.lastIndex = dollar + 1;
  const match = BRACED.exec(text);
  if (match === null) throw malformed(text, dollar, location);
  const name = match[1] as string;
  const operator = match[2] as Operator | undefined;
  const start = dollar + 1 + match[0].length;
  if (operator === undefined) {
    if (text[start] !== '}') throw malformed(text, dollar, location);
    return { reference: { name, argument: '' }, end: start + 1 };
  }
  const close = closingBrace(text, start);
  if (close < 0) throw malformed(text, dollar, location);
  return { reference: { name, operator, argument: text.slice(start, close) }, end: close + 1 };
}

/** The brace that balances the one before `start`; without one, the last of the line, as Compose takes it. */
function closingBrace(text: string, start: number): number {
  const newline = text.indexOf('\n', start);
  const limit = newline < 0 ? text.length : newline;
  let open = 1;
  let last = -1;
  for (let index = start; index < limit; index += 1) {
    if (text[index] === '{') open += 1;
    if (text[index] !== '}') continue;
    last = index;
    open -= 1;
    if (open === 0) return index;
  }
  return last;
}

function checkDepth(depth: number, location: Place | undefined): void {
  if (depth <= MAX_DEPTH) return;
  throw composeError(
    'COMPOSE_LIMIT',
    `variables are nested more than ${MAX_DEPTH} deep`,
    location,
    'give the value a variable of its own',
  );
}

const tooLong = (location: Place | undefined) =>
  composeError(
    'COMPOSE_LIMIT',
    `a value with its variables is longer than ${MAX_LENGTH} characters`,
    location,
    'put it into a file',
  );

function malformed(text: string, dollar: number, location: Place | undefined) {
  const shown = text.slice(dollar, dollar + 40).split('\n')[0];
  return composeError(
    'COMPOSE_INTERPOLATION',
    `invalid interpolation format "${shown}"`,
    location,
    'write $$ for a literal $, or one of ${V}, ${V:-default}, ${V:+alternative}, ${V:?message} on one line',
  );
}

function requiredVariable(name: string, reason: string, location: Place | undefined) {
  return composeError(
    'COMPOSE_VARIABLE_REQUIRED',
    `required variable ${name} is missing a value${reason === '' ? '' : `: ${reason}`}`,
    location,
    `set ${name} in the environment or in .env`,
  );
}

function unsetVariable(name: string, location: Place | undefined) {
  return {
    message: `the variable ${name} is not set and has no default; an empty string is used`,
    ...(location === undefined ? {} : { file: location.file, line: location.line }),
  };
}
