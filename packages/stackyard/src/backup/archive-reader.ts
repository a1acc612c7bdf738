import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { StackyardError } from '../errors.ts';
import { writeAll } from './archive-writer.ts';
import { eachOf } from './each-of.ts';
import { damaged, type FileRecord, type Manifest, parseManifest, type ServiceManifest } from './manifest.ts';
import { blockSize } from './tar-header.ts';

const chunkSize = 4 * 1024 ** 2;

/** An open backup whose manifest has been verified. */
export class ArchiveReader implements AsyncDisposable {
  readonly manifest: Manifest;
  readonly #file: string;
  readonly #handle: FileHandle;

  private constructor(file: string, handle: FileHandle, manifest: Manifest) {
    this.#file = file;
    this.#handle = handle;
    this.manifest = manifest;
  }

  /** @throws StackyardError for a file that is no whole backup */
  static async open(file: string): Promise<ArchiveReader> {
    const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
      throw new StackyardError('STACKYARD_BACKUP_UNREADABLE', `${file} cannot be read: ${cause.code}`, {
        hint: 'name a file that "stackyard backup" made; without --output they are in data/backups',
        cause,
      });
    });
    try {
      const pointer = parsePointer((await read(handle, blockSize, blockSize, file)).toString(), file);
      const text = await read(handle, pointer.offset, pointer.size, file);
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
   * The bytes of a file.
   *
   * @throws StackyardError at their end, when the checksum differs
   */
  async *content(record: FileRecord): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    for (let done = 0; done < record.size; ) {
      const length = Math.min(chunkSize, record.size - done);
      const chunk = await read(this.#handle, record.offset + done, length, this.#file);
      yield chunk;
      hash.update(chunk); // while it is written
      done += chunk.length;
    }
    if (hash.digest('hex') !== record.sha256)
      throw damaged(this.#file, `the checksum of ${record.path} differs`);
  }

  async #extractFile(record: FileRecord, target: string): Promise<void> {
    const output = await open(target, 'wx', record.mode);
    let pending: Promise<unknown> = Promise.resolve();
    let done = 0;
    try {
      for await (const chunk of this.content(record)) {
        await pending;
        pending = writeAll(output, chunk, done);
        pending.catch(() => {}); // awaited a step later
        done += chunk.length;
      }
      await pending;
    } finally {
      await pending.catch(() => {});
      await output.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

async function read(handle: FileHandle, position: number, length: number, file: string): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
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
