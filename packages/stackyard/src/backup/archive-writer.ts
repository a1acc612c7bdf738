import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import type { Manifest } from './manifest.ts';
import { blockSize, padded, tarHeader } from './tar-header.ts';

/** Bytes read at once. */
const chunkSize = 4 * 1024 ** 2;

/** The first entry of an archive: where the manifest is, which is written last. */
const pointerName = 'stackyard-backup.json';

/**
 * Writes a backup: a tar whose last file is the manifest. It has a private name until it is complete and on disk;
 * disposing of it before that removes it.
 */
export class ArchiveWriter implements AsyncDisposable {
  readonly #file: string;
  readonly #part: string;
  readonly #handle: FileHandle;
  /** Where the next entry begins. */
  #end = 2 * blockSize;
  #finished = false;

  private constructor(file: string, part: string, handle: FileHandle) {
    this.#file = file;
    this.#part = part;
    this.#handle = handle;
  }

  static async create(file: string): Promise<ArchiveWriter> {
    const part = `${file}.part`;
    return new ArchiveWriter(file, part, await open(part, 'w', 0o600));
  }

  /** Bytes so far. */
  get size(): number {
    return this.#end;
  }

  /** Adds `size` bytes of an open file, and of zeros where it has fewer, and writes the same to `copy`. */
  async addFile(
    path: string,
    source: FileHandle,
    stat: { readonly size: number; readonly mode: number; readonly mtimeMs: number },
    copy?: FileHandle,
  ): Promise<{ offset: number; sha256: string }> {
    const { size, mode } = stat;
    const start = this.#end;
    this.#end += blockSize + padded(size);
    const mtime = Math.max(0, Math.floor(stat.mtimeMs / 1000));
    await this.#write(tarHeader({ path, size, mode, mtime }), start);
    const hash = createHash('sha256');
    let pending: Promise<unknown> = Promise.resolve();
    for (let done = 0; done < size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkSize, size - done));
      const { bytesRead } = await source.read(buffer, 0, buffer.length, done);
      const chunk = bytesRead > 0 ? buffer.subarray(0, bytesRead) : buffer.fill(0); // it has become shorter
      await pending;
      const writes = [this.#write(chunk, start + blockSize + done)];
      if (copy) writes.push(writeAll(copy, chunk, done));
      pending = Promise.all(writes);
      pending.catch(() => {}); // awaited a step later
      hash.update(chunk); // meanwhile
      done += chunk.length;
    }
    await pending;
    return { offset: start + blockSize, sha256: hash.digest('hex') };
  }

  /**
   * Adds what passes through, of unknown length; nothing else may be added meanwhile. It is in the archive when
   * everything has passed.
   */
  async *addPassing(
    path: string,
    chunks: AsyncIterable<Buffer>,
    added: (entry: { offset: number; size: number; sha256: string }) => void,
  ): AsyncGenerator<Buffer> {
    const start = this.#end;
    const offset = start + blockSize;
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of chunks) {
      await this.#write(chunk, offset + size);
      size += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
    await this.#write(tarHeader({ path, size, mode: 0o600, mtime: now() }), start);
    this.#end = offset + padded(size);
    added({ offset, size, sha256: hash.digest('hex') });
  }

  /** Adds what is in memory. */
  async addText(path: string, text: string): Promise<{ offset: number; size: number; sha256: string }> {
    const content = Buffer.from(text);
    const start = this.#end;
    this.#end += blockSize + padded(content.length);
    await this.#write(tarHeader({ path, size: content.length, mode: 0o600, mtime: now() }), start);
    await this.#write(content, start + blockSize);
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { offset: start + blockSize, size: content.length, sha256 };
  }

  /** Writes the manifest, waits for the disk, and gives the archive its name. */
  async finish(manifest: Manifest): Promise<void> {
    const { offset, size, sha256 } = await this.addText('manifest.json', JSON.stringify(manifest));
    const pointer = Buffer.alloc(blockSize, ' ');
    pointer.write(JSON.stringify({ format: manifest.format, manifest: { offset, size, sha256 } }));
    await this.#write(tarHeader({ path: pointerName, size: blockSize, mode: 0o600, mtime: now() }), 0);
    await this.#write(pointer, blockSize);
    await this.#handle.truncate(this.#end + 2 * blockSize);
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#part, this.#file);
    this.#finished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#finished) return;
    await this.#handle.close().catch(() => {});
    await rm(this.#part, { force: true });
  }

  #write(bytes: Buffer, position: number): Promise<void> {
    return writeAll(this.#handle, bytes, position);
  }
}

/** A write may take fewer bytes than it was given. */
export async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

const now = (): number => Math.floor(Date.now() / 1000);
