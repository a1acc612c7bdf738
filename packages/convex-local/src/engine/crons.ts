import type { StoredDocument } from '../storage/document.ts';
import type { Store } from '../storage/store.ts';
import { nextCronTime } from './cron-schedule.ts';
import type { CronSpec, Deployment } from './deployment.ts';
import { host } from './environment.ts';
import type { Transactions } from './transactions.ts';

const CRONS = '_cron_next_runs';
const LONGEST_TIMER_MS = 2 ** 31 - 1;

interface CronState extends StoredDocument {
  identifier: string;
  spec: CronSpec;
  nextRun: number;
}

/** Starts the functions of `crons.ts` at their times; the next time is a document, so a restart keeps the rhythm. */
export class CronRunner {
  readonly #store: Store;
  readonly #transactions: Transactions;
  readonly #schedule: (component: string, path: string, at: number, args: unknown) => string;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    store: Store,
    transactions: Transactions,
    schedule: (component: string, path: string, at: number, args: unknown) => string,
  ) {
    this.#store = store;
    this.#transactions = transactions;
    this.#schedule = schedule;
  }

  /** Takes over the jobs of a deployment: those that stay keep their next run. */
  async start(deployment: Deployment): Promise<void> {
    const components = deployment.components;
    await this.#transactions.exclusive(() => {
      for (const component of components) {
        const specs = new Map(deployment.definition(component)?.modules['crons.js']?.cronSpecs ?? []);
        const table =
          specs.size === 0 ? this.#store.table(component, CRONS) : this.#store.ensureTable(component, CRONS);
        if (table === undefined) continue;
        for (const state of [...table.documents.values()] as CronState[]) {
          const spec = specs.get(state.identifier);
          if (spec !== undefined && JSON.stringify(spec) === JSON.stringify(state.spec))
            specs.delete(state.identifier);
          else this.#store.remove(table, state._id);
        }
        for (const [identifier, spec] of specs) {
          const nextRun = nextCronTime(spec.cronSchedule, host.now());
          this.#store.insert(table, { identifier, spec, nextRun }, host.now());
        }
      }
      this.#transactions.commit();
    });
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  *#states() {
    for (const table of this.#store.tables.values()) {
      if (table.name !== CRONS) continue;
      for (const state of table.documents.values()) yield { table, state: state as CronState };
    }
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = Math.min(...Array.from(this.#states(), ({ state }) => state.nextRun));
    if (!Number.isFinite(next)) return;
    const delay = Math.min(Math.max(next - host.now(), 0), LONGEST_TIMER_MS);
    this.#timer = host.setTimeout(() => void this.#fire(), delay).unref();
  }

  async #fire(): Promise<void> {
    await this.#transactions.exclusive(() => {
      const now = host.now();
      for (const { table, state } of [...this.#states()]) {
        if (state.nextRun > now) continue;
        const [args] = JSON.parse(state.spec.udfArgs) as unknown[];
        this.#schedule(table.component, state.spec.udfPath, now, args ?? {});
        this.#store.put(table, {
          ...state,
          nextRun: nextCronTime(state.spec.cronSchedule, now),
        } as CronState);
      }
      this.#transactions.commit();
    });
    this.#arm();
  }
}
