import type { Socket } from 'node:net';
import type { Backend } from './backend.ts';
import { SessionSettings } from './settings.ts';
import {
  customSettings,
  forgetsStatements,
  isCopyIn,
  mayChangeSettings,
  subscriptions,
  usesAdvisoryLocks,
} from './statements.ts';
import type { Turns } from './turns.ts';
import {
  copyInResponse,
  type ErrorFields,
  errorResponse,
  type Message,
  type MessageReader,
  message,
  readString,
  readyForQuery,
  sync,
} from './wire.ts';

/** More than this does not fit beside the database in WebAssembly's address space. */
const MAX_COPY_BYTES = 1024 ** 3;

/** What the sessions of one server share. */
export interface Shared {
  readonly backend: Backend;
  readonly turns: Turns<Session>;
  readonly superuser: string;
  /** The session whose settings the backend has now. */
  current: Session | undefined;
  readonly idleInTransactionMs: number;
  /** Makes the backend listen to exactly the channels that some session listens to. */
  readonly resubscribe: () => Promise<void>;
}

/** The data of a COPY that is being sent. */
interface Copy {
  readonly input: Buffer[];
  bytes: number;
}

/** The session was closed while it waited. */
class Gone extends Error {}

/** The client asked to cancel what waits for its turn. */
class Cancelled extends Error {}

/**
 * One client. It collects messages up to a point where the backend can answer (a simple query, Sync, Flush, the end
 * of a COPY), then takes its turn. It keeps the turn while its transaction is open, so transactions are serial.
 */
