import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { getResolvedPDFJS } from 'unpdf';
import { PipelineError } from '../errors.ts';
import type { TextBuilder } from './builder.ts';
import type { ByteSource } from './byte-source.ts';
import { malformed } from './zip.ts';

/** First and last page to read, counted from 1. */
export type PageRange = readonly [first: number, last: number];

/**
 * The text of each page, paragraphs divided by an empty line. The file is read in ranges, so a large one with many
 * pages is never in memory whole. Scripts, forms, fonts and anything outside the file stay untouched.
 */
export async function pdf(
  source: ByteSource,
  builder: TextBuilder,
  range: PageRange | undefined,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const { getDocument, PDFDataRangeTransport, PDFDateString } = await getResolvedPDFJS();
  class Ranges extends PDFDataRangeTransport {
    override requestDataRange(begin: number, end: number): void {
      source.read(begin, end).then(
        // The reader takes the bytes over, so they must be a copy of their own.
        (bytes) => this.onDataRange(begin, Uint8Array.from(bytes)),
        () => this.abort(),
      );
    }
  }
  const task = getDocument({
    range: new Ranges(source.size, null),
    disableAutoFetch: true,
    disableStream: true,
    rangeChunkSize: 1 << 18,
    disableFontFace: true,
    cMapUrl: './cmaps/',
    standardFontDataUrl: './standard_fonts/',
    BinaryDataFactory: PackagedData,
    useSystemFonts: false,
    useWorkerFetch: false,
    stopAtErrors: false,
    enableXfa: false,
    verbosity: 0,
  });
  try {
    const document = await task.promise;
    const last = Math.min(range?.[1] ?? document.numPages, document.numPages);
    const first = Math.max(1, range?.[0] ?? 1);
    builder.budget.pages(Math.max(0, last - first + 1));
    builder.pages = document.numPages;
    await readInfo(document, builder, (date) => PDFDateString.toDateObject(date));
    let damaged = 0;
    for (let number = first; number <= last; number++) {
      builder.budget.time();
      try {
        await readPage(await document.getPage(number), number, builder);
      } catch (cause) {
        if (cause instanceof PipelineError) throw cause;
        damaged++;
        builder.note('MALFORMED_PARTS', `Page ${number} is damaged`);
      }
      progress(number - first + 1, last - first + 1);
    }
    if (damaged > 0 && builder.length === 0)
      throw malformed('The PDF', new Error(`${damaged} pages without readable content`));
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'PasswordException')
      throw new PipelineError('INGEST_ENCRYPTED', 'The PDF is protected by a password', {
        hint: 'Remove the password and send it again.',
        cause,
      });
    throw malformed('The PDF', cause);
  } finally {
    await task.destroy();
  }
}

/** Tables that PDF files refer to by name: without them, much Chinese, Japanese and Korean text has no letters. */
class PackagedData {
  async fetch({ kind, filename }: { kind: string; filename: string }): Promise<Uint8Array> {
    const folder = { cMapUrl: 'cmaps', standardFontDataUrl: 'standard_fonts' }[kind];
    // The name comes from the document.
    if (folder === undefined || !/^[\w-]+\.\w+$/.test(filename))
      throw new Error(`There is no ${kind} ${filename}`);
    const root = new URL('./', import.meta.resolve('pdfjs-dist/package.json'));
    return new Uint8Array(await readFile(fileURLToPath(new URL(`${folder}/${filename}`, root))));
  }
}

type PdfDocument = Awaited<
  ReturnType<Awaited<ReturnType<typeof getResolvedPDFJS>>['getDocument']>['promise']
>;
type PdfPage = Awaited<ReturnType<PdfDocument['getPage']>>;
type TextContent = Awaited<ReturnType<PdfPage['getTextContent']>>;

async function readInfo(
  document: PdfDocument,
  builder: TextBuilder,
  toDate: (date: string) => Date | null,
): Promise<void> {
  const { info } = (await document.getMetadata().catch(() => undefined)) ?? {};
  const known = (info ?? {}) as Record<string, unknown>;
  if (typeof known.Title === 'string' && known.Title.trim() !== '')
    builder.title ??= known.Title.trim().slice(0, 500);
  const names = { Author: 'author', Subject: 'subject', Keywords: 'keywords', Creator: 'generator' };
  for (const [from, to] of Object.entries(names)) if (known[from]) builder.metadata[to] = known[from];
  for (const [from, to] of Object.entries({ CreationDate: 'created', ModDate: 'modified' }))
    if (typeof known[from] === 'string') builder.metadata[to] = toDate(known[from]) ?? known[from];
}

async function readPage(page: PdfPage, number: number, builder: TextBuilder): Promise<void> {
  let text = '';
  /** Of the last line that had text. */
  let line: { y: number; height: number } | undefined;
  let broken = true;
  // As a stream, so that a page without end is stopped on the way.
  for await (const { items } of page.streamTextContent() as AsyncIterable<TextContent>) {
    builder.budget.time();
    builder.budget.textBytes(text.length);
    for (const item of items) {
      if (!('str' in item)) continue;
      const y = Number(item.transform[5]);
      const height = item.height || Math.abs(Number(item.transform[3])) || 1;
      if (item.str.trim() !== '') {
        if (broken && line) {
          const far = Math.abs(line.y - y) > 1.7 * Math.max(line.height, height);
          if (far && text.endsWith('\n')) text += '\n';
        }
        line = { y, height };
        broken = false;
      }
      text += item.str;
      if (item.hasEOL) {
        text += '\n';
        broken = true;
      }
    }
  }
  page.cleanup();
  const whole = text
    .split('\n')
    .map((each) => each.trimEnd())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  if (whole === '') return;
  builder.gap();
  const start = builder.length;
  builder.append(whole);
  builder.segment(start, { kind: 'prose' }, { page: number });
}
