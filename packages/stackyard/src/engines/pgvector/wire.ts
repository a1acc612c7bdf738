/** The PostgreSQL wire protocol, version 3: as much of it as a server in front of one backend needs. */

export interface Message {
  /** The type byte, as a character. */
  readonly type: string;
  /** The whole message: type, length, body. */
  readonly bytes: Buffer;
}

export const PROTOCOL_3_0 = 196_608;
export const CANCEL_REQUEST = 80_877_102;
export const SSL_REQUEST = 80_877_103;
export const GSS_REQUEST = 80_877_104;

/** Larger than any message that PostgreSQL itself accepts. */
const MAX_MESSAGE_BYTES = 0x3fff_ffff;

/** Bytes that arrive in pieces, read out as whole messages. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #length = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** A message without a type byte: what a client sends first. */
  startup(): Buffer | undefined {
    const length = this.#peek(4)?.readInt32BE(0);
    if (length === undefined) return undefined;
    if (length < 8 || length > 10_000) throw new Error('invalid length of startup packet');
    return this.#take(length);
  }

  next(): Message | undefined {
    const head = this.#peek(5);
    if (!head) return undefined;
    const length = head.readInt32BE(1);
    if (length < 4 || length > MAX_MESSAGE_BYTES) throw new Error('invalid message length');
    const bytes = this.#take(length + 1);
    return bytes && { type: String.fromCharCode(bytes[0] as number), bytes };
  }

  #peek(size: number): Buffer | undefined {
    if (this.#length < size) return undefined;
    if ((this.#chunks[0] as Buffer).length < size) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }

  #take(size: number): Buffer | undefined {
    if (this.#length < size) return undefined;
    if ((this.#chunks[0] as Buffer).length < size) this.#chunks = [Buffer.concat(this.#chunks)];
    const first = this.#chunks[0] as Buffer;
    this.#length -= size;
    if (first.length === size) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(size);
    return first.subarray(0, size);
  }
}

/** The NUL-terminated string at `offset`, and where the next field begins. */
export function readString(bytes: Buffer, offset: number): { value: string; next: number } {
  const end = bytes.indexOf(0, offset);
  if (end === -1) throw new Error('a string without its end');
  return { value: bytes.toString('utf8', offset, end), next: end + 1 };
}

export function message(type: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part));
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(4 + body.reduce((sum, part) => sum + part.length, 0), 1);
  return Buffer.concat([head, ...body]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** @param status `I` idle, `T` in a transaction, `E` in a failed one. */
export const readyForQuery = (status: string): Buffer => message('Z', Buffer.from(status, 'latin1'));

export const query = (sql: string): Buffer => message('Q', sql);

export const sync = (): Buffer => message('S');

export interface ErrorFields {
  readonly severity?: 'ERROR' | 'FATAL';
  /** The SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

export function errorResponse({ severity = 'ERROR', code, message: text, hint }: ErrorFields): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${code}`, `M${text}`];
  if (hint) fields.push(`H${hint}`);
  return message('E', ...fields, Buffer.of(0));
}

/** An answer to `COPY ... FROM STDIN`; the columns' formats are left out, which clients do not look at. */
export const copyInResponse = (): Buffer => message('G', Buffer.of(0, 0, 0));

/** The parameters of a startup packet after its protocol version. */
export function startupParameters(packet: Buffer): Map<string, string> {
  const parameters = new Map<string, string>();
  for (let offset = 8; offset < packet.length && packet[offset] !== 0; ) {
    const name = readString(packet, offset);
    const value = readString(packet, name.next);
    parameters.set(name.value, value.value);
    offset = value.next;
  }
  return parameters;
}
