import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { encodeFrame, readFrames } from './frame.ts';

/** What one commit changed, in the form it has on disk. */
export interface CommitRecord {
  /** Commit timestamp, microseconds since 1970. */
  readonly ts: number;
  /** Tables made by the commit. */
  readonly tables?: ReadonlyArray<readonly [component: string, name: string, number: number, tablet: number]>;
  /** Documents after the commit; null where one was removed. */
  readonly writes: ReadonlyArray<readonly [tablet: number, id: string, document: unknown]>;
  /** Tablets dropped by the commit. */
  readonly dropped?: readonly number[];
  /** The client request this commit answers, so that a replay gets the same answer. */
  readonly request?: { readonly session: string; readonly id: number; readonly answer: string };
}

export interface Damage {
  readonly file: string;
  readonly soundBytes: number;
  /** None where what the file held was found elsewhere. */
  readonly lostBytes: number;
  readonly keptAs: string;
}

/** What came before the last commits is lost, so that they cannot be applied. The files are left as they are. */
export class DamagedDataError extends Error {
  override readonly name = 'DamagedDataError';
  readonly code = 'CONVEX_LOCAL_DAMAGED';

  constructor(file: string) {
    super(
      `${file} is damaged or gone, and so is what it was made from. The commits after it are whole, but cannot stand alone. ` +
        'Bring a backup back, or begin with an empty folder. The files are left as they are.',
    );
  }
}

interface StoredFile {
  readonly file: string;
  readonly bytes: Buffer;
  readonly payloads: Buffer[];
  /** Bytes before the first that are damaged. */
  readonly sound: number;
  readonly whole: boolean;
}

/** A log older than this many bytes is folded into a snapshot. */
const FOLD_AFTER_BYTES = 32 * 1024 * 1024;
const SYNC_INTERVAL_MS = 100;

/** Writes bytes from an offset on, as `writeSync` does, and returns how many. */
export type WriteBytes = (file: number, bytes: Buffer, at: number) => number;

/**
 * Commits on disk: a snapshot and the log that follows it, and the pair before, from which a snapshot that is damaged
 * can be made again. A commit is in the operating system's hands before it is acknowledged (so killing the process
 * loses nothing) and on the disk within 100 ms (so a power cut loses at most that).
 */
export class CommitLog {
  readonly #directory: string;
  readonly #write: WriteBytes;
  #file = -1;
  #bytes = 0;
  #foldAt = FOLD_AFTER_BYTES;
  #generation = 0;
  #dirty = false;
  #syncing = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(directory: string, write: WriteBytes = writeSync) {
    this.#directory = directory;
    this.#write = write;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /**
   * Reads every sound record in order, cuts a damaged tail off (kept beside the log), and opens for writing.
   *
   * @throws DamagedDataError when records are missing before others that are there
   */
  recover(receive: (record: CommitRecord) => void): Damage[] {
    const names = readdirSync(this.#directory);
    const generationOf = (name: string) => Number(/^(?:log|snapshot)-(\d+)$/.exec(name)?.[1] ?? Number.NaN);
    this.#generation = Math.max(0, ...names.map(generationOf).filter(Number.isInteger));
    const damage: Damage[] = [];
    for (const payload of this.#recoverable(damage)) receive(JSON.parse(payload.toString()) as CommitRecord);
    this.#open();
    for (const name of names) {
      if (generationOf(name) < this.#generation - 1 || name.endsWith('.part')) {
        rmSync(this.#path(name), { force: true });
      }
    }
    return damage;
  }

  /** The records of the newest snapshot that is whole, or of none at all, and of every log since. */
  #recoverable(damage: Damage[]): Buffer[] {
    const tail = this.#read(`log-${this.#generation}`);
    const damaged = tail.whole ? [] : [tail];
    const logs = [tail.payloads];
    for (let generation = this.#generation; generation > 0; generation--) {
      const snapshot = this.#read(`snapshot-${generation}`);
      if (snapshot.whole && snapshot.payloads.length > 0) {
        logs.unshift(snapshot.payloads);
        break;
      }
      const earlier = this.#read(`log-${generation - 1}`);
      if (!earlier.whole || earlier.payloads.length === 0) throw new DamagedDataError(snapshot.file);
      if (existsSync(snapshot.file)) damaged.push(snapshot);
      logs.unshift(earlier.payloads);
    }
    for (const file of damaged) damage.push(file === tail ? cutOff(file) : setAside(file));
    return logs.flat();
  }

  #read(name: string): StoredFile {
    const file = this.#path(name);
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    const { payloads, sound } = readFrames(bytes);
    return { file, bytes, payloads, sound, whole: sound === bytes.length };
  }

  #path(name: string): string {
    return path.join(this.#directory, name);
  }

  #open(): void {
    const file = this.#path(`log-${this.#generation}`);
    this.#file = openSync(file, 'a', 0o600);
    this.#bytes = statSync(file).size;
    this.#timer ??= setInterval(() => this.#sync(), SYNC_INTERVAL_MS).unref();
  }

