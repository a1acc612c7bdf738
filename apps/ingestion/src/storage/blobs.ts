/** Half open: from `start`, up to but without `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number | undefined;
}

export interface BlobInfo {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedAt: Date;
}

/**
 * Named bytes. Keys are made by this program only: segments of `[a-z0-9-]`, joined by `/`. Every method fails with a
 * `StorageError` only, or with the reason of a body that failed.
 */
export interface Blobs extends AsyncDisposable {
  /** Where the bytes are, for people; without credentials. */
  readonly description: string;
  /** All of the body or, when it fails, nothing. Replaces what was there. Memory does not grow with the body. */
  write(key: string, body: AsyncIterable<Uint8Array>): Promise<void>;
  read(key: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>;
  /** Replaces what was at `to`. */
  move(from: string, to: string): Promise<void>;
  info(key: string): Promise<BlobInfo | undefined>;
  /** It is no error when there is nothing. */
  remove(key: string): Promise<void>;
  list(prefix: string): AsyncIterable<BlobInfo>;
  /** The file that holds the bytes, where there is one to open. */
  path?(key: string): string;
  /** Resolves when the storage answers. */
  check(signal?: AbortSignal): Promise<void>;
}
