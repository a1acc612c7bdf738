import type { CommitLog, CommitRecord } from '../storage/commit-log.ts';
import type { Store, Write } from '../storage/store.ts';
import { host } from './environment.ts';
import { RequestError, TransientError } from './function-error.ts';

export interface RequestKey {
  readonly session: string;
  readonly id: number;
}

/** Answers kept so that a client that sends a mutation again gets the first answer. */
const MAX_ANSWERS = 20_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** How far back a consistent query can look. */
const MAX_HISTORY_COMMITS = 1000;
const MAX_HISTORY_WRITES = 50_000;

/**
 * The one place where state changes. Transactions run one after the other: each is applied as it runs, and is either
 * written to the log as a whole or undone.
 */
export class Transactions {
  readonly store: Store;
  readonly #log: CommitLog;
  readonly #answers = new Map<string, string>();
  #answerBytes = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** The oldest state that can be asked for. */
  #startTs = 0;
  #ts = 0;
  readonly #history: Array<{ readonly ts: number; readonly writes: readonly Write[] }> = [];
  #historyWrites = 0;
  /** Told about each commit, before its caller is. */
  onCommit: (writes: readonly Write[], ts: number) => void = () => {};

  constructor(store: Store, log: CommitLog) {
    this.store = store;
    this.#log = log;
  }

  /** Timestamp of the newest state, microseconds. */
  get ts(): number {
    return this.#ts;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Reads the log into the store. */
  recover(): ReturnType<CommitLog['recover']> {
    let damage: ReturnType<CommitLog['recover']> = [];
    this.store.load(() => {
      damage = this.#log.recover((record) => this.#replay(record));
    });
    this.#ts = Math.max(this.#ts + 1, host.now() * 1000);
    this.#startTs = this.#ts;
    return damage;
  }

  #replay(record: CommitRecord): void {
    const { store } = this;
    this.#ts = Math.max(this.#ts, record.ts);
    for (const [component, name, number, tablet] of record.tables ?? []) {
      store.ensureTable(component, name, { number, tablet });
    }
    for (const [tablet, id, document] of record.writes) {
      const table = store.tables.get(tablet);
      if (table === undefined) continue;
      if (document === null) store.remove(table, id);
      else store.put(table, document as never);
    }
    for (const tablet of record.dropped ?? []) {
      const table = store.tables.get(tablet);
      if (table !== undefined) store.dropTable(table);
    }
    if (record.request !== undefined) this.#remember(record.request, record.request.answer);
  }

  /** Runs a job when all earlier ones have ended. */
  exclusive<T>(job: () => Promise<T> | T): Promise<T> {
    this.#waiting++;
    const run = this.#tail.then(async () => {
      try {
        return await job();
      } finally {
        this.#waiting--;
      }
    });
    this.#tail = run.catch(() => {});
    return run;
  }

  /** The answer an earlier commit gave to the same request. */
  answerTo(request: RequestKey): string | undefined {
    return this.#answers.get(`${request.session}:${request.id}`);
  }

  #remember(request: RequestKey, answer: string): void {
    this.#answers.set(`${request.session}:${request.id}`, answer);
    this.#answerBytes += answer.length;
    for (const [key, oldest] of this.#answers) {
      if (this.#answers.size <= MAX_ANSWERS && this.#answerBytes <= MAX_ANSWER_BYTES) break;
      this.#answers.delete(key);
      this.#answerBytes -= oldest.length;
    }
  }

  /** Makes the open transaction durable and visible. Call it inside `exclusive` only. */
  commit(
    request?: RequestKey,
    answer?: (ts: number) => string,
    dropped: readonly number[] = [],
  ): { ts: number; writes: Write[] } {
    const { writes, created } = this.store.changes();
    if (writes.length === 0 && created.length === 0 && dropped.length === 0) {
      this.store.commit();
      return { ts: this.#ts, writes };
    }
    const ts = Math.max(host.now() * 1000, this.#ts + 1);
    const text = request === undefined ? undefined : answer?.(ts);
    this.#append({
      ts,
      ...(created.length === 0
        ? {}
        : { tables: created.map((t) => [t.component, t.name, t.number, t.tablet] as const) }),
      writes: writes.map(({ table, id, after }) => [table.tablet, id, after ?? null] as const),
      ...(dropped.length === 0 ? {} : { dropped }),
      ...(text === undefined ? {} : { request: { ...request!, answer: text } }),
    });
    this.store.commit();
    this.#ts = ts;
    if (text !== undefined) this.#remember(request!, text);
    this.#keep(ts, writes);
    this.onCommit(writes, ts);
    if (this.#log.wantsFolding) this.#log.fold(this.#everything());
    return { ts, writes };
  }

  #append(record: CommitRecord): void {
    try {
      this.#log.append(record);
    } catch (error) {
      this.store.rollback();
      const why = `The commit could not be written, nothing of it is kept: ${(error as Error).message}`;
      throw new TransientError('CommitFailed', why);
    }
  }

  #keep(ts: number, writes: readonly Write[]): void {
    this.#history.push({ ts, writes });
    this.#historyWrites += writes.length;
    while (this.#historyWrites > MAX_HISTORY_WRITES || this.#history.length > MAX_HISTORY_COMMITS) {
      const dropped = this.#history.shift()!;
      this.#historyWrites -= dropped.writes.length;
      this.#startTs = dropped.ts;
    }
  }

  /** Runs a job on the state at a timestamp. Call it inside `exclusive` only. */
  async at<T>(ts: number, job: () => Promise<T>): Promise<T> {
    if (ts < this.#startTs) {
      throw new RequestError(400, 'TimestampTooOld', 'The state at this timestamp is not kept any more.');
    }
    const later = this.#history.filter((commit) => commit.ts > ts);
    return await this.store.asBefore(
      later.map(({ writes }) => writes),
      job,
    );
  }

  *#everything(): Generator<CommitRecord> {
    const tables = [...this.store.tables.values()];
    yield {
      ts: this.#ts,
      tables: tables.map((table) => [table.component, table.name, table.number, table.tablet] as const),
      writes: [],
    };
    for (const table of tables) {
      let writes: Array<readonly [number, string, unknown]> = [];
      for (const [id, document] of table.documents) {
        writes.push([table.tablet, id, document]);
        if (writes.length < 500) continue;
        yield { ts: this.#ts, writes };
        writes = [];
      }
      if (writes.length > 0) yield { ts: this.#ts, writes };
    }
    for (const [key, answer] of this.#answers) {
      const colon = key.lastIndexOf(':');
      const request = { session: key.slice(0, colon), id: Number(key.slice(colon + 1)), answer };
      yield { ts: this.#ts, writes: [], request };
    }
  }

  close(): void {
    this.#log.close();
  }
}
