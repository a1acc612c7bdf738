import { createHash } from 'node:crypto';
import { write as writeWithCallback } from 'node:fs';
import { promisify } from 'node:util';

/** Bytes moved at once. */
export const chunkSize = 1024 ** 2;

export interface Passage {
  readonly size: number;
  /** Fills the buffer with what is at a position, and returns the part that it filled. */
  read(buffer: Buffer, position: number): Promise<Buffer>;
  /** Has the bytes until it settles. */
  write(chunk: Buffer, position: number): Promise<unknown>;
}

/**
 * Moves bytes and hashes them: while a piece is hashed it is being written, and the next one read. Its buffers are
 * used again, since memory that is new costs the system as much as the writing.
 */
export class Pump {
  readonly #free: Buffer[] = [];

  /** @returns the SHA-256 of what has passed, in hexadecimal */
  async move({ size, read, write }: Passage): Promise<string> {
    const hash = createHash('sha256');
    const buffers = [this.#take(), this.#take()] as const;
    const fill = (done: number, turn: number) =>
      settled(read(buffers[turn % 2 === 0 ? 0 : 1].subarray(0, Math.min(chunkSize, size - done)), done));
    let written: Promise<unknown> = Promise.resolve();
    let next = size > 0 ? fill(0, 0) : undefined;
    try {
      for (let done = 0, turn = 1; next; turn += 1) {
        const chunk = await next;
        await written;
        written = settled(write(chunk, done));
        done += chunk.length;
        next = done < size ? fill(done, turn) : undefined;
        hash.update(chunk);
      }
      await written;
    } finally {
      await Promise.allSettled([written, next]);
      this.#free.push(...buffers);
    }
    return hash.digest('hex');
  }

  #take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(chunkSize);
  }
}

/** Awaited a step later: a failure meanwhile is not unhandled. */
function settled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

const write = promisify(writeWithCallback);

/** A write may take fewer bytes than it was given. */
export async function writeAll(file: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await write(file, bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
