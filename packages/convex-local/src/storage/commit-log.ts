import {
  closeSync,
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
import { decodeFrames, encodeFrame } from './frame.ts';

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
  readonly lostBytes: number;
  readonly keptAs: string;
}

/** A log older than this many bytes is folded into a snapshot. */
const FOLD_AFTER_BYTES = 32 * 1024 * 1024;
const SYNC_INTERVAL_MS = 100;

/** Writes bytes from an offset on, as `writeSync` does, and returns how many. */
export type WriteBytes = (file: number, bytes: Buffer, at: number) => number;

/**
 * Commits on disk: one snapshot and the log that follows it. A commit is in the operating system's hands before
 * it is acknowledged (so killing the process loses nothing) and on the disk within 100 ms (so a power cut loses at
 * most that).
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

  /** Reads every sound record in order, cuts a damaged tail off (kept beside the log), and opens for writing. */
  recover(receive: (record: CommitRecord) => void): Damage[] {
    const names = readdirSync(this.#directory);
    const generations = names
      .flatMap((name) => /^snapshot-(\d+)$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => b - a);
    const damage: Damage[] = [];
    this.#generation = generations[0] ?? 0;
    if (this.#generation > 0) {
      this.#read(`snapshot-${this.#generation}`, receive, damage);
    }
    this.#read(`log-${this.#generation}`, receive, damage);
    this.#open();
    for (const name of names) {
      const number = Number(/^(?:log|snapshot)-(\d+)(?:\.part)?$/.exec(name)?.[1] ?? Number.NaN);
      if (number < this.#generation || name.endsWith('.part')) {
        rmSync(path.join(this.#directory, name), { force: true });
      }
    }
    return damage;
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

  #read(name: string, receive: (record: CommitRecord) => void, damage: Damage[]): void {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#path(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    const sound = decodeFrames(bytes, (record) => receive(record as CommitRecord));
    if (sound === bytes.length) return;
    const keptAs = this.#path(`${name}.damaged-${Date.now()}`);
    writeFileSync(keptAs, bytes.subarray(sound), { mode: 0o600 });
    truncateSync(this.#path(name), sound);
    damage.push({ file: this.#path(name), soundBytes: sound, lostBytes: bytes.length - sound, keptAs });
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
    const previous = this.#generation;
    closeSync(this.#file);
    this.#generation = next;
    this.#foldAt = FOLD_AFTER_BYTES;
    this.#open();
    rmSync(this.#path(`log-${previous}`), { force: true });
    rmSync(this.#path(`snapshot-${previous}`), { force: true });
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