  #writeAll(file: number, bytes: Buffer): void {
    let written = 0;
    while (written < bytes.length) written += this.#write(file, bytes, written);
  }

  /** Writes a record as a whole. Where that fails, as on a full disk, the log is as it was before. */
  append(record: CommitRecord): void {
    const frame = encodeFrame(record);
    try {
      this.#writeAll(this.#file, frame);
    } catch (error) {
      ftruncateSync(this.#file, this.#bytes);
      throw error;
    }
    this.#bytes += frame.length;
    this.#dirty = true;
  }

  get wantsFolding(): boolean {
    return this.#bytes > this.#foldAt;
  }

  /** Replaces the log by a snapshot of the given records. Without room for one, the log goes on until later. */
  fold(records: Iterable<CommitRecord>): void {
    const next = this.#generation + 1;
    const part = this.#path(`snapshot-${next}.part`);
    try {
      this.#writeSnapshot(part, records);
    } catch {
      rmSync(part, { force: true });
      this.#foldAt = this.#bytes + FOLD_AFTER_BYTES;
      return;
    }
    renameSync(part, this.#path(`snapshot-${next}`));
    closeSync(this.#file);
    this.#generation = next;
    this.#foldAt = FOLD_AFTER_BYTES;
    this.#open();
    rmSync(this.#path(`log-${next - 2}`), { force: true });
    rmSync(this.#path(`snapshot-${next - 2}`), { force: true });
  }

  #writeSnapshot(name: string, records: Iterable<CommitRecord>): void {
    const file = openSync(name, 'w', 0o600);
    try {
      for (const record of records) this.#writeAll(file, encodeFrame(record));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  #sync(): void {
    if (!this.#dirty || this.#syncing || this.#file < 0) return;
    this.#dirty = false;
    this.#syncing = true;
    fdatasync(this.#file, () => {
      this.#syncing = false;
    });
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#file < 0) return;
    if (this.#dirty) fdatasyncSync(this.#file);
    closeSync(this.#file);
    this.#file = -1;
  }
}

/** Takes the damaged end off a file, and keeps it beside it. */
function cutOff({ file, bytes, sound }: StoredFile): Damage {
  const keptAs = `${file}.damaged-${Date.now()}`;
  writeFileSync(keptAs, bytes.subarray(sound), { mode: 0o600 });
  truncateSync(file, sound);
  return { file, soundBytes: sound, lostBytes: bytes.length - sound, keptAs };
}

/** Puts a damaged file aside that is not needed. */
function setAside({ file, sound }: StoredFile): Damage {
  const keptAs = `${file}.damaged-${Date.now()}`;
  renameSync(file, keptAs);
  return { file, soundBytes: sound, lostBytes: 0, keptAs };
}
