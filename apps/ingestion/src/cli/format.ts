import { styleText } from 'node:util';

export interface Hit {
  readonly name: string;
  readonly text: string;
  readonly score: number;
  readonly highlights: readonly (readonly [number, number])[];
  readonly page: number | null;
  readonly pageEnd: number | null;
  readonly slide: number | null;
  readonly sheet: string | null;
  readonly file: readonly string[];
  readonly headings: readonly string[];
  readonly start: number;
}

/** One hit as a person reads it: where, and the passage around the first match. */
export function formatHit(hit: Hit, colour: boolean): string {
  const { text, highlights } = hit;
  const place = placeOf(hit).join(' › ');
  const [first] = highlights;
  const from = Math.max(0, (first?.[0] ?? 0) - 80);
  const to = Math.min(text.length, from + 240);
  let passage = '';
  let at = from;
  for (const [start, end] of highlights) {
    if (start < at || end > to) continue;
    const match = text.slice(start, end);
    passage += text.slice(at, start) + (colour ? styleText('bold', match, { validateStream: false }) : match);
    at = end;
  }
  passage += text.slice(at, to);
  const shown = `${from > 0 ? '…' : ''}${passage.replace(/\s+/g, ' ').trim()}${to < text.length ? '…' : ''}`;
  return `${colour ? styleText('cyan', place, { validateStream: false }) : place}\n  ${shown}`;
}

function placeOf({ name, file, page, pageEnd, slide, sheet, headings }: Hit): string[] {
  const numbered = [
    ...(page === null ? [] : [pageEnd === null ? `page ${page}` : `pages ${page}–${pageEnd}`]),
    ...(slide === null ? [] : [`slide ${slide}`]),
    ...(sheet === null ? [] : [`sheet ${sheet}`]),
  ];
  return [name, ...file, ...numbered, ...headings];
}

/** A bar of 24 characters. */
export function bar(done: number, total: number): string {
  const filled = total === 0 ? 24 : Math.round((done / total) * 24);
  return `[${'#'.repeat(filled)}${'.'.repeat(24 - filled)}] ${done}/${total}`;
}
