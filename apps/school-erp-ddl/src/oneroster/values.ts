import { splitList } from './csv.ts';
import type { Kind, Version } from './spec.ts';

/** A field as it goes into the database. */
export type Value = string | boolean | readonly string[] | null;

/** A field that is not as the standard wants it: what is wrong, and what a lenient import makes of it. */
export interface Flaw {
  readonly flaw: string;
  /** undefined: nothing can be made of it. */
  readonly instead: Value | undefined;
}

export type Parse = (text: string) => Value | Flaw;

/** How to read a non-empty field of a kind. References and secrets stay text. */
export function parserOf(kind: Kind, version: Version): Parse {
  switch (kind.kind) {
    case 'text':
    case 'ref':
    case 'secret':
      return (text) => text;
    case 'boolean':
      return parseBoolean;
    case 'date':
      return parseDate;
    case 'number':
      return parseNumber;
    case 'year':
      return parseYear;
    case 'list':
    case 'refs':
      return splitList;
    case 'pairs':
      return (text) => parsePairs(text, kind.keys);
    case 'word':
      return wordParser(kind.words, kind.extensible && version === '1.2', kind.extensible);
  }
}

export function isFlaw(value: Value | Flaw): value is Flaw {
  return typeof value === 'object' && value !== null && 'flaw' in value;
}

function parseBoolean(text: string): Value | Flaw {
  if (text === 'true') return true;
  if (text === 'false') return false;
  const word = text.toLowerCase();
  const instead = ['true', '1', 'yes', 'y'].includes(word)
    ? true
    : ['false', '0', 'no', 'n'].includes(word)
      ? false
      : undefined;
  return { flaw: `${quote(text)} is not true or false`, instead };
}

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const LOOSE_DATE = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?$/;
const DAY_FIRST = /^(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?:[T ].*)?$/;

function parseDate(text: string): Value | Flaw {
  if (DATE.test(text) && isDay(text)) return text;
  const loose = LOOSE_DATE.exec(text)?.slice(1) ?? dayFirst(text);
  const repaired = loose && `${loose[0]}-${loose[1]!.padStart(2, '0')}-${loose[2]!.padStart(2, '0')}`;
  return {
    flaw: `${quote(text)} is not a date (YYYY-MM-DD)`,
    instead: repaired && isDay(repaired) ? repaired : undefined,
  };
}

/**
 * Year, month and day of a date that ends with its year. With dots or hyphens the day comes first; with slashes it
 * may be either, so that only a number above 12, or the same number twice, tells.
 */
function dayFirst(text: string): [string, string, string] | undefined {
  const [, first, separator, second, year] = DAY_FIRST.exec(text) ?? [];
  if (!first || !second || !year) return undefined;
  if (separator !== '/' || Number(first) > 12 || Number(first) === Number(second))
    return [year, second, first];
  return Number(second) > 12 ? [year, first, second] : undefined;
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDay(text: string): boolean {
  const year = Number(text.slice(0, 4));
  const month = Number(text.slice(5, 7));
  const day = Number(text.slice(8, 10));
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return year >= 1 && day >= 1 && day <= (DAYS[month - 1] ?? 0) + (leap ? 1 : 0);
}

const MOMENT = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** A `dateLastModified`: ISO 8601 with a zone. */
export function parseMoment(text: string): Value | Flaw {
  const match = MOMENT.exec(text);
  if (match && isDay(match[1]!)) return text;
  const time = Date.parse(text);
  return {
    flaw: `${quote(text)} is not a date and time (YYYY-MM-DDThh:mm:ss.sssZ)`,
    instead: Number.isNaN(time) ? undefined : new Date(time).toISOString(),
  };
}

function parseNumber(text: string): Value | Flaw {
  if (/^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?$/.test(text)) return text;
  const repaired = text.trim().replace(',', '.');
  return {
    flaw: `${quote(text)} is not a number`,
    instead: /^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(repaired) ? repaired : undefined,
  };
}

function parseYear(text: string): Value | Flaw {
  if (/^\d{4}$/.test(text) && text >= '1900' && text <= '2200') return text;
  const span = /^(\d{2})(\d{2})\s*[-/–]\s*(\d{4}|\d{2})$/.exec(text.trim());
  const end = span && (span[3]!.length === 4 ? span[3]! : `${span[1]}${span[3]}`);
  return {
    flaw: `${quote(text)} is not a year (the four digits of the year in which the school year ends)`,
    instead: end && end >= '1900' && end <= '2200' ? end : undefined,
  };
}

function parsePairs(text: string, [left, right]: readonly [string, string]): Value | Flaw {
  const pairs: Record<string, string>[] = [];
  for (const item of splitList(text)) {
    const match = /^\{([^:}]*):(.*)\}$/.exec(item);
    if (!match) return { flaw: `${quote(text)} is not a list of {a:b}`, instead: undefined };
    pairs.push({ [left]: match[1]!, [right]: match[2]! });
  }
  return JSON.stringify(pairs);
}

function wordParser(words: readonly string[], ownAllowed: boolean, ownRepairs: boolean): Parse {
  const exact = new Set(words);
  const loose = new Map(words.map((word) => [plain(word), word]));
  return (text) => {
    if (exact.has(text) || (ownAllowed && text.startsWith('ext:') && text.length > 4)) return text;
    const own = text.startsWith('ext:') ? text : `ext:${text}`;
    return {
      flaw: `${quote(text)} is not one of ${words.join(', ')}`,
      instead: loose.get(plain(text)) ?? (ownRepairs ? own : undefined),
    };
  };
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[\s_-]/g, '');
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
