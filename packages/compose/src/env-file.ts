import { ComposeError, composeError, type OnWarning, type Place, Problems } from './errors.ts';
import { type Environment, interpolateWith } from './interpolate.ts';

export interface EnvFileOptions {
  /** The environment that `$NAME` and bare names read first; it wins over the file's own variables there. */
  readonly env?: Environment;
  /** Name of the file, for errors. */
  readonly file?: string;
  readonly onWarning?: OnWarning;
}

const SPACE = /[\t\v\f\r \u0085\u00a0]/;
const NAME_CHARACTER = /[\p{L}\p{N}_.[\]-]/u;
const ESCAPE = /\\(?:[abcfnrtv$"\\]|0\d{0,3})/g;
const ESCAPED: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  '\\': '\\',
  // Left to the interpolation that follows, which reads $$ as a literal $.
  $: '$$',
};

/**
 * Reads an env file in Compose's own dialect, which Node's and dotenv's parsers do not share: `A=v`, `A: v`,
 * `export A=v`, values in single quotes (literal) or double quotes (escapes and variables), `#` comments after
 * a space. A bare `A` takes the value of `env.A`, and is left out when there is none.
 *
 * @throws ComposeError COMPOSE_ENV_FILE with every bad line of the file; messages never hold values.
 */
export function parseEnvFile(text: string, options: EnvFileOptions = {}): Record<string, string> {
  const { env = {}, file = '(env file)', onWarning } = options;
  const variables = new Map<string, string>();
  const problems = new Problems();
  const inherited = (name: string) => (Object.hasOwn(env, name) ? env[name] : undefined);
  const expand = (value: string, at: Place) => {
    try {
      return interpolateWith(value, (name) => inherited(name) ?? variables.get(name), {
        location: at,
        ...(onWarning === undefined ? {} : { onWarning }),
      });
    } catch (error) {
      if (!(error instanceof ComposeError) || error.code !== 'COMPOSE_INTERPOLATION') throw error;
      // The message shows what is malformed, which here is part of a value.
      throw composeError(error.code, 'invalid interpolation format in a value', at, error.hint);
    }
  };

  const scanner = new Scanner(text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'), file);
  while (scanner.toStatement()) {
    const at = scanner.place();
    const key = scanner.key();
    if (key.problem !== undefined) {
      problems.add('COMPOSE_ENV_FILE', key.problem, at, 'write NAME=value, or put a # before a comment');
      scanner.skipLine();
      continue;
    }
    if (key.name === '') onWarning?.({ message: 'a variable has no name', ...at });
    if (key.bare) {
      const value = inherited(key.name);
      if (value !== undefined) variables.set(key.name, value);
      continue;
    }
    const value = scanner.value();
    if (value === undefined) {
      const hint = 'close the quote; a quote inside the value is written \\" or \\\'';
      problems.add('COMPOSE_ENV_FILE', `unterminated quoted value of ${key.name}`, at, hint);
      break;
    }
    const resolved = value.literal ? value.text : problems.collect(() => expand(value.text, at));
    if (resolved !== undefined) variables.set(key.name, resolved);
  }
  problems.throwIfAny();
  return Object.fromEntries(variables);
}

/** Reads an env file of format `raw`: every line is `NAME=value`, taken as it stands. */
export function parseRawEnvFile(text: string): Record<string, string> {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const variables = new Map<string, string>();
  for (const line of lines) {
    const equals = line.indexOf('=');
    if (line.startsWith('#') || equals < 1) continue;
    variables.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return Object.fromEntries(variables);
}

class Scanner {
  readonly #text: string;
  readonly #file: string;
  #position = 0;
  #line = 1;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  place(): Place {
    return { file: this.#file, line: this.#line };
  }

  /** Moves past white space, empty lines and comments; false at the end of the text. */
  toStatement(): boolean {
    for (;;) {
      while (this.#position < this.#text.length && /\s/.test(this.#text[this.#position] as string))
        this.#advance();
      if (this.#position >= this.#text.length) return false;
      if (this.#text[this.#position] !== '#') return true;
      this.skipLine();
    }
  }

  skipLine(): void {
    while (this.#position < this.#text.length && this.#text[this.#position] !== '\n') this.#advance();
  }

  /** Reads up to and with the `=` or `:`, or the line's end when the name stands alone. */
  key(): { name: string; bare: boolean; problem?: string } {
    const prefix = /^export[^\S\n]+/.exec(this.#text.slice(this.#position, this.#position + 64));
    if (prefix !== null) this.#position += prefix[0].length;
    const start = this.#position;
    while (this.#position < this.#text.length) {
      const character = String.fromCodePoint(this.#text.codePointAt(this.#position) as number);
      if (character === '=' || character === ':' || character === '\n') break;
      if (!SPACE.test(character) && !NAME_CHARACTER.test(character)) {
        return {
          name: '',
          bare: false,
          problem: `unexpected character ${JSON.stringify(character)} in a variable name`,
        };
      }
      this.#position += character.length;
    }
    const name = this.#text.slice(start, this.#position).trimEnd();
    const bare = this.#position >= this.#text.length || this.#text[this.#position] === '\n';
    if (/\s/.test(name)) return { name, bare, problem: 'a variable name cannot contain a space' };
    if (!bare) this.#position += 1;
    return { name, bare };
  }

  /** The value behind the key; undefined when its quote is never closed. */
  value(): { text: string; literal: boolean } | undefined {
    while (this.#position < this.#text.length && SPACE.test(this.#text[this.#position] as string))
      this.#advance();
    const quote = this.#text[this.#position];
    if (quote === '"' || quote === "'") return this.#quoted(quote);
    const newline = this.#text.indexOf('\n', this.#position);
    const end = newline < 0 ? this.#text.length : newline;
    const line = this.#text.slice(this.#position, end);
    this.#position = end;
    const comment = line.indexOf(' #');
    return { text: (comment < 0 ? line : line.slice(0, comment)).trimEnd(), literal: false };
  }

  #quoted(quote: '"' | "'"): { text: string; literal: boolean } | undefined {
    let text = '';
    this.#advance();
    while (this.#position < this.#text.length) {
      const character = this.#advance();
      if (character === quote) {
        return quote === '"' ? { text: expandEscapes(text), literal: false } : { text, literal: true };
      }
      if (character !== '\\' || this.#position >= this.#text.length) {
        text += character;
        continue;
      }
      const escaped = this.#advance();
      text += escaped === quote ? escaped : `\\${escaped}`;
    }
    return undefined;
  }

  #advance(): string {
    const character = this.#text[this.#position] as string;
    this.#position += 1;
    if (character === '\n') this.#line += 1;
    return character;
  }
}

function expandEscapes(text: string): string {
  return text.replace(ESCAPE, (sequence) => {
    const body = sequence.slice(1);
    if (!body.startsWith('0')) return ESCAPED[body] ?? sequence;
    // Octal as `echo` writes it, \0123; shorter or larger than a byte is not a character.
    const octal = /^0([0-3][0-7]{2})$/.exec(body)?.[1];
    return octal === undefined ? sequence : String.fromCharCode(Number.parseInt(octal, 8));
  });
}
