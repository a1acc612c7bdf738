import { once } from 'node:events';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');

/** A piece is handed on at this size; it is what a socket takes without a copy in between. */
const PIECE_BYTES = 256 * 1024;

/**
 * Writes rows in PostgreSQL's binary COPY format.
 *
 * @see https://www.postgresql.org/docs/17/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY
 */
export class CopyBuffer {
  readonly #emit: (piece: Buffer) => Promise<void> | undefined;
  #buffer = Buffer.allocUnsafe(PIECE_BYTES * 2);
  #length: number;

  /** @param emit takes a finished piece; what it returns is waited for */
  constructor(emit: (piece: Buffer) => Promise<void> | undefined) {
    this.#emit = emit;
    this.#length = SIGNATURE.copy(this.#buffer);
  }

  /** Begins a row; as many fields must follow. */
  row(fields: number): void {
    this.#reserve(2);
    this.#length = this.#buffer.writeInt16BE(fields, this.#length);
  }

  int(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeInt32BE(4, this.#length);
    this.#length = this.#buffer.writeInt32BE(value, this.#length);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(4 + value.length);
    this.#length = this.#buffer.writeInt32BE(value.length, this.#length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  text(value: string | undefined): void {
    this.#reserve(4 + 3 * (value?.length ?? 0));
    if (value === undefined) {
      this.#length = this.#buffer.writeInt32BE(-1, this.#length);
      return;
    }
    const written = this.#buffer.write(value, this.#length + 4);
    this.#buffer.writeInt32BE(written, this.#length);
    this.#length += 4 + written;
  }

  /** `jsonb` is its text after the number of the format. */
  json(value: object): void {
    const text = JSON.stringify(value);
    this.#reserve(5 + 3 * text.length);
    const written = this.#buffer.write(text, this.#length + 5);
    this.#buffer.writeInt32BE(1 + written, this.#length);
    this.#buffer.writeUInt8(1, this.#length + 4);
    this.#length += 5 + written;
  }

  /** `halfvec`: dimensions, two unused bytes, and the halves, all big endian. */
  halves(vector: Float16Array<ArrayBuffer>): void {
    this.#reserve(8 + 2 * vector.length);
    this.#length = this.#buffer.writeInt32BE(4 + 2 * vector.length, this.#length);
    this.#length = this.#buffer.writeInt16BE(vector.length, this.#length);
    this.#length = this.#buffer.writeInt16BE(0, this.#length);
    Buffer.from(vector.buffer).copy(this.#buffer, this.#length);
    this.#buffer.subarray(this.#length, this.#length + 2 * vector.length).swap16();
    this.#length += 2 * vector.length;
  }

  /** To be awaited after a row: hands on what has become enough for a piece. */
  flush(): Promise<void> | undefined {
    return this.#length >= PIECE_BYTES ? this.#hand() : undefined;
  }

  async end(): Promise<void> {
    this.#reserve(2);
    this.#length = this.#buffer.writeInt16BE(-1, this.#length);
    await this.#hand();
  }

  #hand(): Promise<void> | undefined {
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
}

/** Loads rows while they are written; memory does not grow with their number. */
export async function binaryCopy(
  connection: ClientBase,
  table: string,
  columns: readonly string[],
  write: (rows: CopyBuffer) => Promise<void>,
): Promise<void> {
  const target = connection.query(
    copyFrom(`COPY ${table} (${columns.join(', ')}) FROM STDIN (FORMAT binary)`),
  );
  const done = once(target, 'finish');
  done.catch(() => undefined); // awaited below; an error may come before
  const rows = new CopyBuffer((piece) =>
    target.write(piece) ? undefined : once(target, 'drain').then(() => undefined),
  );
  await write(rows);
  await rows.end();
  target.end();
  await done;
}

export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}
