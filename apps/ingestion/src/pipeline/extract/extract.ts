import { detect } from '../detect/detect.ts';
import { PipelineError } from '../errors.ts';
import { cleanRecord, cleanText, displayName } from '../text/clean.ts';
import type { Detection, ExtractedDocument, Format, Progress } from '../types.ts';
import type { Budget } from './budget.ts';
import { TextBuilder } from './builder.ts';
import { type ByteSource, fromBytes } from './byte-source.ts';
import { csv } from './csv.ts';
import type { ReadPart } from './eml.ts';
import { json } from './json.ts';
import { markdown, plain, readText } from './textual.ts';
import { malformed, openZip } from './zip.ts';

export interface ExtractOptions {
  budget: Budget;
  /** For PDF: the pages to read, both counted. */
  pageRange?: readonly [number, number] | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** What a reader of one format gets. */
interface Task {
  source: ByteSource;
  builder: TextBuilder;
  detection: Detection;
  options: ExtractOptions;
  progress: (done: number, total?: number) => void;
}

/** One reader per format; those with a heavy parser load it when the first such document comes. */
const readers: Record<Format, (task: Task) => Promise<void>> = {
  pdf: async ({ source, builder, options, progress }) =>
    (await import('./pdf.ts')).pdf(source, builder, options.pageRange, progress),
  docx: async ({ source, builder }) => (await import('./docx.ts')).docx(source, builder),
  pptx: async ({ source, builder, progress }) => (await import('./pptx.ts')).pptx(source, builder, progress),
  xlsx: async ({ source, builder, progress }) => (await import('./xlsx.ts')).xlsx(source, builder, progress),
  html: async (task) => (await import('./html.ts')).html(await textOf(task), task.builder),
  xml: async (task) => (await import('./html.ts')).xml(await textOf(task), task.builder),
  eml: async (task) => (await import('./eml.ts')).eml(task.source, task.builder, partReader(task)),
  markdown: async (task) => markdown(await textOf(task), task.builder),
  text: async (task) => plain(await textOf(task), task.detection, task.builder),
  code: async (task) => plain(await textOf(task), task.detection, task.builder),
  csv: async (task) => csv(await textOf(task), task.builder),
  json: async (task) => json(await textOf(task), task.builder),
  zip: readArchive,
};

const textOf = ({ source, detection, builder }: Task) => readText(source, detection, builder);

/**
 * Finds out what a document is and reads its text. Runs in the caller's process: for documents from outside, use the
 * isolated `Extractor`, which calls this where a parser can do no harm.
 */
export async function extract(
  source: ByteSource,
  claim: { name: string; declaredType?: string | undefined },
  options: ExtractOptions,
): Promise<ExtractedDocument> {
  options.budget.input(source.size);
  const builder = new TextBuilder(options.budget);
  options.onProgress?.({ stage: 'detect', done: 0 });
  const detection = await detect(source, claim, options.budget);
  if (source.size === 0) builder.note('EMPTY', 'The document has no bytes');
  else await read({ source, builder, detection, options, progress: progressOf(options) });
  const text = builder.text();
  if (source.size > 0 && text.trim() === '')
    builder.note('NO_TEXT', 'The document has no text; scanned pages need recognition first');
  return {
    format: detection.format,
    mediaType: detection.mediaType,
    title: builder.title === undefined ? undefined : cleanText(builder.title.slice(0, 500)),
    text,
    segments: builder.segments.filter((segment) => segment.end > segment.start),
    pages: builder.pages,
    metadata: cleanRecord(builder.metadata),
    notes: [...detection.notes, ...builder.notes],
  };
}

function progressOf(options: ExtractOptions): Task['progress'] {
  return (done, total) => options.onProgress?.({ stage: 'extract', done, total });
}

/** Parsers throw what they like; nothing but our own errors leaves here. */
async function read(task: Task): Promise<void> {
  try {
    await readers[task.detection.format](task);
  } catch (cause) {
    throw malformed('The document', cause);
  }
}

const skippable = new Set(['INGEST_UNSUPPORTED_TYPE', 'INGEST_MALFORMED', 'INGEST_ENCRYPTED']);

/** Parts that cannot be read are noted and left out; limits hold for the whole document. */
function partReader(outer: Task): ReadPart {
  const { builder, options } = outer;
  return (name, declaredType, bytes) =>
    builder.within(name, async () => {
      options.budget.time();
      const source = fromBytes(bytes);
      try {
        const detection = await detect(source, { name, declaredType }, options.budget);
        if (detection.format === 'zip' || detection.format === 'eml') options.budget.nesting(builder.depth);
        if (bytes.length === 0) return;
        for (const note of detection.notes) builder.note(note.code, `${name}: ${note.message}`);
        builder.gap();
        await read({ ...outer, source, detection, progress: () => {} });
      } catch (error) {
        if (!(error instanceof PipelineError) || !skippable.has(error.code)) throw error;
        builder.note('PART_SKIPPED', `${name}: ${error.message}`);
      }
    });
}

async function readArchive(task: Task): Promise<void> {
  const { source, builder, progress } = task;
  const readPart = partReader(task);
  const entries = (await openZip(source, builder.budget)).filter(
    ({ name, directory }) => !directory && !/(?:^|\/)(?:__MACOSX\/|\.DS_Store$|Thumbs\.db$)/.test(name),
  );
  if (entries.length > 0 && entries.every((entry) => entry.encrypted))
    throw new PipelineError('INGEST_ENCRYPTED', 'The archive is protected by a password', {
      hint: 'Remove the password and send it again.',
    });
  for (const [index, entry] of entries.entries()) {
    const name = displayName(entry.name);
    if (entry.encrypted) builder.note('PART_SKIPPED', `${name}: protected by a password`);
    else
      try {
        await readPart(name, undefined, await entry.bytes());
      } catch (error) {
        if (!(error instanceof PipelineError) || error.code !== 'INGEST_MALFORMED') throw error;
        builder.note('PART_SKIPPED', `${name}: ${error.message}`);
      }
    progress(index + 1, entries.length);
  }
}
