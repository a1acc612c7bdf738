import { open } from 'node:fs/promises';
import { PipelineError } from '../errors.ts';

/** Bytes with random access, from memory or a file, so that a large file is never held whole without need. */
export interface ByteSource extends AsyncDisposable {
  readonly size: number;
  /** The bytes from `start` up to `end`, fewer where the source ends. */
  read(start: number, end: number): Promise<Uint8Array>;
}

export function fromBytes(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.byteLength,
    read: async (start, end) => bytes.subarray(start, end),
    [Symbol.asyncDispose]: async () => {},
  };
}

export async function fromFile(path: string): Promise<ByteSource> {
  const unavailable = (cause: unknown) =>
    new PipelineError('INGEST_SOURCE_UNAVAILABLE', 'The stored bytes could not be read', {
      hint: 'Check that the object storage is reachable and still holds the object.',
      cause,
    });
  const file = await open(path, 'r').catch((cause) => {
    throw unavailable(cause);
  });
  try {
    const { size } = await file.stat();
    return {
      size,
      async read(start, end) {
        const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(end, size) - start));
        let filled = 0;
        while (filled < buffer.length) {
          const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return buffer.subarray(0, filled);
      },
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (cause) {
    await file.close();
    throw unavailable(cause);
  }
}
