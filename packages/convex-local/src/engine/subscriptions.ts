import { MultiMap } from '../multi-map.ts';
import type { Write } from '../storage/store.ts';
import type { Caller } from './caller.ts';
import { type ReadSet, tableKey } from './read-set.ts';

/** What a client wants to see kept up to date. */
export interface Subscription {
  readonly component: string;
  readonly path: string;
  readonly args: unknown;
  readonly caller: Caller;
  readonly journal: string | null;
}

export type QueryResult =
  | {
      readonly success: true;
      readonly value: string;
      readonly logLines: string[];
      readonly journal: string | null;
    }
  | {
      readonly success: false;
      readonly message: string;
      readonly data?: unknown;
      readonly logLines: string[];
      readonly journal: string | null;
    };

export interface Evaluated {
  readonly result: QueryResult;
  readonly reads: ReadSet;
}

/** A query that somebody watches. All who ask the same question share one. */
interface LiveQuery {
  readonly id: number;
  readonly key: string;
  readonly subscription: Subscription;
  result: QueryResult;
  reads: ReadSet;
  fingerprint: string;
  watchers: number;
  dirty: boolean;
}

export interface LiveResult {
  readonly id: number;
  readonly result: QueryResult;
}

function fingerprintOf(result: QueryResult): string {
  return result.success ? `+${result.value}` : `-${result.message}${JSON.stringify(result.data)}`;
}

/** Live queries: which exist, which a commit made stale, what they answer now. */
export class Subscriptions {
  readonly #evaluate: (subscription: Subscription) => Promise<Evaluated>;
  readonly #byId = new Map<number, LiveQuery>();
  readonly #byKey = new Map<string, LiveQuery>();
  readonly #byTable = new MultiMap<string, LiveQuery>();
  readonly #dirty = new Set<LiveQuery>();
  #nextId = 1;

  constructor(evaluate: (subscription: Subscription) => Promise<Evaluated>) {
    this.#evaluate = evaluate;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Marks what a commit may have changed. */
  invalidate(writes: readonly Write[]): void {
    for (const write of writes) {
      const watching = this.#byTable.get(tableKey(write.table.component, write.table.name));
      for (const live of watching) {
        if (!live.dirty && live.reads.touches(write)) this.#mark(live);
      }
    }
  }

  invalidateAll(): void {
    for (const live of this.#byId.values()) this.#mark(live);
  }

  #mark(live: LiveQuery): void {
    live.dirty = true;
    this.#dirty.add(live);
  }

  /** Computes every stale query again and returns those whose answer changed. */
  async refresh(): Promise<LiveResult[]> {
    const changed: LiveResult[] = [];
    for (const live of this.#dirty) {
      this.#dirty.delete(live);
      live.dirty = false;
      const journal = live.result.journal;
      const { result, reads } = await this.#evaluate({ ...live.subscription, journal });
      this.#setReads(live, reads);
      const fingerprint = fingerprintOf(result);
      live.result = result;
      if (fingerprint === live.fingerprint) continue;
      live.fingerprint = fingerprint;
      changed.push({ id: live.id, result });
    }
    return changed;
  }

  /** Adds a watcher, sharing a query that is live already. */
  async watch(subscription: Subscription): Promise<LiveResult> {
    const { component, path, args, journal, caller } = subscription;
    const key = JSON.stringify([component, path, args, journal, caller.identity, caller.admin]);
    const shared = this.#byKey.get(key);
    if (shared !== undefined) {
      shared.watchers++;
      return { id: shared.id, result: shared.result };
    }
    const { result, reads } = await this.#evaluate(subscription);
    const live: LiveQuery = {
      id: this.#nextId++,
      key,
      subscription,
      result,
      reads,
      fingerprint: fingerprintOf(result),
      watchers: 1,
      dirty: false,
    };
    this.#byId.set(live.id, live);
    this.#byKey.set(key, live);
    this.#addReads(live);
    return { id: live.id, result };
  }

  release(id: number): void {
    const live = this.#byId.get(id);
    if (live === undefined || --live.watchers > 0) return;
    this.#byId.delete(id);
    this.#byKey.delete(live.key);
    this.#dirty.delete(live);
    this.#removeReads(live);
  }

  #setReads(live: LiveQuery, reads: ReadSet): void {
    this.#removeReads(live);
    live.reads = reads;
    this.#addReads(live);
  }

  #addReads(live: LiveQuery): void {
    for (const table of live.reads.tables) this.#byTable.add(table, live);
  }

  #removeReads(live: LiveQuery): void {
    for (const table of live.reads.tables) this.#byTable.delete(table, live);
  }
}
