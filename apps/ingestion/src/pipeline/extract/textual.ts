import { isUtf8 } from 'node:buffer';
import { parseDocument } from 'yaml';
import { decode, detectEncoding } from '../detect/encoding.ts';
import type { Detection } from '../types.ts';
import type { TextBuilder } from './builder.ts';
import type { ByteSource } from './byte-source.ts';

/** All of a text, in the encoding that was detected from its beginning unless the rest speaks against it. */
export async function readText(
  source: ByteSource,
  detection: Detection,
  builder: TextBuilder,
): Promise<string> {
  builder.budget.textBytes(source.size);
  const bytes = await source.read(0, source.size);
  if (detection.encoding === 'utf-8' && isUtf8(bytes))
    return decode(bytes, { label: 'utf-8', bomBytes: detection.bomBytes ?? 0 });
  const encoding = detectEncoding(bytes, detection.encoding);
  const text = decode(bytes, encoding);
  const known = detection.notes.some((note) => note.code.includes('ENCODING'));
  if (!known && text.includes('\ufffd'))
    builder.note('INVALID_ENCODING', `Some bytes are not valid ${encoding.label}`);
  if (!known && encoding.guessed) builder.note('ENCODING_GUESSED', `Read as ${encoding.label}`);
  return text;
}

/** Plain text and source code: the text as it is. */
export function plain(text: string, detection: Detection, builder: TextBuilder): void {
  const start = builder.length;
  builder.append(text);
  if (detection.format === 'code') builder.segment(start, { kind: 'code', language: detection.language });
  else builder.segment(start, { kind: 'prose' });
}

/** Longer ones are cut by their own rules; shorter ones stay with the text that explains them. */
const standsAlone = 1200;

/** Markdown as it is written, in one segment per section; the front matter becomes metadata. */
export function markdown(text: string, builder: TextBuilder): void {
  const base = builder.length;
  const clean = builder.clean(text);
  builder.append(clean);
  const body = frontMatter(clean, builder);
  const headings: { level: number; text: string }[] = [];
  let start = body;
  let fence: { mark: string; at: number; language: string } | undefined;
  let table: number | undefined;
  let previous = { at: body, text: '' };

  const close = (end: number) => {
    builder.add({ kind: 'prose', ...path(headings), start: base + start, end: base + end });
    start = end;
  };
  const alone = (from: number, to: number, make: () => Parameters<TextBuilder['add']>[0]) => {
    if (to - from < standsAlone) return;
    close(from);
    builder.add(make());
    start = to;
  };
  const heading = (level: number, title: string, at: number) => {
    close(at);
    while (headings.length > 0 && headings.at(-1)!.level >= level) headings.pop();
    headings.push({ level, text: title.slice(0, 200).toWellFormed() });
    if (level === 1) builder.title ??= title.slice(0, 200);
  };

  for (let at = body; at < clean.length; ) {
    const newline = clean.indexOf('\n', at);
    const next = newline < 0 ? clean.length : newline + 1;
    // Marks stand at the beginning of a line; the rest of a long one need not be looked at.
    const line = clean.slice(at, Math.min(next, at + 400)).trimEnd();
    const mark = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line);
    if (fence) {
      if (mark && mark[1]!.startsWith(fence.mark) && mark[2]!.trim() === '') {
        const { at: from, language } = fence;
        alone(from, next, () => ({
          kind: 'code',
          language,
          ...path(headings),
          start: base + from,
          end: base + next,
        }));
        fence = undefined;
      }
    } else if (mark) {
      fence = { mark: mark[1]!, at, language: /^\w{0,20}/.exec(mark[2]!.trim())![0].toLowerCase() };
    } else {
      const isRow = line.trimStart().startsWith('|');
      if (isRow) table ??= at;
      else if (table !== undefined) {
        const from = table;
        alone(from, at, () => tableSegment(clean, base, from, at, headings));
        table = undefined;
      }
      const atx = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/.exec(line);
      if (atx) heading(atx[1]!.length, (atx[2] ?? '').replace(/[ \t]#+$/, '').trim(), at);
      else if (/^ {0,3}(=+|-+)$/.test(line) && /^ {0,3}[^\s>|#*+-]/.test(previous.text))
        heading(line.trimStart().startsWith('=') ? 1 : 2, previous.text.trim(), previous.at);
      previous = { at, text: line };
    }
    at = next;
  }
  if (table !== undefined) {
    const from = table;
    alone(from, clean.length, () => tableSegment(clean, base, from, clean.length, headings));
  }
  close(clean.length);
}

function path(headings: { text: string }[]): { headings?: string[] } {
  const texts = headings.map((heading) => heading.text).filter((text) => text !== '');
  return texts.length > 0 ? { headings: texts } : {};
}

function tableSegment(text: string, base: number, start: number, end: number, headings: { text: string }[]) {
  // The header is two lines: names, then dashes.
  const first = text.indexOf('\n', start) + 1;
  const second = text.indexOf('\n', first) + 1;
  const ruled = first > 0 && second > 0 && /^[ \t]*\|[ \t|:-]{3,200}/.test(text.slice(first, second));
  return {
    kind: 'table' as const,
    ...path(headings),
    start: base + start,
    end: base + end,
    ...(ruled ? { headerEnd: base + second } : {}),
  };
}

/** Reads `---` ... `---` at the beginning into the metadata; returns where the body begins. */
function frontMatter(text: string, builder: TextBuilder): number {
  const open = /^---[ \t]*\r?\n/.exec(text.slice(0, 20));
  if (!open) return 0;
  const close = /\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/.exec(text.slice(0, 8192));
  if (!close) return 0;
  try {
    const parsed: unknown = parseDocument(text.slice(open[0].length, close.index), {
      logLevel: 'silent',
    }).toJS({
      maxAliasCount: 20,
    });
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 0;
    builder.metadata.frontMatter = parsed;
    if ('title' in parsed && typeof parsed.title === 'string') builder.title ??= parsed.title;
  } catch {
    builder.note('MALFORMED_PARTS', 'The front matter is not valid YAML');
  }
  return close.index + close[0].length;
}
