import { rowsOf } from '../text/rows.ts';
import { countTokens } from '../text/tokens.ts';
import { cutHard, fitsBytes, type Range, type Room } from './cut.ts';

/** Whole rows packed into chunks; only a row that fits nowhere is cut. */
export function* table(text: string, range: Range, room: Room, quoted: boolean): Generator<Range> {
  yield* pack(text, rowsOf(text, range.start, range.end, quoted), room);
}

/** Packs neighbours as long as there is room; cuts those that exceed it alone. */
export function* pack(text: string, parts: Iterable<Range>, room: Room): Generator<Range> {
  let current: Range | undefined;
  let used = 0;
  for (const part of parts) {
    const cost = countTokens(text, part.start, part.end);
    const whole = cost <= room.tokens && fitsBytes(text, part, room);
    if (
      current &&
      (!whole || used + cost > room.tokens || !fitsBytes(text, { start: current.start, end: part.end }, room))
    ) {
      yield current;
      current = undefined;
      used = 0;
    }
    if (!whole) yield* cutHard(text, part, room);
    else {
      current = { start: current?.start ?? part.start, end: part.end };
      used += cost;
    }
  }
  if (current) yield current;
}
