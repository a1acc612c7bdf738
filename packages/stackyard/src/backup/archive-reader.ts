import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { StackyardError } from '../errors.ts';
import { eachOf } from './each-of.ts';
import { damaged, type FileRecord, type Manifest, parseManifest, type ServiceManifest } from './manifest.ts';
import { chunkSize, Pump, writeAll } from './pump.ts';
import { blockSize } from './tar-header.ts';

/** An open backup whose manifest has been verified. */
export class ArchiveReader implements AsyncDisposable {
  readonly manifest: Manifest;
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #pump = new Pump();

  private constructor(file: string, handle: FileHandle, manifest: Manifest) {
    this.#file = file;
    this.#handle = handle;
    this.manifest = manifest;
  }

  /** @throws StackyardError for a file that is no whole backup */
  static async open(file: string): Promise<ArchiveReader> {
    const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
      throw unreadable(file, cause.code, cause);
    });
    try {
      if (!(await handle.stat()).isFile()) throw unreadable(file, 'it is no file');
      const pointer = parsePointer(
        (await fill(handle, Buffer.alloc(blockSize), blockSize, file)).toString(),
        file,
      );
      const text = await fill(handle, Buffer.alloc(pointer.size), pointer.offset, file);
      if (createHash('sha256').update(text).digest('hex') !== pointer.sha256)
        throw damaged(file, 'the checksum of its manifest differs');
      return new ArchiveReader(file, handle, parseManifest(text.toString(), file));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Writes the files of a service into folders of this machine, in the order of the manifest's.
   *
   * @throws StackyardError when a checksum differs
   */
  async extract(service: ServiceManifest, folders: readonly string[], signal: AbortSignal): Promise<void> {
    for (const { folder, path: name, mode } of service.directories)
      await mkdir(path.join(folders[folder]!, name), { recursive: true, mode });
    await eachOf(service.files, 4, async (record) => {
      signal.throwIfAborted();
      await this.#extractFile(record, path.join(folders[record.folder]!, record.path));
    });
  }

  /**
   * The bytes of a file, in pieces that hold until the next one is asked for.
   *
   * @throws StackyardError at their end, when the checksum differs
   */
  async *content(record: FileRecord): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.min(chunkSize, record.size));
    for (let done = 0; done < record.size; done += buffer.length) {
      const chunk = buffer.subarray(0, record.size - done);
      await this.#fill(chunk, record.offset + done);
      hash.update(chunk);
      yield chunk;
    }
    this.#verify(record, hash.digest('hex'));
  }

  async #extractFile(record: FileRecord, target: string): Promise<void> {
    const output = openSync(target, 'wx', record.mode);
    try {
      const hash = await this.#pump.move({
        size: record.size,
        read: (buffer, at) => this.#fill(buffer, record.offset + at),
        write: (chunk, at) => writeAll(output, chunk, at),
      });
      this.#verify(record, hash);
    } finally {
      closeSync(output);
    }
  }

  #fill(buffer: Buffer, position: number): Promise<Buffer> {
    return fill(this.#handle, buffer, position, this.#file);
  }

  #verify(record: FileRecord, hash: string): void {
    if (hash !== record.sha256) throw damaged(this.#file, `the checksum of ${record.path} differs`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

function unreadable(file: string, why: string | undefined, cause?: Error): StackyardError {
  return new StackyardError('STACKYARD_BACKUP_UNREADABLE', `${file} cannot be read: ${why}`, {
    hint: 'name a file that "stackyard backup" made; without --output they are in data/backups',
    ...(cause && { cause }),
  });
}

async function fill(handle: FileHandle, buffer: Buffer, position: number, file: string): Promise<Buffer> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) throw damaged(file, 'it ends too early');
    done += bytesRead;
  }
  return buffer;
}

function parsePointer(text: string, file: string): { offset: number; size: number; sha256: string } {
  try {
    const { manifest } = JSON.parse(text) as { manifest: { offset: number; size: number; sha256: string } };
    if (manifest.offset > 0 && manifest.size > 0 && manifest.size < 1e9) return manifest;
  } catch {
    // not written by this program
  }
  throw damaged(file, 'it does not begin as one');
}
