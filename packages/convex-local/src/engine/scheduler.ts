import type { StoredDocument } from '../storage/document.ts';
import type { Store, Table, Write } from '../storage/store.ts';
import { host } from './environment.ts';
import { FunctionError, RequestError } from './function-error.ts';
import type { ResolvedFunction } from './function-reference.ts';
import type { Runner } from './runner.ts';
import type { Transactions } from './transactions.ts';

const SCHEDULED = '_scheduled_functions';
/** Where a job runs that another component scheduled than its own. The job itself is visible to user code. */
const TARGETS = '_scheduled_targets';

/** `setTimeout` takes no longer delay. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Jobs that have ended can be looked at for a week, as on Convex. */
const KEPT_MS = 7 * 86_400_000;
const SWEEP_MS = 60 * 60_000;
/** After a failure that passes, a job is tried again. */
const RETRY_MS = 100;

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
  #sweeper: NodeJS.Timeout | undefined;
  #started = false;
  /** The jobs that have not ended, by id. */
  readonly #open = new Map<string, Table>();
  /** What is in `TARGETS`, by job. */
  readonly #targets = new Map<string, string>();
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

  /** Adds a job of a component inside the open transaction. `at` is in milliseconds. */
  add(component: string, target: ResolvedFunction, at: number, args: unknown): string {
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
    const id = this.#store.insert(
      table,
      { name: target.path, args: [args], scheduledTime: Math.max(at, 0), state: { kind: 'pending' } },
      now,
    );
    if (target.component !== component) {
      const targets = this.#store.ensureTable('', TARGETS);
      this.#store.insert(targets, { job: id, component: target.component }, now);
      this.#targets.set(id, target.component);
    }
    return id;
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
    for (const table of this.#store.tables.values()) {
      if (table.name === SCHEDULED) for (const job of table.documents.values()) this.#track(table, job);
    }
    for (const { job, component } of this.#store.table('', TARGETS)?.documents.values() ?? []) {
      this.#targets.set(job as string, component as string);
    }
    await this.#transactions.exclusive(() => {
      for (const { table, job } of [...this.#jobs('inProgress')]) {
        this.#store.put(table, {
          ...job,
          completedTime: host.now(),
          state: { kind: 'failed', error: 'Transient error while executing action' },
        } as ScheduledJob);
      }
      this.#transactions.commit();
    });
    this.wake();
    await this.#sweep();
    this.#sweeper = host.setInterval(() => void this.#sweep(), SWEEP_MS).unref();
  }

  stop(): void {
    this.#started = false;
    clearTimeout(this.#timer);
    clearInterval(this.#sweeper);
  }

  /** Learns what a commit did to jobs. */
  note(writes: readonly Write[]): void {
    const mine = writes.filter(({ table }) => table.name === SCHEDULED);
    for (const { table, id, after } of mine) {
      if (after === undefined) this.#open.delete(id);
      else this.#track(table, after);
    }
    if (mine.length > 0) this.wake();
  }

  #track(table: Table, document: StoredDocument): void {
    const { kind } = (document as ScheduledJob).state;
    if (kind === 'pending' || kind === 'inProgress') this.#open.set(document._id, table);
    else this.#open.delete(document._id);
  }

  *#jobs(kind: ScheduledJob['state']['kind']) {
    for (const [id, table] of this.#open) {
      const job = table.documents.get(id) as ScheduledJob | undefined;
      if (job?.state.kind === kind) yield { table, job };
    }
  }

  /** Removes the jobs that ended long ago. */
  async #sweep(): Promise<void> {
    const before = host.now() - KEPT_MS;
    await this.#runner.change(() => {
      for (const table of this.#store.tables.values()) {
        if (table.name !== SCHEDULED) continue;
        for (const job of [...table.documents.values()] as ScheduledJob[]) {
          if (job.completedTime !== undefined && job.completedTime < before)
            this.#store.remove(table, job._id);
        }
      }
      const targets = this.#store.table('', TARGETS);
      for (const entry of [...(targets?.documents.values() ?? [])]) {
        if (this.#open.has(entry.job as string)) continue;
        this.#targets.delete(entry.job as string);
        this.#store.remove(targets!, entry._id);
      }
    });
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
      const component = this.#targets.get(id) ?? table.component;
      const kind = this.#kindOf(component, job.name);
      const request = {
        kind,
        component,
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
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      await new Promise((resolve) => host.setTimeout(resolve, RETRY_MS).unref());
    } finally {
      this.#running.delete(id);
      this.wake();
    }
  }
}