export class Session {
  readonly id: number;
  readonly channels = new Set<string>();
  readonly #shared: Shared;
  readonly #socket: Socket;
  readonly #settings: SessionSettings;
  readonly #reader: MessageReader;
  /** The client's name of a prepared statement -> the backend's. */
  readonly #statements = new Map<string, string>();
  #statementCount = 0;
  #batch: Buffer[] = [];
  #batchSql: string[] = [];
  #copy: Copy | undefined;
  /** What statements of this client said that they do, kept per prepared statement. */
  readonly #prepared = new Map<string, string>();
  #status = 'I';
  #usesAdvisoryLocks = false;
  #idleTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    shared: Shared,
    client: {
      id: number;
      socket: Socket;
      reader: MessageReader;
      settings: readonly [string, string][];
    },
  ) {
    this.#shared = shared;
    this.id = client.id;
    this.#socket = client.socket;
    this.#reader = client.reader;
    this.#settings = new SessionSettings(shared.backend, shared.superuser, client.settings);
  }

  /** Applies the startup options and gives the settings asked for; throws what PostgreSQL says of a wrong one. */
  async open(names: readonly string[]): Promise<{ name: string; value: string }[]> {
    await this.#enter();
    const settings = await this.#shared.backend.rows<{ name: string; value: string }>(
      'SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS reported(name)',
      [names],
    );
    this.#shared.turns.release(this);
    return settings;
  }

  /** Serves the client until it leaves. */
  async serve(input: AsyncIterable<Buffer>): Promise<void> {
    await this.#drain();
    for await (const chunk of input) {
      this.#reader.push(chunk);
      if (!(await this.#drain())) return;
    }
  }

  /** Sends a notification, when the client listens to its channel. */
  notify(channel: string, bytes: Buffer): void {
    if (this.channels.has(channel)) this.#write(bytes);
  }

  /** Somebody waits while this client holds the backend: an idle transaction now has an end. */
  contended(): void {
    if (this.#idleTimer || this.#shared.current !== this || this.#status === 'running') return;
    this.#idleTimer = setTimeout(() => {
      const seconds = Math.round(this.#shared.idleInTransactionMs / 1000);
      this.end({
        severity: 'FATAL',
        code: '25P03',
        message: `terminating connection: its open transaction was idle for ${seconds} s while others waited`,
        hint: 'All connections share one backend here; do not wait for another connection inside a transaction.',
      });
    }, this.#shared.idleInTransactionMs);
  }

  /** Cancels what waits for its turn. What already runs blocks this very thread and cannot be interrupted. */
  cancel(): void {
    this.#shared.turns.refuse(this, new Cancelled());
  }

  /** Sends a last message and closes the connection. */
  end(reason: ErrorFields): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.end(errorResponse(reason), () => this.#socket.destroy());
  }

  /** Gives back everything that the client held. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    const { turns, backend } = this.#shared;
    if (turns.isHeldBy(this)) {
      if (this.#status === 'pending') await backend.run(sync(), () => {});
      await backend.execute('ROLLBACK');
    }
    const channels = this.channels.size;
    if (this.#statements.size === 0 && !this.#usesAdvisoryLocks && channels === 0) {
      turns.release(this);
      return;
    }
    this.channels.clear();
    await this.#enter();
    try {
      for (const name of this.#statements.values()) await this.#closeStatement(name);
      if (this.#usesAdvisoryLocks) {
        await this.#nameSession();
        await backend.execute('SELECT pg_advisory_unlock_all()');
      }
      if (channels > 0) await this.#shared.resubscribe();
    } finally {
      turns.release(this);
    }
  }

  #write(bytes: Buffer): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(bytes);
  }

  async #enter(): Promise<void> {
    const shared = this.#shared;
    await shared.turns.take(this);
    if (shared.current === this) return;
    const previous = shared.current;
    shared.current = this;
    await this.#settings.replace(previous ? previous.#settings : undefined);
  }

  /** Tells the functions of `advisory-locks.ts` whose call comes next. */
  async #nameSession(): Promise<void> {
    await this.#shared.backend.execute(`SELECT stackyard_locks.name_session('${this.id}')`);
  }

  /** @returns false when the client said goodbye */
  async #drain(): Promise<boolean> {
    for (let next = this.#reader.next(); next; next = this.#reader.next()) {
      if (this.#closed || next.type === 'X') return false;
      clearTimeout(this.#idleTimer);
      this.#idleTimer = undefined;
      await this.#receive(next);
      if (this.#socket.writableNeedDrain) await this.#drained();
    }
    if (this.#shared.turns.isHeldBy(this) && this.#shared.turns.contended) this.contended();
    return !this.#closed;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off('drain', done).off('close', done);
        resolve();
      };
      this.#socket.once('drain', done).once('close', done);
    });
  }

  async #receive(next: Message): Promise<void> {
    if (this.#copy) return this.#receiveCopy(this.#copy, next);
    switch (next.type) {
      case 'Q':
        return this.#simpleQuery(next);
      case 'P': {
        const name = readString(next.bytes, 5);
        const sql = readString(next.bytes, name.next);
        this.#prepared.set(name.value, sql.value);
        this.#batch.push(message('P', this.#backendName(name.value), next.bytes.subarray(name.next)));
        return;
      }
      case 'B': {
        const portal = readString(next.bytes, 5);
        const name = readString(next.bytes, portal.next);
        this.#batchSql.push(this.#prepared.get(name.value) ?? '');
        this.#batch.push(
          message('B', portal.value, this.#backendName(name.value), next.bytes.subarray(name.next)),
        );
        return;
      }
      case 'D':
      case 'C': {
        const name = readString(next.bytes, 6).value;
        const kind = next.bytes.subarray(5, 6);
        const isStatement = kind.toString() === 'S';
        this.#batch.push(message(next.type, kind, isStatement ? this.#backendName(name) : name));
        if (next.type === 'C' && isStatement) {
          this.#statements.delete(name);
          this.#prepared.delete(name);
        }
        return;
      }
      case 'd':
      case 'c':
      case 'f':
        return; // left over from a COPY that has failed already
      case 'S':
      case 'H':
        this.#batch.push(next.bytes);
        return this.#runBatch();
      default:
        this.#batch.push(next.bytes);
    }
  }

  async #simpleQuery(next: Message): Promise<void> {
    const sql = readString(next.bytes, 5).value;
    const forgets = forgetsStatements(sql);
    if (forgets) return this.#forget(forgets);
    this.#batchSql.push(sql);
    this.#batch.push(next.bytes);
    if (!isCopyIn(sql)) return this.#runBatch();
    this.#copy = { input: [], bytes: 0 };
    this.#write(copyInResponse());
  }

  /** Data is collected before the turn is taken: a slow sender keeps nobody waiting. */
  async #receiveCopy(copy: Copy, next: Message): Promise<void> {
    if (!'dcf'.includes(next.type)) return; // Flush and Sync are ignored during a COPY
    copy.bytes += next.bytes.length;
    if (copy.bytes <= MAX_COPY_BYTES) copy.input.push(next.bytes);
    if (next.type === 'd') return;
    this.#copy = undefined;
    if (copy.bytes > MAX_COPY_BYTES) {
      copy.input.length = 0;
      copy.input.push(message('f', 'more than 1 GB in one COPY: send it in parts'));
    }
    this.#batch.push(...copy.input);
    await this.#runBatch('G');
  }

  async #runBatch(hide = ''): Promise<void> {
    const sql = this.#batchSql;
    const input = this.#batch.length === 1 ? (this.#batch[0] as Buffer) : Buffer.concat(this.#batch);
    this.#batch = [];
    this.#batchSql = [];
    try {
      await this.#enter();
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error;
      this.#write(errorResponse({ code: '57014', message: 'canceling statement due to user request' }));
      this.#write(readyForQuery('I'));
      return;
    }
    if (this.#closed) throw new Gone();
    if (this.#status !== 'E' && sql.some(usesAdvisoryLocks)) {
      this.#usesAdvisoryLocks = true;
      await this.#nameSession();
    }
    if (sql.some(mayChangeSettings)) this.#settings.changed(sql.flatMap(customSettings));
    this.#status = 'running';
    const outcome = await this.#shared.backend.run(input, (bytes) => this.#write(bytes), hide);
    this.#status = outcome.status ?? 'pending';
    if (!outcome.failed) this.#subscribe(sql);
    if (this.#status === 'I') {
      if (sql.some((text) => /\bunlisten\b/i.test(text))) await this.#shared.resubscribe();
      this.#shared.turns.release(this);
    } else if (this.#shared.turns.contended) this.contended();
  }

  #subscribe(sql: readonly string[]): void {
    for (const { action, channel } of sql.flatMap(subscriptions)) {
      if (action === 'listen') this.channels.add(channel);
      else if (channel === '*') this.channels.clear();
      else this.channels.delete(channel);
    }
  }

  async #forget(what: 'discard' | 'deallocate'): Promise<void> {
    await this.#enter();
    for (const name of this.#statements.values()) await this.#closeStatement(name);
    this.#statements.clear();
    this.#prepared.clear();
    if (what === 'discard') {
      this.channels.clear();
      await this.#shared.backend.execute('CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL');
      this.#settings.forget();
      await this.#shared.resubscribe();
    }
    this.#write(message('C', what === 'discard' ? 'DISCARD ALL' : 'DEALLOCATE ALL'));
    this.#write(readyForQuery(this.#status));
    if (this.#status === 'I') this.#shared.turns.release(this);
  }

  async #closeStatement(name: string): Promise<void> {
    await this.#shared.backend.run(Buffer.concat([message('C', Buffer.from('S'), name), sync()]), () => {});
  }

  #backendName(name: string): string {
    if (name === '') return '';
    let own = this.#statements.get(name);
    if (!own) {
      this.#statementCount += 1;
      own = `s${this.id}_${this.#statementCount}`;
      this.#statements.set(name, own);
    }
    return own;
  }
}
