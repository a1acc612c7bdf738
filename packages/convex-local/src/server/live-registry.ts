import type { EngineEvent } from '../engine/messages.ts';
import type { LiveResult } from '../engine/subscriptions.ts';
import { MultiMap } from '../multi-map.ts';
import type { SyncSession } from './sync-session.ts';

type Expectation = (ts: number, results: readonly LiveResult[]) => void;

/** Which session watches which live query, and who waits for an answer of the engine. */
export class LiveRegistry {
  readonly #watchers = new MultiMap<number, SyncSession>();
  readonly #expected = new Map<number, Expectation>();
  readonly #owed = new Set<SyncSession>();
  #nextToken = 1;

  /** Registers what to do with the answer to one `subscribe`; returns the token to send with it. */
  expect(expectation: Expectation): number {
    const token = this.#nextToken++;
    this.#expected.set(token, expectation);
    return token;
  }

  add(live: number, session: SyncSession): void {
    this.#watchers.add(live, session);
  }

  remove(live: number, session: SyncSession): void {
    this.#watchers.delete(live, session);
  }

  /** The session waits for a transition that reaches its mutation. */
  owe(session: SyncSession): void {
    this.#owed.add(session);
  }

  settle(session: SyncSession): void {
    this.#owed.delete(session);
  }

  /** Forgets everything about an engine that has ended. */
  clear(): void {
    this.#watchers.clear();
    this.#expected.clear();
    this.#owed.clear();
  }

  /** Hands a new state to the sessions it concerns. */
  apply({ ts, changed, subscribed }: Extract<EngineEvent, { event: 'state' }>): void {
    const concerned = new Map<SyncSession, LiveResult[]>();
    for (const session of this.#owed) concerned.set(session, []);
    for (const result of changed) {
      for (const session of this.#watchers.get(result.id)) {
        const results = concerned.get(session);
        if (results === undefined) concerned.set(session, [result]);
        else results.push(result);
      }
    }
    for (const [session, results] of concerned) session.update(ts, results);
    if (subscribed === undefined) return;
    const expectation = this.#expected.get(subscribed.token);
    this.#expected.delete(subscribed.token);
    expectation?.(ts, subscribed.results);
  }
}
