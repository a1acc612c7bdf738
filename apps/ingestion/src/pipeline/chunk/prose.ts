import { countTokens } from '../text/tokens.ts';
import { cutHard, fits, fitsBytes, type Range, type Room } from './cut.ts';

// One for the process: making a segmenter costs more than cutting a page with it. The rules are the language-neutral
// ones of Unicode (UAX 29), so a result does not depend on the machine's language.
const sentences = new Intl.Segmenter('und', { granularity: 'sentence' });

/** Paragraphs packed into chunks; a long paragraph by sentences; neighbours share `overlap` tokens of whole sentences. */
export function* prose(text: string, range: Range, room: Room, overlap: number): Generator<Range> {
  let current: Range | undefined;
  let used = 0;
  for (const atom of atoms(text, range, room)) {
    const cost = countTokens(text, atom.start, atom.end);
    if (
      current &&
      (used + cost > room.tokens || !fitsBytes(text, { start: current.start, end: atom.end }, room))
    ) {
      yield current;
      const start: number = overlapStart(text, current, overlap, atom.start);
      const shared = countTokens(text, start, atom.start);
      const repeats = shared + cost <= room.tokens && fitsBytes(text, { start, end: atom.end }, room);
      current = { start: repeats ? start : atom.start, end: atom.end };
      used = repeats ? shared + cost : cost;
    } else {
      current = { start: current?.start ?? atom.start, end: atom.end };
      used += cost;
    }
  }
  if (current) yield current;
}

/** What is not torn apart: paragraphs, or sentences of a long one, or pieces of a long sentence. */
function* atoms(text: string, range: Range, room: Room): Generator<Range> {
  for (const paragraph of paragraphs(text, range)) {
    if (fits(text, paragraph, room)) yield paragraph;
    else
      for (const sentence of sentencesOf(text, paragraph)) {
        if (fits(text, sentence, room)) yield sentence;
        else yield* cutHard(text, sentence, room);
      }
  }
}

/** Stretches that end with their empty lines. */
function* paragraphs(text: string, { start, end }: Range): Generator<Range> {
  const gap = /\n[ \t\r]*\n/g;
  gap.lastIndex = start;
  let from = start;
  for (let match = gap.exec(text); match && match.index < end; match = gap.exec(text)) {
    const to = Math.min(end, gap.lastIndex);
    yield { start: from, end: to };
    from = to;
  }
  if (from < end) yield { start: from, end };
}

/** The segmenter slows down on very long input, so it gets windows that end at a line where there is one. */
function* sentencesOf(text: string, { start, end }: Range): Generator<Range> {
  for (let from = start; from < end; ) {
    let to = Math.min(end, from + window);
    if (to < end) {
      const line = text.lastIndexOf('\n', to);
      if (line > from + window / 2) to = line + 1;
      else if ((text.charCodeAt(to - 1) & 0xfc00) === 0xd800) to--;
    }
    for (const { segment, index } of sentences.segment(text.slice(from, to)))
      yield { start: from + index, end: from + index + segment.length };
    from = to;
  }
}

const window = 16_384;

/** Where the next chunk begins so that it repeats the last whole sentences of this one, `next` when none is short enough. */
function overlapStart(text: string, chunk: Range, overlap: number, next: number): number {
  if (overlap <= 0) return next;
  // Twelve characters a token are plenty; the sentence that this cuts is not taken.
  const from = Math.max(chunk.start + 1, chunk.end - overlap * 12);
  const starts = [...sentencesOf(text, { start: from, end: chunk.end })]
    .slice(1)
    .map((sentence) => sentence.start);
  return starts.find((start) => countTokens(text, start, chunk.end) <= overlap) ?? next;
}
