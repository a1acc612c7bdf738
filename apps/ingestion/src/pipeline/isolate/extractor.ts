import { mkdtemp, open, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultChunkOptions, defaultLimits } from '../defaults.ts';
import { PipelineError } from '../errors.ts';
import { Budget } from '../extract/budget.ts';
import type {
  Chunk,
  ChunkOptions,
  DocumentInput,
  ExtractedDocument,
  Limits,
  Progress,
  Source,
} from '../types.ts';
import { ReaderPool } from './pool.ts';
import { startReader } from './reader.ts';

export interface ExtractorOptions {
  /** Child processes at most; they start when there is work. Default: one less than the cores, at least one. */
  processes?: number | undefined;
  limits?: Partial<Limits> | undefined;
  chunking?: Partial<ChunkOptions> | undefined;
  /**
   * Where streams are written while they are read; the system's folder by default. A program that is killed leaves its
   * files: give it a folder of its own and empty that at the start.
   */
  temporaryFolder?: string | undefined;
}

export interface ProcessOptions {
  /** What the chunk ids depend on besides place and text; e.g. the keys of tenant, document and version. */
  seed: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Overrides for this document. Memory is a matter of the process and stays as it is. */
  limits?: Partial<Omit<Limits, 'memoryBytes'>> | undefined;
  chunking?: Partial<ChunkOptions> | undefined;
  /** For PDF: read only these pages, both counted from 1. */
  pageRange?: readonly [first: number, last: number] | undefined;
}

/** A document that was read and cut. */
export interface ProcessedDocument {
  document: ExtractedDocument;
  chunks: Chunk[];
}

/** Reads and cuts documents in child processes that can be stopped. */
export interface Extractor extends AsyncDisposable {
  /** Fails with a {@link PipelineError} only. */
  process(input: DocumentInput, options: ProcessOptions): Promise<ProcessedDocument>;
}

/** Opens a pool of readers. Dispose it to end them; documents in work then fail as cancelled. */
export function openExtractor(options: ExtractorOptions = {}): Extractor {
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const chunking: ChunkOptions = { ...defaultChunkOptions, ...options.chunking };
  const pool = new ReaderPool(options.processes ?? Math.max(1, availableParallelism() - 1), () =>
    startReader(limits.memoryBytes),
  );
  let nextId = 1;
  return {
    async process(input, settings) {
      const own: Limits = { ...limits, ...settings.limits, memoryBytes: limits.memoryBytes };
      await using stored = await storedSource(input.source, own, options.temporaryFolder ?? tmpdir());
      using lease = await pool.lease(settings.signal);
      const { document, chunks } = await lease.reader.read(
        {
          id: nextId++,
          name: input.name,
          declaredType: input.declaredType,
          source: stored.source,
          limits: own,
          chunking: { ...chunking, ...settings.chunking },
          seed: settings.seed,
          pageRange: settings.pageRange,
        },
        { signal: lease.signal, onProgress: settings.onProgress },
      );
      return {
        document,
        chunks: chunks.map((place) => ({ ...place, text: document.text.slice(place.start, place.end) })),
      };
    },
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

/** Streams are written to a private file first, so that any format can be read at random. */
async function storedSource(
  source: Source,
  limits: Limits,
  parent: string,
): Promise<{ source: Exclude<Source, { stream: unknown }> } & AsyncDisposable> {
  if (!('stream' in source)) return { source, [Symbol.asyncDispose]: async () => {} };
  const budget = new Budget(limits);
  const folder = await mkdtemp(join(parent, 'ingest-')).catch((cause) => {
    throw unavailable(cause);
  });
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, 'document');
    await using file = await open(path, 'wx', 0o600);
    let size = 0;
    for await (const bytes of source.stream) {
      size += bytes.byteLength;
      budget.input(size);
      await file.writeFile(bytes);
    }
    return { source: { path }, [Symbol.asyncDispose]: remove };
  } catch (cause) {
    await remove();
    if (cause instanceof PipelineError) throw cause;
    throw unavailable(cause);
  }
}

function unavailable(cause: unknown): PipelineError {
  return new PipelineError('INGEST_SOURCE_UNAVAILABLE', 'The stored bytes could not be read', {
    hint: 'Check that the object storage is reachable and that the disk for temporary files has room.',
    cause,
  });
}
