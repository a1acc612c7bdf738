/**
 * What flows between the steps of the pipeline. All data here is plain: it survives structured cloning, so a step may
 * run in another process.
 *
 * Every offset is counted in UTF-16 code units into {@link ExtractedDocument.text}, the unit of `String.slice`.
 */

/** A value that JSON, and so a `jsonb` column, can hold. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** The formats that can be extracted. */
export type Format =
  | 'pdf'
  | 'docx'
  | 'pptx'
  | 'xlsx'
  | 'html'
  | 'xml'
  | 'markdown'
  | 'text'
  | 'csv'
  | 'json'
  | 'eml'
  | 'code'
  | 'zip';

/** Where the bytes of a document are: a file (preferred for anything large), memory, or a stream read once. */
export type Source = { path: string } | { bytes: Uint8Array } | { stream: AsyncIterable<Uint8Array> };

/** A document as it arrives. */
export interface DocumentInput {
  /** The sender's name for it. For display and as a hint of the format; never used as a path. */
  name: string;
  /** The media type that the sender declared, e.g. `text/plain; charset=iso-8859-1`. A hint, never trusted. */
  declaredType?: string | undefined;
  source: Source;
}

/** Something a reader of the result should know that is not a failure. */
export interface Note {
  code:
    | 'EMPTY'
    | 'NO_TEXT'
    | 'TYPE_MISMATCH'
    | 'ENCODING_GUESSED'
    | 'INVALID_ENCODING'
    | 'MALFORMED_PARTS'
    | 'PART_SKIPPED'
    | 'CHARACTERS_REMOVED';
  message: string;
}

/** What a document was found to be. */
export interface Detection {
  format: Format;
  /** The media type that fits the content. */
  mediaType: string;
  /** For `code`: the language, e.g. `typescript`. */
  language?: string | undefined;
  /** For textual formats: a label that `TextDecoder` knows. */
  encoding?: string | undefined;
  /** The bytes that a byte order mark takes. */
  bomBytes?: number | undefined;
  notes: Note[];
}

/** Where in the document something stands. Pages, slides and sheets are counted from 1. */
export interface Position {
  page?: number | undefined;
  slide?: number | undefined;
  sheet?: string | undefined;
  /** The headings above it, outermost first. */
  headings?: string[] | undefined;
  /** Inside an archive or a message: the display name of the part, outermost first. */
  file?: string[] | undefined;
}

/** A stretch of the extracted text that was of one kind and in one place. In order, never overlapping. */
export interface Segment extends Position {
  kind: 'prose' | 'table' | 'code' | 'records';
  start: number;
  end: number;
  /** For tables: where the header row ends. The header row begins at `start`. */
  headerEnd?: number | undefined;
  /** For tables: rows may hold quoted line breaks, as in CSV. Otherwise one line is one row. */
  quoted?: boolean | undefined;
  /** For code. */
  language?: string | undefined;
}

/** The text of a document, with what is known about it. */
export interface ExtractedDocument {
  format: Format;
  mediaType: string;
  title?: string | undefined;
  /** Well-formed Unicode without NUL. Empty for an empty document, which is no failure. */
  text: string;
  segments: Segment[];
  /** Pages, slides or sheets, where the format has them. */
  pages?: number | undefined;
  /** As clean as the text, at every depth. */
  metadata: { [key: string]: JsonValue };
  notes: Note[];
}

/** A piece of a document that is embedded, indexed and cited as one. */
export interface Chunk extends Position {
  /** A UUID that depends only on the seed, the place and the text: the same run gives the same id. */
  id: string;
  /** Counted from 0. */
  index: number;
  kind: Segment['kind'];
  start: number;
  end: number;
  /** Always `document.text.slice(start, end)`. */
  text: string;
  /**
   * What a reader needs to understand `text` but that stands elsewhere in the document: the headings above it, the
   * header of its table, the class around its method. Embedded and indexed in front of the text; never part of it,
   * and not covered by the offsets.
   */
  context?: string | undefined;
  /** The last page, when the chunk runs over a page's end. */
  pageEnd?: number | undefined;
  /** Estimated tokens of context and text. */
  tokens: number;
}

/** A chunk's vector, in the order of the chunks. */
export type Vector = Float32Array;

/** Which model made a vector; stored with each document version. */
export interface EmbeddingModel {
  /** e.g. `text-embedding-3-small` or `hashing-v1`. */
  model: string;
  dimensions: number;
}

/** Turns texts into vectors. */
export interface Embedder extends EmbeddingModel {
  /** One sentence for people: what makes these vectors, and what they are good for. */
  readonly description: string;
  /**
   * As many vectors as texts, in order, each of `dimensions` finite numbers. Implementations check that themselves
   * and fail with a {@link PipelineError} otherwise.
   */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Vector[]>;
}

export interface EmbedOptions {
  signal?: AbortSignal | undefined;
  /** Called after each batch with the number of texts that have their vector. */
  onProgress?: ((done: number) => void) | undefined;
}

/** What extraction may use before it is stopped. Reaching one is a terminal error of the document. */
export interface Limits {
  /** Bytes of the document itself. */
  inputBytes: number;
  /** UTF-16 code units of extracted text. */
  textLength: number;
  /** Bytes that come out of compressed entries, counted over all levels of nesting. */
  inflatedBytes: number;
  /** Entries of an archive, counted over all levels of nesting. */
  entries: number;
  /** Archives and messages inside each other, and JSON inside itself. */
  nesting: number;
  jsonDepth: number;
  /** Pages, slides or sheets. */
  pages: number;
  /** Wall-clock milliseconds for detect, extract and chunk together. */
  timeMs: number;
  /** Bytes of resident memory of the isolated process. */
  memoryBytes: number;
}

/** How text is cut. */
export interface ChunkOptions {
  /** Upper bound of estimated tokens in a chunk, context included. */
  maxTokens: number;
  /** A section smaller than this is joined with the next. */
  minTokens: number;
  /** Tokens of prose that the next chunk repeats from the end of the last. */
  overlapTokens: number;
  /** Upper bound of UTF-8 bytes in a chunk, context included. Far below the 1,048,575 bytes of a tsvector. */
  maxBytes: number;
}

/** The stages a document passes, for progress. */
export type Stage = 'detect' | 'extract' | 'chunk' | 'embed';

export interface Progress {
  stage: Stage;
  /** Pages, parts or chunks done, and how many there are when that is known. */
  done: number;
  total?: number | undefined;
}
