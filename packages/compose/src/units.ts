/** Nanoseconds of each unit of a duration, as Go and Compose write them. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
  d: 24 * 3600e9,
  w: 7 * 24 * 3600e9,
};

/** Longer than any duration; the search for parts takes quadratic time. */
const MAX_LENGTH = 100;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)/g;

/** `90s` -> `1m30s`: a duration as Compose prints it; undefined when the text is not one. */
export function canonicalDuration(text: string): string | undefined {
  const nanoseconds = parseDuration(text);
  return nanoseconds === undefined ? undefined : formatDuration(nanoseconds);
}

/** Nanoseconds of `1h2m3.5s`; undefined when the text is not a duration. */
export function parseDuration(value: string): number | undefined {
  const negative = value.startsWith('-');
  const digits = value.replace(/^[-+]/, '');
  if (digits === '0') return 0;
  if (digits.length > MAX_LENGTH) return undefined;
  let total = 0;
  const rest = digits.replace(PART, (_, count: string, unit: string) => {
    total += Number(count) * (UNITS[unit] as number);
    return '';
  });
  if (digits === '' || rest !== '' || !Number.isSafeInteger(Math.round(total))) return undefined;
  return negative ? -Math.round(total) : Math.round(total);
}

/** The inverse of {@link parseDuration}, in the form of Go's `time.Duration`. */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  if (nanoseconds < 0) return `-${formatDuration(-nanoseconds)}`;
  if (nanoseconds < 1e9) {
    const [size, unit] = nanoseconds < 1e3 ? [1, 'ns'] : nanoseconds < 1e6 ? [1e3, 'µs'] : [1e6, 'ms'];
    return `${decimal(nanoseconds, size as number)}${unit}`;
  }
  const minutes = Math.floor(nanoseconds / 60e9);
  const seconds = `${decimal(nanoseconds - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

/** `count / size` with all its decimals and no trailing zeros; `size` is a power of ten. */
function decimal(count: number, size: number): string {
  const fraction = String(count % size)
    .padStart(String(size).length - 1, '0')
    .replace(/0+$/, '');
  return `${Math.floor(count / size)}${size === 1 || fraction === '' ? '' : `.${fraction}`}`;
}

const EXPONENTS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes of `256m`, `1.5gb`, `64KiB` (all of them powers of 1024) or `1024`; undefined when the text is not a size. */
export function parseBytes(value: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(value.trim());
  if (match === null) return undefined;
  const bytes = Math.floor(
    Number(match[1]) * 1024 ** (EXPONENTS[(match[2] as string).toLowerCase()] as number),
  );
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
