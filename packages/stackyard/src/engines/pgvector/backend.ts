import { MessageReader, query, readString } from './wire.ts';

/** The slice of PGlite that the server uses. */
export interface Database {
  execProtocolRawStream(
    message: Uint8Array,
    options: { onRawData: (data: Uint8Array) => void },
  ): Promise<unknown>;
  query<Row>(sql: string, parameters?: unknown[]): Promise<{ rows: Row[] }>;
  exec(sql: string): Promise<unknown>;
}

export interface Notification {
  readonly channel: string;
  readonly bytes: Buffer;
}

export interface Outcome {
  /** The status of the last ReadyForQuery, or undefined where the messages ended without a Sync. */
  readonly status: string | undefined;
  readonly failed: boolean;
}

/**
 * PGlite as messages in, messages out. It reads the whole input before it returns, so a COPY gets its data in the
 * same call as its command.
 */
export class Backend {
  readonly #database: Database;
  readonly #onNotification: (notification: Notification) => void;

  constructor(database: Database, onNotification: (notification: Notification) => void) {
    this.#database = database;
    this.#onNotification = onNotification;
  }

  /** @param hide types of messages that the client shall not see */
  async run(input: Buffer, write: (bytes: Buffer) => void, hide = ''): Promise<Outcome> {
    const reader = new MessageReader();
    let status: string | undefined;
    let failed = false;
    const onRawData = (data: Uint8Array) => {
      // A view of WebAssembly memory: what is kept must be copied.
      reader.push(Buffer.from(data));
      for (let message = reader.next(); message; message = reader.next()) {
        const { type, bytes } = message;
        if (type === 'A') {
          this.#onNotification({ channel: readString(bytes, 9).value, bytes });
          continue;
        }
        if (type === 'E') failed = true;
        status = type === 'Z' ? bytes.toString('latin1', 5, 6) : undefined;
        if (!hide.includes(type)) write(bytes);
      }
    };
    await this.#database.execProtocolRawStream(input, { onRawData });
    return { status, failed };
  }

  /** For the server's own statements between transactions. */
  async execute(sql: string): Promise<void> {
    await this.run(Buffer.from(query(sql)), () => {});
  }

  async rows<Row>(sql: string, parameters?: unknown[]): Promise<Row[]> {
    return (await this.#database.query<Row>(sql, parameters)).rows;
  }
}
