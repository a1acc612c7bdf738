import type { PipelineErrorCode } from '../errors.ts';
import type { Chunk, ChunkOptions, ExtractedDocument, Limits, Progress } from '../types.ts';

/** What the parent sends: one document. */
export interface Job {
  id: number;
  name: string;
  declaredType: string | undefined;
  source: { path: string } | { bytes: Uint8Array };
  limits: Limits;
  chunking: ChunkOptions;
  seed: string;
  pageRange: readonly [number, number] | undefined;
}

/** A chunk without its text, which the parent cuts out of the document again. */
export type ChunkPlace = Omit<Chunk, 'text'>;

/** What the child answers. */
export type Answer =
  | { id: number; type: 'progress'; progress: Progress }
  | { id: number; type: 'done'; document: ExtractedDocument; chunks: ChunkPlace[] }
  | { id: number; type: 'failed'; code: PipelineErrorCode; message: string; hint: string; detail: string };

/** Written to standard error before the child ends itself for want of memory. */
export const memoryMarker = 'stackyard-ingest: memory limit';
