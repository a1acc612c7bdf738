import { Readable } from 'node:stream';
import {
  type Entry,
  fromRandomAccessReaderPromise,
  getFileNameLowLevel,
  RandomAccessReader,
  type ZipFile,
} from 'yauzl';
import { PipelineError } from '../errors.ts';
import type { Budget } from './budget.ts';
import type { ByteSource } from './byte-source.ts';

/** One entry of an archive. */
export interface ZipEntry {
  /** As the archive writes it: hostile, for comparison with well-known names only. */
  name: string;
  directory: boolean;
  encrypted: boolean;
  /** The inflated bytes, counted against the budget as they come. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** All of them. */
  bytes(): Promise<Uint8Array>;
}

class SourceReader extends RandomAccessReader {
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    super();
    this.#source = source;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const source = this.#source;
    return Readable.from(
      (async function* () {
        for (let at = start; at < end; at += 65_536) yield await source.read(at, Math.min(end, at + 65_536));
      })(),
      { objectMode: false },
    );
  }
}

/** Damage is final; failures that already have a code keep it. */
export function malformed(what: string, cause: unknown): PipelineError {
  if (cause instanceof PipelineError) return cause;
  return new PipelineError('INGEST_MALFORMED', `${what} is damaged or cut off`, {
    hint: 'Open it in the program that made it, save it again, and send that.',
    cause,
  });
}

/** An open archive: its entries by central directory, read one at a time. */
export async function openZip(source: ByteSource, budget: Budget): Promise<ZipEntry[]> {
  const entries: ZipEntry[] = [];
  try {
    const zip = await fromRandomAccessReaderPromise(new SourceReader(source), source.size, {
      autoClose: false,
      // Names are labels here, so an archive with hostile ones is still read.
      decodeStrings: false,
      validateEntrySizes: true,
    });
    for await (const entry of zip.eachEntry()) {
      budget.entry();
      entries.push(toEntry(zip, entry, budget));
    }
  } catch (cause) {
    throw malformed('The archive', cause);
  }
  return entries;
}

function toEntry(zip: ZipFile, entry: Entry, budget: Budget): ZipEntry {
  const name = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of await zip.openReadStreamPromise(entry)) {
        budget.inflated(chunk.length);
        budget.time();
        yield chunk;
      }
    } catch (cause) {
      throw malformed('A part of the archive', cause);
    }
  }
  return {
    name,
    directory: name.endsWith('/'),
    encrypted: entry.isEncrypted(),
    chunks,
    async bytes() {
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks()) parts.push(chunk);
      return Buffer.concat(parts);
    },
  };
}
