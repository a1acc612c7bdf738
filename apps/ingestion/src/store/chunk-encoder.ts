import type { Chunk, Vector } from '../pipeline/index.ts';

/** The columns of a chunk, in the order that {@link ChunkEncoder} writes them. */
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

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');

/** A piece is handed on at this size; it is what a socket takes without a copy in between. */
const PIECE_BYTES = 256 * 1024;

/**
 * Writes chunks in PostgreSQL's binary COPY format. Vectors become half precision of unit length: half the space,
 * no overflow, and the same order by cosine distance.
 *
 * @see https://www.postgresql.org/docs/17/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY
 */
export class ChunkEncoder {
  readonly #emit: (piece: Buffer) => Promise<void> | undefined;
  #buffer = Buffer.allocUnsafe(PIECE_BYTES * 2);
  #length: number;

  constructor(emit: (piece: Buffer) => Promise<void> | undefined) {
    this.#emit = emit;
    this.#length = SIGNATURE.copy(this.#buffer);
  }

  async write(
    modelId: number,
    owner: ChunkOwner,
    chunks: readonly Chunk[],
    vectors: readonly Vector[],
  ): Promise<void> {
    const version = uuidBytes(owner.versionId);
    const document = uuidBytes(owner.documentId);
    for (const [index, chunk] of chunks.entries()) {
      const vector = vectors[index] as Vector;
      this.#reserve(512 + 3 * (chunk.text.length + (chunk.context?.length ?? 0)) + 2 * vector.length);
      this.#length = this.#buffer.writeInt16BE(chunkColumns.length, this.#length);
      this.#int(modelId);
      this.#bytes(version);
      this.#int(chunk.index);
      this.#bytes(uuidBytes(chunk.id));
      this.#text(owner.tenantId);
      this.#bytes(document);
      this.#text(chunk.kind);
      this.#int(chunk.start);
      this.#int(chunk.end);
      this.#text(chunk.text);
      this.#text(chunk.context);
      this.#json(placeOf(chunk));
      this.#int(chunk.tokens);
      this.#halves(vector);
      if (this.#length >= PIECE_BYTES) await this.#flush();
    }
  }

  async end(): Promise<void> {
    this.#reserve(2);
    this.#length = this.#buffer.writeInt16BE(-1, this.#length);
    await this.#flush();
  }

  #flush(): Promise<void> | undefined {
    const piece = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.allocUnsafe(PIECE_BYTES * 2);
    this.#length = 0;
    return this.#emit(piece);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  #int(value: number): void {
    this.#length = this.#buffer.writeInt32BE(4, this.#length);
    this.#length = this.#buffer.writeInt32BE(value, this.#length);
  }

  #bytes(value: Uint8Array): void {
    this.#length = this.#buffer.writeInt32BE(value.length, this.#length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  #text(value: string | undefined): void {
    if (value === undefined) {
      this.#length = this.#buffer.writeInt32BE(-1, this.#length);
      return;
    }
    const written = this.#buffer.write(value, this.#length + 4);
    this.#buffer.writeInt32BE(written, this.#length);
    this.#length += 4 + written;
  }

  /** `jsonb` is its text after the number of the format. */
  #json(value: object): void {
    const text = Buffer.from(JSON.stringify(value));
    this.#reserve(text.length + 4096);
    this.#length = this.#buffer.writeInt32BE(1 + text.length, this.#length);
    this.#length = this.#buffer.writeUInt8(1, this.#length);
    this.#length += text.copy(this.#buffer, this.#length);
  }

  /** `halfvec`: dimensions, two unused bytes, and the halves, all big endian. */
  #halves(vector: Vector): void {
    this.#reserve(8 + 2 * vector.length);
    this.#length = this.#buffer.writeInt32BE(4 + 2 * vector.length, this.#length);
    this.#length = this.#buffer.writeInt16BE(vector.length, this.#length);
    this.#length = this.#buffer.writeInt16BE(0, this.#length);
    const halves = unitHalves(vector);
    Buffer.from(halves.buffer).swap16().copy(this.#buffer, this.#length);
    this.#length += 2 * vector.length;
  }
}

/** The vector at unit length; a vector of zeros stays what it is. */
function unitHalves(vector: Vector): Float16Array<ArrayBuffer> {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  const halves = new Float16Array(vector.length);
  // Most models give unit vectors already; those keep every bit that half precision has room for.
  const scale = length === 0 || Math.abs(length - 1) < 1e-5 ? 1 : 1 / length;
  for (let index = 0; index < vector.length; index += 1) halves[index] = (vector[index] as number) * scale;
  return halves;
}

/** The text form of the same vector, for a query. */
export function halfvecText(vector: Vector): string {
  return `[${Array.from(unitHalves(vector)).join(',')}]`;
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** What a citation shows besides the offsets. */
function placeOf({ page, pageEnd, slide, sheet, headings, file }: Chunk): object {
  return { page, pageEnd, slide, sheet, headings, file };
}
