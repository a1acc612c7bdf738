import { createHash, randomUUID } from 'node:crypto';
import type { Blobs, ByteRange } from './blobs.ts';
import { StorageError } from './storage-error.ts';

export interface StoredContent {
  /** SHA-256, the content's address. */
  readonly hash: Buffer;
  readonly bytes: number;
}

/** Content that has arrived but has no address yet. */
export interface IncomingContent extends StoredContent {
  /** Gives it its address; what is already there is the same. */
  keep(): Promise<void>;
  discard(): Promise<void>;
}

/** Bytes of a resumable upload that nobody counts on yet. */
export interface IncomingPiece {
  keep(upload: string, number: number): Promise<void>;
  discard(): Promise<void>;
}

/** Documents by tenant and SHA-256: the sender's file name never becomes part of a path or key. */
export class ContentStore implements AsyncDisposable {
  readonly #blobs: Blobs;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  get description(): string {
    return this.#blobs.description;
  }

  /** Takes bytes while they come, hashing on the way. Fails with `STORAGE_TOO_LARGE` past `maxBytes`. */
  async receive(tenant: string, body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<IncomingContent> {
    const blobs = this.#blobs;
    const key = `incoming/${tenant}/${randomUUID()}`;
    const hash = createHash('sha256');
    let bytes = 0;
    async function* measured() {
      for await (const piece of body) {
        bytes += piece.byteLength;
        if (bytes > maxBytes) {
          throw new StorageError('STORAGE_TOO_LARGE', `The document is larger than ${maxBytes} bytes`);
        }
        hash.update(piece);
        yield piece;
      }
    }
    await blobs.write(key, measured());
    const digest = hash.digest();
    return {
      hash: digest,
      bytes,
      keep: () => blobs.move(key, addressOf(tenant, digest)),
      discard: () => blobs.remove(key),
    };
  }

  read(tenant: string, hash: Buffer, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    return this.#blobs.read(addressOf(tenant, hash), range);
  }

  /** For reading at random: a file where there is one, else the stream. */
  async source(
    tenant: string,
    hash: Buffer,
  ): Promise<{ path: string } | { stream: AsyncIterable<Uint8Array> }> {
    const address = addressOf(tenant, hash);
    if (!this.#blobs.path) return { stream: await this.#blobs.read(address) };
    if (!(await this.#blobs.info(address))) {
      throw new StorageError('STORAGE_NOT_FOUND', 'The stored content is missing');
    }
    return { path: this.#blobs.path(address) };
  }

  async has(tenant: string, hash: Buffer): Promise<boolean> {
    return (await this.#blobs.info(addressOf(tenant, hash))) !== undefined;
  }

  remove(tenant: string, hash: Buffer): Promise<void> {
    return this.#blobs.remove(addressOf(tenant, hash));
  }

  /** Stores bytes that become a piece of a resumable upload once `keep` says which one. */
  async receivePiece(body: AsyncIterable<Uint8Array>): Promise<IncomingPiece> {
    const blobs = this.#blobs;
    const key = `incoming/${randomUUID()}`;
    await blobs.write(key, body);
    return {
      keep: (upload, number) => blobs.move(key, pieceKey(upload, number)),
      discard: () => blobs.remove(key),
    };
  }

  /** The bytes of all pieces, one after another. */
  async *readPieces(upload: string, count: number): AsyncGenerator<Uint8Array> {
    for (let number = 0; number < count; number += 1) yield* await this.#blobs.read(pieceKey(upload, number));
  }

  async removePieces(upload: string): Promise<void> {
    for await (const { key } of this.#blobs.list(`pieces/${upload}/`)) await this.#blobs.remove(key);
  }

  /** All content that has had its address since before `before`, of all tenants. */
  async *kept(before: Date): AsyncGenerator<StoredContent & { tenant: string }> {
    for await (const { key, bytes, modifiedAt } of this.#blobs.list('content/')) {
      const [, tenant, hex] = ADDRESS.exec(key) ?? [];
      if (tenant && hex && modifiedAt < before) yield { tenant, hash: Buffer.from(hex, 'hex'), bytes };
    }
  }

  /**
   * Removes what cut-off uploads left behind before `before`, but no piece of an upload in `open`: it may go on for
   * days. Gives the number of blobs.
   */
  async sweep(before: Date, open: ReadonlySet<string> = new Set()): Promise<number> {
    let count = 0;
    for (const prefix of ['incoming/', 'pieces/']) {
      for await (const { key, modifiedAt } of this.#blobs.list(prefix)) {
        if (modifiedAt >= before || open.has(key.split('/')[1] as string)) continue;
        await this.#blobs.remove(key);
        count += 1;
      }
    }
    return count;
  }

  check(signal?: AbortSignal): Promise<void> {
    return this.#blobs.check(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#blobs[Symbol.asyncDispose]() as Promise<void>;
  }
}

const ADDRESS = /^content\/([a-z0-9-]+)\/[0-9a-f]{2}\/([0-9a-f]{64})$/;

function addressOf(tenant: string, hash: Buffer): string {
  const hex = hash.toString('hex');
  return `content/${tenant}/${hex.slice(0, 2)}/${hex}`;
}

function pieceKey(upload: string, number: number): string {
  return `pieces/${upload}/${String(number).padStart(6, '0')}`;
}
