const HEADER_BYTES = 4;
const MAX_LABEL_BYTES = 4096;

/** What user code runs right now, in memory that the server can read while the engine's thread is blocked. */
export interface BusyLabel {
  /** The server's request, empty for live queries and jobs. */
  readonly requestId: string;
  /** The function with its arguments. */
  readonly key: string;
}

export function newBusyMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + MAX_LABEL_BYTES);
}

/** Names a call, the same for the same function and arguments. */
export function callKey(component: string, path: string, args: unknown): string {
  return `${component} ${path} ${JSON.stringify(args)}`.slice(0, MAX_LABEL_BYTES / 4);
}

export class BusyMark {
  readonly #length: Int32Array;
  readonly #text: Uint8Array;
  readonly #encoder = new TextEncoder();

  constructor(memory: SharedArrayBuffer) {
    this.#length = new Int32Array(memory, 0, 1);
    this.#text = new Uint8Array(memory, HEADER_BYTES);
  }

  set({ requestId, key }: BusyLabel): void {
    const { written } = this.#encoder.encodeInto(`${requestId}\n${key}`, this.#text);
    Atomics.store(this.#length, 0, written);
  }

  clear(): void {
    Atomics.store(this.#length, 0, 0);
  }

  read(): BusyLabel | undefined {
    const length = Atomics.load(this.#length, 0);
    if (length === 0) return undefined;
    const text = Buffer.from(this.#text.slice(0, length)).toString('utf8');
    const end = text.indexOf('\n');
    return { requestId: text.slice(0, end), key: text.slice(end + 1) };
  }
}
