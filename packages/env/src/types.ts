import { z } from 'zod';
import { fixedMessage } from './problem.ts';

/** A type that reads text; `read` gives undefined for text that it refuses. */
function fromText<T>(read: (text: string) => T | undefined, message: string) {
  return z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message, params: fixedMessage });
    return z.NEVER;
  });
}

/** Marks a variable as secret: its value never appears in errors, defaults, examples or `util.inspect`. */
export function secret<T extends z.ZodType>(type: T): T {
  return type.meta({ ...type.meta(), secret: true }) as T;
}

/** A TCP port, 1 to 65535. */
export function port() {
  return integer({ min: 1, max: 65_535, what: 'a port number' });
}

export interface IntegerOptions {
  readonly min?: number;
  readonly max?: number;
  /** What the number is, for the message. */
  readonly what?: string;
}

/** A whole number in decimal digits. */
export function integer(options: IntegerOptions = {}) {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER, what = 'a whole number' } = options;
  const range = rangeOf(options);
  return fromText((text) => {
    if (!/^-?\d+$/.test(text)) return undefined;
    const value = Number(text);
    return value >= min && value <= max ? value : undefined;
  }, `must be ${what}${range}`);
}

function rangeOf({ min, max }: IntegerOptions): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return `, at least ${min}`;
  return max === undefined ? '' : `, at most ${max}`;
}

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  1: true,
  yes: true,
  on: true,
  false: false,
  0: false,
  no: false,
  off: false,
};

/** A switch: true/false, 1/0, yes/no, on/off, in any case. */
export function boolean() {
  return fromText(
    (text) => (Object.hasOwn(booleans, text.toLowerCase()) ? booleans[text.toLowerCase()] : undefined),
    'must be true or false (also 1/0, yes/no, on/off)',
  );
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration such as `250ms`, `30s`, `1h30m`; a bare number is milliseconds. The value is milliseconds. */
export function duration() {
  return fromText((text) => {
    if (/^\d+$/.test(text)) return safe(Number(text));
    if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
    let total = 0;
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
      total += Number(amount) * (units[unit as string] as number);
    }
    return safe(Math.round(total));
  }, 'must be a duration such as 500ms, 30s, 5m or 1h30m');
}

function safe(value: number): number | undefined {
  return Number.isSafeInteger(value) ? value : undefined;
}

export interface UrlOptions {
  /** Accepted schemes, without the colon: `['postgres', 'postgresql']`. Any unless told. */
  readonly protocols?: readonly string[];
}

/** An absolute URL. The value is the text as it was given, which is what clients and drivers want. */
export function url({ protocols }: UrlOptions = {}) {
  const schemes = protocols?.map((protocol) => `${protocol}://`).join(' or ');
  return fromText(
    (text) => {
      const parsed = URL.parse(text);
      if (!parsed || !/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined;
      return !protocols || protocols.includes(parsed.protocol.slice(0, -1)) ? text : undefined;
    },
    schemes ? `must be a URL that begins with ${schemes}` : 'must be an absolute URL, with its scheme',
  );
}

/** A list separated by commas; blanks around entries and empty entries are dropped. */
export function list(): z.ZodType<readonly string[], string>;
export function list<T extends z.ZodType<unknown, string>>(
  item: T,
): z.ZodType<readonly z.output<T>[], string>;
export function list(item: z.ZodType<unknown, string> = z.string()): z.ZodType<readonly unknown[], string> {
  const split = (text: string) => text.split(',').map((entry) => entry.trim());
  return z
    .string()
    .transform((text) => split(text).filter((entry) => entry !== ''))
    .pipe(z.array(item));
}
