import type { Store, StoredDocument, Table } from '../storage/store.ts';
import { EVERYTHING } from '../storage/value-order.ts';
import { host } from './environment.ts';
import { FunctionError } from './function-error.ts';
import type { Runner } from './runner.ts';
import type { Transactions } from './transactions.ts';

export const SCHEDULED = '_scheduled_functions';

/** `setTimeout` takes no longer delay. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface ScheduledJob extends StoredDocument {
  name: string;
  args: unknown[];
  scheduledTime: number;
  completedTime?: number;
  state: { kind: 'pending' | 'inProgress' | 'success' | 'failed' | 'canceled'; error?: string };
}

/** Runs functions at their time. Jobs are documents: they survive a restart, and a mutation runs exactly once. */
export class Scheduler {
  readonly #store: Store;
  readonly #transactions: Transactions;
  readonly #runner: Runner;
  readonly #kindOf: (component: string, path: string) => 'mutation' | 'action';
  #timer: NodeJS.Timeout | undefined;
  #started = false;
  readonly #running = new Set<string>();

  constructor(
    store: Store,
    transactions: Transactions,
    runner: Runner,
    kindOf: (component: string, path: string) => 'mutation' | 'action',
  ) {
    this.#store = store;
    this.#transactions = transactions;
    this.#runner = runner;
    this.#kindOf = kindOf;
  }

  /** Adds a job inside the open transaction. `at` is in milliseconds. */
  add(component: string, path: string, at: number, args: unknown): string {
    const now = host.now();
    if (!Number.isFinite(at)) throw new FunctionError('The scheduled time must be a finite number');
    if (at > now + 5 * 365.25 * 86_400_000) {
      throw new FunctionError(
        'InvalidScheduledFunctionDelay: can only schedule functions within the next 5 years',
      );
    }
    if (at < now - 5 * 365.25 * 86_400_000) {
      throw new FunctionError(
        'InvalidScheduledFunctionDelay: can only schedule functions within the last 5 years',
      );
    }
    const table = this.#store.ensureTable(component, SCHEDULED);
    return this.#store.insert(
      table,
      { name: path, args: [args], scheduledTime: Math.max(at, 0), state: { kind: 'pending' } },
      now,
    );
  }

  /** Cancels a job inside the open transaction; one that has ended stays as it is. */
  cancel(component: string, id: string): void {
    const table = this.#store.tableOf(component, id);
    const job = table?.name === SCHEDULED ? (table.documents.get(id) as ScheduledJob | undefined) : undefined;
    if (table === undefined || job === undefined) {
      throw new FunctionError(`Cannot find scheduled function with ID ${id}`);
    }
    if (job.state.kind !== 'pending' && job.state.kind !== 'inProgress') return;
    this.#store.put(table, {
      ...job,
      completedTime: host.now(),
      state: { kind: 'canceled' },
    } as ScheduledJob);
  }

  /** Starts running jobs. Actions that ran when the process ended are failed: they may have had effects. */
  async start(): Promise<void> {
    this.#started = true;
    await this.#transactions.exclusive(() => {
      for (const { table, job } of this.#jobs('inProgress')) {
        this.#store.put(table, {
          ...job,
          completedTime: host.now(),
          state: { kind: 'failed', error: 'Transient error while executing action' },
        } as ScheduledJob);
      }
      this.#transactions.commit();
    });
    this.wake();
  }

  stop(): void {
    this.#started = false;
    clearTimeout(this.#timer);
  }

  *#jobs(kind: ScheduledJob['state']['kind']) {
    for (const table of this.#store.tables.values()) {
      if (table.name !== SCHEDULED) continue;
      for (const [, document] of table.indexes.get('by_creation_time')!.entries.entries(EVERYTHING)) {
        const job = document as ScheduledJob;
        if (job.state.kind === kind) yield { table, job };
      }
    }
  }

  /** Looks at the jobs again: one was added, has ended, or is due. */
  wake(): void {
    if (!this.#started) return;
    clearTimeout(this.#timer);
    const now = host.now();
    let next = Number.POSITIVE_INFINITY;
    const due: Array<{ table: Table; job: ScheduledJob }> = [];
    for (const { table, job } of this.#jobs('pending')) {
      if (this.#running.has(job._id)) continue;
      if (job.scheduledTime <= now) due.push({ table, job });
      else next = Math.min(next, job.scheduledTime);
    }
    due.sort(
      ({ job: a }, { job: b }) => a.scheduledTime - b.scheduledTime || a._creationTime - b._creationTime,
    );
    for (const { table, job } of due) void this.#run(table, job._id);
    if (next < Number.POSITIVE_INFINITY) {
      this.#timer = host.setTimeout(() => this.wake(), Math.min(next - now, LONGEST_TIMER_MS)).unref();
    }
  }

  async #run(table: Table, id: string): Promise<void> {
    this.#running.add(id);
    try {
      const job = table.documents.get(id) as ScheduledJob | undefined;
      if (job === undefined) return;
      const set = (state: ScheduledJob['state']) => {
        const current = table.documents.get(id) as ScheduledJob | undefined;
        if (current === undefined || current.state.kind === 'canceled') return;
        const ended = state.kind === 'inProgress' ? {} : { completedTime: host.now() };
        this.#store.put(table, { ...current, ...ended, state } as ScheduledJob);
      };
      const complete = (error?: string) =>
        set(error === undefined ? { kind: 'success' } : { kind: 'failed', error });
      const isPending = () => (table.documents.get(id) as ScheduledJob | undefined)?.state.kind === 'pending';
      const kind = this.#kindOf(table.component, job.name);
      const request = {
        kind,
        component: table.component,
        path: job.name,
        args: job.args[0] ?? {},
        requestId: '',
        caller: {
          identity: null,
          admin: true,
          request: { ip: null, userAgent: null, requestId: null, scheduledFunctionId: id },
        },
      };
      if (kind === 'mutation') {
        const response = await this.#runner.run(request, undefined, { wanted: isPending, complete });
        // A failure before the transaction began (no such function) has not ended the job yet.
        if (!response.success && isPending()) await this.#runner.change(() => complete(response.message));
        return;
      }
      const started = await this.#runner.change(() => {
        if (!isPending()) return false;
        set({ kind: 'inProgress' });
        return true;
      });
      if (!started) return;
      const response = await this.#runner.run(request);
      await this.#runner.change(() => complete(response.success ? undefined : response.message));
    } finally {
      this.#running.delete(id);
      this.wake();
    }
  }
}
