import type { Chunk, Vector } from '../pipeline/index.ts';
import { type CopyBuffer, uuidBytes } from './binary-copy.ts';

/** The columns of a chunk, in the order that {@link writeChunks} writes them. */
export const chunkColumns = [
  'model_id',
  'version_id',
  'ordinal',
  'id',
  'tenant_id',
  'document_id',
  'kind',
  'start_offset',
  'end_offset',
  'text',
  'context',
  'place',
  'tokens',
  'embedding',
] as const;

/** What all chunks of one version have in common. */
export interface ChunkOwner {
  readonly tenantId: string;
  readonly documentId: string;
  readonly versionId: string;
}

/**
 * Writes the chunks of one version. Vectors become half precision of unit length: half the space, no overflow, and the
 * same order by cosine distance.
 */
export async function writeChunks(
  rows: CopyBuffer,
  modelId: number,
  owner: ChunkOwner,
  chunks: readonly Chunk[],
  vectors: readonly Vector[],
): Promise<void> {
  const version = uuidBytes(owner.versionId);
  const document = uuidBytes(owner.documentId);
  for (const [index, chunk] of chunks.entries()) {
    rows.row(chunkColumns.length);
    rows.int(modelId);
    rows.bytes(version);
    rows.int(chunk.index);
    rows.bytes(uuidBytes(chunk.id));
    rows.text(owner.tenantId);
    rows.bytes(document);
    rows.text(chunk.kind);
    rows.int(chunk.start);
    rows.int(chunk.end);
    rows.text(chunk.text);
    rows.text(chunk.context);
    rows.json(placeOf(chunk));
    rows.int(chunk.tokens);
    rows.halves(unitHalves(vectors[index] as Vector));
    await rows.flush();
  }
}

/** The vector at unit length; a vector of zeros stays what it is. */
function unitHalves(vector: Vector): Float16Array<ArrayBuffer> {
  let squares = 0;
  for (let index = 0; index < vector.length; index += 1) squares += (vector[index] as number) ** 2;
  const length = Math.sqrt(squares);
  // Most models give unit vectors already; those keep every bit that half precision has room for.
  if (length === 0 || Math.abs(length - 1) < 1e-5) return new Float16Array(vector);
  return new Float16Array(vector.map((value) => value / length));
}

/** The text form of the same vector, for a query. */
export function halfvecText(vector: Vector): string {
  return `[${Array.from(unitHalves(vector)).join(',')}]`;
}

/** What a citation shows besides the offsets. */
function placeOf({ page, pageEnd, slide, sheet, headings, file }: Chunk): object {
  return { page, pageEnd, slide, sheet, headings, file };
}
