import type { Extractor, ProcessedDocument, ProcessOptions } from './isolate/extractor.ts';
import type { Chunk, DocumentInput, Embedder, EmbeddingModel, Vector } from './types.ts';

export interface PipelineResult extends ProcessedDocument {
  /** One per chunk, in order. */
  vectors: Vector[];
  embedding: EmbeddingModel;
}

/** What an embedder sees of a chunk: its context first, then its text. */
export function embeddingText(chunk: Pick<Chunk, 'context' | 'text'>): string {
  return chunk.context === undefined ? chunk.text : `${chunk.context}\n\n${chunk.text}`;
}

/**
 * Detects, extracts, cuts and embeds one document. Writes nothing anywhere; fails with a {@link PipelineError} only.
 *
 * ```ts
 * await using extractor = openExtractor();
 * const result = await runPipeline({ name: 'a.md', source: { path: 'a.md' } }, { extractor, embedder, seed: 'a' });
 * ```
 */
export async function runPipeline(
  input: DocumentInput,
  options: ProcessOptions & { extractor: Extractor; embedder: Embedder },
): Promise<PipelineResult> {
  const { extractor, embedder, ...settings } = options;
  const { document, chunks } = await extractor.process(input, settings);
  const vectors = await embedder.embed(chunks.map(embeddingText), {
    signal: settings.signal,
    onProgress: (done) => settings.onProgress?.({ stage: 'embed', done, total: chunks.length }),
  });
  return { document, chunks, vectors, embedding: { model: embedder.model, dimensions: embedder.dimensions } };
}
