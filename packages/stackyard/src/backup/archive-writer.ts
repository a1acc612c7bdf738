import { createHash } from 'node:crypto';
import { readSync, read as readWithCallback, writeFileSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Manifest } from './manifest.ts';
import { Pump, writeAll } from './pump.ts';
import { blockSize, padded, tarHeader } from './tar-header.ts';

/** Up to this many bytes a file is read and written in one go: a database has a thousand of these. */
const smallSize = 64 * 1024;

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
  #flushed: Promise<unknown> = Promise.resolve();
  readonly #pump = new Pump();

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
    source: number,
    stat: { readonly size: number; readonly mode: number; readonly mtimeMs: number },
    copy?: number,
  ): Promise<{ offset: number; sha256: string }> {
    const { size, mode } = stat;
    const start = this.#end;
    const offset = start + blockSize;
    this.#end = offset + padded(size);
    const header = tarHeader({ path, size, mode, mtime: Math.max(0, Math.floor(stat.mtimeMs / 1000)) });
    if (size <= smallSize) {
      const content = Buffer.alloc(size);
      for (let done = 0, got = 1; done < size && got > 0; done += got)
        got = readSync(source, content, done, size - done, done);
      if (copy !== undefined) writeFileSync(copy, content);
      await this.#write(Buffer.concat([header, content]), start);
      return { offset, sha256: sha256(content) };
    }
    await this.#write(header, start);
    const hash = await this.#pump.move({
      size,
      read: async (buffer, at) => {
        const { bytesRead } = await read(source, buffer, 0, buffer.length, at);
        return bytesRead > 0 ? buffer.subarray(0, bytesRead) : buffer.fill(0); // it has become shorter
      },
      write: (chunk, at) =>
        Promise.all([
          this.#write(chunk, offset + at),
          ...(copy === undefined ? [] : [writeAll(copy, chunk, at)]),
        ]),
    });
    return { offset, sha256: hash };
  }

  /** Begins to wait for the disk, for what is there so far; `finish` waits to the end. */
  flush(): void {
    const flushed = Promise.all([this.#flushed, this.#handle.datasync()]);
    flushed.catch(() => {}); // awaited there
    this.#flushed = flushed;
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
    return { offset: start + blockSize, size: content.length, sha256: sha256(content) };
  }

  /** Writes the manifest, waits for the disk, and gives the archive its name. */
  async finish(manifest: Manifest): Promise<void> {
    const { offset, size, sha256 } = await this.addText('manifest.json', JSON.stringify(manifest));
    const pointer = Buffer.alloc(blockSize, ' ');
    pointer.write(JSON.stringify({ format: manifest.format, manifest: { offset, size, sha256 } }));
    await this.#write(tarHeader({ path: pointerName, size: blockSize, mode: 0o600, mtime: now() }), 0);
    await this.#write(pointer, blockSize);
    await this.#handle.truncate(this.#end + 2 * blockSize);
    await this.#flushed;
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#part, this.#file);
    this.#finished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#finished) return;
    await this.#flushed.catch(() => {});
    await this.#handle.close().catch(() => {});
    await rm(this.#part, { force: true });
  }

  #write(bytes: Buffer, position: number): Promise<void> {
    return writeAll(this.#handle.fd, bytes, position);
  }
}

const read = promisify(readWithCallback);

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

const now = (): number => Math.floor(Date.now() / 1000);
