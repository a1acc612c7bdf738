import { hash } from 'node:crypto';
import { countBytes, countTokens } from '../text/tokens.ts';
import type { Chunk, ChunkOptions, ExtractedDocument, Segment } from '../types.ts';
import { code } from './code.ts';
import { cutHard, fits, type Range, type Room, trim } from './cut.ts';
import { prose } from './prose.ts';
import { pack, table } from './table.ts';

/** Segments that are cut as one, with the position of the most important of them. */
interface Section {
  segment: Segment;
  start: number;
  end: number;
  tokens: number;
  /** The tokens of the segment that gave the position. */
  weight: number;
  /** Where each page begins. */
  pages: { start: number; page: number }[];
}

/**
 * Cuts a document. Each chunk is exactly `document.text.slice(start, end)`; what stands elsewhere but is needed to
 * understand it is its `context`. The ids depend on `seed` (for example the document's and version's key), the place
 * and the text, and on nothing else.
 */
export function chunk(document: ExtractedDocument, options: Readonly<ChunkOptions>, seed: string): Chunk[] {
  const chunks: Chunk[] = [];
  for (const section of sections(document, options)) {
    for (const { start, end, context, tokens } of cut(document.text, section, options)) {
      const text = document.text.slice(start, end);
      const index = chunks.length;
      chunks.push({
        id: chunkId(seed, index, start, end, text),
        index,
        kind: section.segment.kind,
        start,
        end,
        text,
        tokens,
        ...(context === undefined ? {} : { context }),
        ...place(section, start, end),
      });
    }
  }
  return chunks;
}

/** A version 8 UUID (RFC 9562: made by an own rule) from the hash of everything that makes the chunk this one. */
function chunkId(seed: string, index: number, start: number, end: number, text: string): string {
  const hex = hash('sha256', `${seed}\0${index}\0${start}\0${end}\0${text}`, 'hex');
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function place({ segment, pages }: Section, start: number, end: number) {
  const { slide, sheet, headings, file } = segment;
  const page = pages.findLast((each) => each.start <= start)?.page;
  const pageEnd = pages.findLast((each) => each.start < end)?.page;
  return {
    ...(page === undefined ? {} : { page }),
    ...(pageEnd === undefined || pageEnd === page ? {} : { pageEnd }),
    ...(slide === undefined ? {} : { slide }),
    ...(sheet === undefined ? {} : { sheet }),
    ...(headings === undefined ? {} : { headings }),
    ...(file === undefined ? {} : { file }),
  };
}

/** Joins the pages of a text, and sections too small to be found alone with the next one. */
function* sections(document: ExtractedDocument, options: ChunkOptions): Generator<Section> {
  let current: Section | undefined;
  for (const segment of document.segments) {
    const tokens = countTokens(document.text, segment.start, segment.end);
    if (current && joins(current, segment, options)) {
      if (tokens > current.weight) {
        current.segment = segment;
        current.weight = tokens;
      }
      current.end = segment.end;
      current.tokens += tokens;
    } else {
      if (current) yield current;
      current = { segment, start: segment.start, end: segment.end, tokens, weight: tokens, pages: [] };
    }
    if (segment.page !== undefined) current.pages.push({ start: segment.start, page: segment.page });
  }
  if (current) yield current;
}

function joins(current: Section, next: Segment, options: ChunkOptions): boolean {
  const before = current.segment;
  if (next.kind !== before.kind || (next.kind !== 'prose' && next.kind !== 'records')) return false;
  if (next.sheet !== before.sheet || next.slide !== before.slide) return false;
  if (!samePath(next.file, before.file)) return false;
  return samePath(next.headings, before.headings) || current.tokens < options.minTokens;
}

function samePath(one: string[] | undefined, other: string[] | undefined): boolean {
  return (
    one === other || (one?.length === other?.length && (one ?? []).every((part, at) => part === other?.[at]))
  );
}

interface Piece extends Range {
  context: string | undefined;
  /** Of context and text. */
  tokens: number;
}

function* cut(text: string, section: Section, options: ChunkOptions): Generator<Piece> {
  const { segment } = section;
  const headings = segment.headings ?? [];
  const header =
    segment.kind === 'table' && segment.headerEnd !== undefined
      ? text.slice(segment.start, Math.min(segment.headerEnd, segment.start + 2000)).trim()
      : '';
  // The worst case of what may stand before a piece; code reserves for the lines around it.
  const scopeRoom = segment.kind === 'code' ? 100 : 0;
  const widest = shorten([headings.join(' > '), header].filter((line) => line !== '').join('\n'), options);
  const room: Room = {
    tokens: Math.max(16, options.maxTokens - countTokens(widest) - scopeRoom),
    bytes: Math.max(256, options.maxBytes - countBytes(widest) - scopeRoom * 11),
  };
  for (const piece of withinRoom(text, pieces(text, section, room, options), room)) {
    const { start, end } = trim(text, piece);
    if (start === end) continue;
    const lines = [outside(text, start, headings).join(' > ')];
    if (header !== '' && start >= segment.headerEnd!) lines.push(header);
    lines.push(...(piece.scope ?? []));
    const context = shorten(lines.filter((line) => line !== '').join('\n'), options);
    const tokens = countTokens(text, start, end) + countTokens(context);
    yield { start, end, tokens, context: context === '' ? undefined : context };
  }
}

/** Adding up estimates of parts can come out a little below the estimate of the whole. */
function* withinRoom<T extends Range>(text: string, pieces: Iterable<T>, room: Room): Generator<T> {
  for (const piece of pieces) {
    if (fits(text, piece, room)) yield piece;
    else for (const part of cutHard(text, piece, room)) yield { ...piece, ...part };
  }
}

/** The headings that the piece does not begin with itself. */
function outside(text: string, start: number, headings: string[]): string[] {
  const last = headings.at(-1);
  if (last === undefined) return headings;
  const newline = text.indexOf('\n', start);
  const firstLine = text.slice(start, Math.min(newline < 0 ? text.length : newline, start + 300));
  return firstLine.includes(last) ? headings.slice(0, -1) : headings;
}

/** Context takes a quarter of a chunk at most. */
function shorten(context: string, options: ChunkOptions): string {
  const tokens = options.maxTokens / 4;
  const bytes = options.maxBytes / 4;
  let length = Math.min(context.length, tokens * 8, bytes);
  while (length > 0 && (countTokens(context, 0, length) > tokens || countBytes(context, 0, length) > bytes))
    length = Math.floor(length * 0.9);
  return context.slice(0, length).toWellFormed();
}

function pieces(
  text: string,
  section: Section,
  room: Room,
  options: ChunkOptions,
): Iterable<Range & { scope?: string[] }> {
  const { segment } = section;
  switch (segment.kind) {
    case 'prose':
      return prose(text, section, room, options.overlapTokens);
    case 'table':
      return table(text, section, room, segment.quoted ?? false);
    case 'code':
      return code(text, section, segment.language, room);
    case 'records':
      return pack(text, linesOf(text, section), room);
  }
}

function* linesOf(text: string, { start, end }: Range): Generator<Range> {
  for (let from = start; from < end; ) {
    const newline = text.indexOf('\n', from);
    const to = newline < 0 || newline >= end ? end : newline + 1;
    yield { start: from, end: to };
    from = to;
  }
}
