import type { Execution } from '../engine/messages.ts';

const KEPT = 1000;
const POLL_MS = 60_000;

/** The last executions, for `convex logs`, which asks again and again for what is newer than its cursor. */
export class FunctionLogs {
  readonly #entries: Array<{ readonly cursor: number; readonly execution: Execution }> = [];
  readonly #waiting = new Set<() => void>();
  #cursor = 0;

  add(execution: Execution): void {
    this.#cursor = Math.max(Date.now(), this.#cursor + 1);
    this.#entries.push({ cursor: this.#cursor, execution });
    if (this.#entries.length > KEPT) this.#entries.shift();
    for (const wake of this.#waiting) wake();
  }

  /** What is newer than the cursor; with a cursor other than 0, waits until there is something. */
  async after(cursor: number, signal: AbortSignal): Promise<{ entries: unknown[]; newCursor: number }> {
    if (cursor > 0 && this.#cursor <= cursor) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, POLL_MS);
        const { add, delete: remove } = {
          add: () => this.#waiting.add(done),
          delete: () => this.#waiting.delete(done),
        };
        function done() {
          clearTimeout(timer);
          remove();
          resolve();
        }
        signal.addEventListener('abort', done, { once: true });
        add();
      });
    }
    const entries = this.#entries
      .filter((entry) => entry.cursor > cursor)
      .map(({ execution }) => ({
        kind: 'Completion',
        cachedResult: false,
        usageStats: {},
        executionId: execution.requestId,
        ...execution,
      }));
    return { entries, newCursor: this.#cursor === 0 ? Date.now() : this.#cursor };
  }

  close(): void {
    for (const wake of this.#waiting) wake();
  }
}
