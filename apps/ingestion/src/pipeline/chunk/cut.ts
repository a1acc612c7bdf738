import { countBytes, countTokens } from '../text/tokens.ts';

/** A stretch of text that becomes a chunk, or a part of one. */
export interface Range {
  start: number;
  end: number;
}

/** What one chunk may hold besides its context. */
export interface Room {
  tokens: number;
  bytes: number;
}

export function fits(text: string, range: Range, room: Room): boolean {
  return fitsBytes(text, range, room) && countTokens(text, range.start, range.end) <= room.tokens;
}

/** For callers that add tokens up themselves. */
export function fitsBytes(text: string, { start, end }: Range, room: Room): boolean {
  // A code unit takes three bytes at most; only long stretches need counting.
  return (end - start) * 3 <= room.bytes || countBytes(text, start, end) <= room.bytes;
}

/**
 * Cuts what has no better joint: at white space where there is some near the limit, never inside a surrogate pair.
 * Each step looks at no more than one chunk, so a line of many megabytes takes linear time.
 */
export function* cutHard(text: string, { start, end }: Range, room: Room): Generator<Range> {
  for (let from = start; from < end; ) {
    let length = Math.min(end - from, room.tokens * 4, room.bytes);
    while (length > 1 && !fits(text, { start: from, end: from + length }, room)) {
      const used = countTokens(text, from, from + length) / room.tokens;
      const heavy = countBytes(text, from, from + length) / room.bytes;
      length = Math.max(1, Math.floor((length * 0.98) / Math.max(used, heavy, 1.01)));
    }
    let to = from + length;
    if (to < end) {
      const space = lastSpace(text, to, from + Math.floor(length * 0.7));
      if (space > from) to = space;
      else if ((text.charCodeAt(to - 1) & 0xfc00) === 0xd800) to += to - 1 > from ? -1 : 1;
    }
    yield { start: from, end: to };
    from = to;
  }
}

function lastSpace(text: string, from: number, floor: number): number {
  for (let at = from; at > floor; at--) if (isSpace(text.charCodeAt(at - 1))) return at;
  return -1;
}

function isSpace(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13) || unit === 0xa0 || unit === 0x3000 || unit === 0x2028;
}

/** The range without white space at its ends. */
export function trim(text: string, { start, end }: Range): Range {
  let from = start;
  let to = end;
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return { start: from, end: to };
}
