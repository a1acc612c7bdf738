import type { Store, StoredDocument } from '../storage/store.ts';
import { EVERYTHING } from '../storage/value-order.ts';
import type { Caller } from './caller.ts';
import { host } from './environment.ts';
import { FunctionError } from './function-error.ts';
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

export interface JobRunner {
  kindOf(component: string, path: string): 'mutation' | 'action' | 'unknown';
  /** Runs a mutation together with the change of its job, in one transaction. */
  runMutation(
    component: string,
    job: ScheduledJob,
    caller: Caller,
    complete: (error?: string) => void,
  ): Promise<void>;
  /** Runs an action; resolves with an error message or nothing. */
  runAction(component: string, job: ScheduledJob, caller: Caller): Promise<string | undefined>;
}

/** Runs functions at their time. Jobs are documents: they survive a restart, and a mutation runs exactly once. */
export class Scheduler {
  readonly #store: Store;
  readonly #transactions: Transactions;
  readonly #runner: JobRunner;
  #timer: NodeJS.Timeout | undefined;
  #started = false;
  readonly #running = new Set<string>();

  constructor(store: Store, transactions: Transactions, runner: JobRunner) {
    this.#store = store;
    this.#transactions = transactions;
    this.#runner = runner;
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
  cancel(id: string): void {
    const table = this.#store.tableOf(id);
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
    const due: ScheduledJob[] = [];
    for (const { job } of this.#jobs('pending')) {
      if (this.#running.has(job._id)) continue;
      if (job.scheduledTime <= now) due.push(job);
      else next = Math.min(next, job.scheduledTime);
    }
    due.sort((a, b) => a.scheduledTime - b.scheduledTime || a._creationTime - b._creationTime);
    for (const job of due) void this.#run(job._id);
    if (next < Number.POSITIVE_INFINITY) {
      this.#timer = host.setTimeout(() => this.wake(), Math.min(next - now, LONGEST_TIMER_MS));
    }
  }

  async #run(id: string): Promise<void> {
    this.#running.add(id);
    try {
      const table = this.#store.tableOf(id)!;
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
      const caller: Caller = {
        identity: null,
        admin: true,
        request: { ip: null, userAgent: null, requestId: null, scheduledFunctionId: id },
      };
      if (this.#runner.kindOf(table.component, job.name) === 'mutation') {
        await this.#runner.runMutation(table.component, job, caller, complete);
        return;
      }
      const started = await this.#transactions.exclusive(() => {
        const current = table.documents.get(id) as ScheduledJob | undefined;
        if (current?.state.kind !== 'pending') return false;
        set({ kind: 'inProgress' });
        this.#transactions.commit();
        return true;
      });
      if (!started) return;
      const error = await this.#runner.runAction(table.component, job, caller);
      await this.#transactions.exclusive(() => {
        complete(error);
        this.#transactions.commit();
      });
    } finally {
      this.#running.delete(id);
      this.wake();
    }
  }
}
