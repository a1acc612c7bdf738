import type { Transaction } from '@stackyard/postgres';

/** How a consumer takes part. */
export interface ConsumeOptions {
  /** Resolves when there is room for at least one more, with how many. Nothing is taken before. */
  readonly capacity: () => Promise<number>;
  /**
   * Gets permissions to claim that many jobs, at most what `capacity` gave. A permission counts as used when this
   * resolves; when it rejects or the process dies, it comes again.
   */
  readonly deliver: (count: number) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface Consumer extends AsyncDisposable {
  /** Stops taking, and waits for deliveries that run. */
  stop(): Promise<void>;
}

/**
 * Carries permissions to claim a job, not jobs: which one is next, and whether any is, says the database, in which
 * priority, fairness, limits, pauses and fencing are the same for every queue. A permission may come twice or be lost
 * (a Redis without its data); a claim then finds nothing, and the reconciler adds what is missing.
 */
export interface Queue extends AsyncDisposable {
  readonly description: string;
  /** True where `add` takes part in a transaction of the database. */
  readonly transactional: boolean;
  /** Adds permissions, with `tx` only when it commits (where {@link transactional}). */
  add(
    count: number,
    options?: { readonly tx?: Transaction | undefined; readonly delayMs?: number | undefined },
  ): Promise<void>;
  consume(options: ConsumeOptions): Promise<Consumer>;
  /** How many permissions wait, delayed ones left out. */
  waiting(): Promise<number>;
  /** Resolves when the queue answers. */
  check(signal?: AbortSignal): Promise<void>;
}
