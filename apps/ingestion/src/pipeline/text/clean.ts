import type { JsonValue } from '../types.ts';

/** Well-formed Unicode without NUL, which PostgreSQL refuses: NULs vanish, lone surrogates become U+FFFD. */
export function cleanText(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  return whole.includes('\0') ? whole.replaceAll('\0', '') : whole;
}

/** Bounds of metadata: it travels with every search hit. */
const bounds = { depth: 8, keys: 200, key: 200, items: 200, length: 4096 };

/** Told what goes beyond the bounds, before it is left out. */
type OnCut = (what: string) => void;

/**
 * Any value as clean, bounded JSON: strings as in {@link cleanText}, dates as ISO strings, numbers that JSON cannot
 * hold as null, functions and cycles left out.
 */
export function cleanMetadata(value: unknown, depth = 0, onCut?: OnCut): JsonValue {
  if (typeof value === 'string') {
    if (value.length > bounds.length) onCut?.(`a text of more than ${bounds.length} characters`);
    return cleanText(value.slice(0, bounds.length));
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (typeof value !== 'object' || value === null) return null;
  if (depth >= bounds.depth) {
    onCut?.(`more than ${bounds.depth} levels`);
    return null;
  }
  if (Array.isArray(value)) {
    if (value.length > bounds.items) onCut?.(`a list of more than ${bounds.items} items`);
    return value.slice(0, bounds.items).map((item) => cleanMetadata(item, depth + 1, onCut));
  }
  return cleanRecord(value, depth, onCut);
}

/** The same for an object: keys are cleaned too, and entries without a value are dropped. */
export function cleanRecord(value: object, depth = 0, onCut?: OnCut): { [key: string]: JsonValue } {
  const entries: [string, JsonValue][] = [];
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || typeof item === 'function' || typeof item === 'symbol') continue;
    if (entries.length >= bounds.keys) {
      onCut?.(`more than ${bounds.keys} entries`);
      break;
    }
    if (key.length > bounds.key) onCut?.(`a name of more than ${bounds.key} characters`);
    entries.push([cleanText(key.slice(0, bounds.key)), cleanMetadata(item, depth + 1, onCut)]);
  }
  // fromEntries defines own properties, so a key such as __proto__ stays a key.
  return Object.fromEntries(entries);
}

const controls = /[\p{Cc}\p{Bidi_Control}]/gu;

/**
 * A file name as it may be shown: one line, no control or direction characters, no drive, no leading slash, no `..`
 * steps, and `length` at most. It is still only a label; nothing opens a file by it.
 */
export function displayName(name: string, length = 255): string {
  const parts = cleanText(name.slice(0, 1024))
    .replace(controls, '')
    .split(/[\\/]/)
    .filter((part) => part !== '' && part !== '.' && part !== '..' && !/^[a-z]:$/i.test(part));
  return parts.join('/').slice(0, length).toWellFormed() || 'unnamed';
}
