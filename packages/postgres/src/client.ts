import pg, { type ClientBase, type PoolClient } from 'pg';
import { destroy, isDestroyed, whenCut } from './interrupt.ts';
import { type Listener, type ListenOptions, listen } from './listen.ts';
import { endsConnection, PostgresError, toPostgresError } from './postgres-error.ts';
import { type Direct, type Lend, type Queryable, queryableOver } from './queryable.ts';
import { type Transaction, type TransactionOptions, transact } from './transaction.ts';
import { types } from './types.ts';

export interface ClientOptions {
  readonly url: string;
  /** How many connections may be open at once. 10 where absent. */
  readonly connections?: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string;
  /** How long to wait for a connection, free or new. 10 s where absent. */
  readonly connectTimeoutMs?: number;
  /** An unused connection closes after this. 30 s where absent. */
  readonly idleTimeoutMs?: number;
  /** The server cancels a statement that runs longer. No limit where absent. */
  readonly statementTimeoutMs?: number;
  /** The server cancels a statement that waits longer for a lock. No limit where absent. */
  readonly lockTimeoutMs?: number;
  /** The server ends a transaction that does nothing for longer. 60 s where absent. */
  readonly idleInTransactionTimeoutMs?: number;
  /** Told when an idle connection breaks, as on a restart of the server; the pool replaces it by itself. */
  readonly onConnectionError?: (error: Error) => void;
}

export interface CloseOptions {
  /** How long statements and transactions that run may take to end; then their connections are cut. 10 s where absent. */
  readonly graceMs?: number;
}

/** A pool of connections to one database. Nothing connects before the first use. */
export interface Client extends Queryable, AsyncDisposable {
  /**
   * Runs `fn` in a transaction: committed when it returns, rolled back when it throws, run again as a whole after a
   * serialization failure or a deadlock. `fn` must therefore have no effects outside the database.
   */
  tx<T>(fn: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Listens to notifications on a connection of its own, which comes back after it was lost. */
  listen(channels: string | readonly string[], options: ListenOptions): Promise<Listener>;
  /** Lends a connection of the driver, for what this interface does not cover; its errors are the driver's, see `toPostgresError`. */
  connection<T>(use: (connection: ClientBase) => Promise<T>): Promise<T>;
  /** Refuses what is new, waits for what was asked for, and closes every connection. Later calls change nothing. */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Opens a client for one database.
 *
 * Types: as `pg` has them (`bigint` and `numeric` as strings), but `date` stays the text `YYYY-MM-DD`, because a Date
 * would be another day in another time zone.
 *
 * ```ts
 * await using client = createClient({ url });
 * const rows = await client.query<{ id: string }>('SELECT id FROM person WHERE name = $1', ['Ada']);
 * ```
 */
export function createClient(options: ClientOptions): Client {
  const pool = new pg.Pool(poolConfig(options));
  // Without a listener, an idle connection that breaks would end the process.
  pool.on('error', (error) => options.onConnectionError?.(error));
  const broken = new WeakSet<PoolClient>();
  pool.on('connect', (client) => {
    client.on('error', () => broken.add(client as PoolClient));
  });
  const busy = new Set<PoolClient>();
  const listeners = new Set<Listener>();
  let closing: Promise<void> | undefined;
  /** What was asked for and has not ended: it has a connection, or waits for one. */
  let asked = 0;
  const drained = Promise.withResolvers<boolean>();

  const ended = () => {
    asked -= 1;
    if (closing && asked === 0) drained.resolve(true);
  };
  const noConnection = (error: unknown) => {
    ended();
    return pool.ending ? closedError() : toPostgresError(error);
  };
  const giveBack = (client: PoolClient, error?: unknown) => {
    busy.delete(client);
    client.release(broken.has(client) || isDestroyed(client) || (error ? endsConnection(error) : false));
    ended();
  };

  const borrow: Lend = async (use, { signal } = {}) => {
    asked += 1;
    let client: PoolClient;
    try {
      client = await acquire(pool, signal);
    } catch (error) {
      const failure = noConnection(error);
      throw signal?.aborted ? error : failure;
    }
    busy.add(client);
    try {
      const result = await use(client);
      giveBack(client);
      return result;
    } catch (error) {
      giveBack(client, error);
      throw error;
    }
  };

  const lend: Lend = async (use, lendOptions) => {
    if (closing) throw closedError();
    return borrow(use, lendOptions);
  };

  /** Without a promise of its own between the pool's and the caller's. */
  const direct: Direct = (text, values) =>
    new Promise((resolve, reject) => {
      if (closing) throw closedError();
      asked += 1;
      checkOut(pool, (connectError, client) => {
        if (connectError || !client) {
          reject(noConnection(connectError));
          return;
        }
        busy.add(client);
        client.query(text, values as unknown[], (error, result) => {
          giveBack(client, error);
          if (error) reject(toPostgresError(error));
          else resolve(result);
        });
      });
    });

  const close = async ({ graceMs = 10_000 }: CloseOptions = {}) => {
    await Promise.all([...listeners].map((listener) => listener.close()));
    if (asked === 0) drained.resolve(true);
    const patience = setTimeout(() => drained.resolve(false), graceMs);
    const isDrained = await drained.promise;
    clearTimeout(patience);
    const poolEnded = pool.end();
    if (isDrained) return poolEnded;
    // A function that never comes back keeps its connection from the pool, and must not keep `close` from its end.
    const cut = Promise.all([...busy].map(whenCut));
    for (const client of busy) destroy(client);
    await Promise.race([poolEnded, cut]);
  };

  return {
    ...queryableOver({ lend, direct, inTransaction: false }),
    async tx(fn, transactionOptions) {
      if (closing) throw closedError();
      asked += 1; // also between two attempts
      return transact(borrow, fn, transactionOptions).finally(ended);
    },
    connection: (use) => lend(use),
    async listen(channels, listenOptions) {
      if (closing) throw closedError();
      const names = typeof channels === 'string' ? [channels] : channels;
      const listener = await listen(poolConfig(options), names, listenOptions);
      listeners.add(listener);
      if (!closing) return listener;
      await listener.close();
      throw closedError();
    },
    close(closeOptions) {
      closing ??= close(closeOptions);
      return closing;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

function closedError(): PostgresError {
  return new PostgresError('POSTGRES_CLOSED', 'The client is closed', {
    hint: 'Use the client before it is closed.',
  });
}

function poolConfig(options: ClientOptions): pg.PoolConfig {
  return {
    connectionString: options.url,
    max: options.connections ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    idleTimeoutMillis: options.idleTimeoutMs ?? 30_000,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 60_000,
    keepAlive: true,
    types,
    ...(options.applicationName !== undefined && { application_name: options.applicationName }),
    ...(options.statementTimeoutMs !== undefined && { statement_timeout: options.statementTimeoutMs }),
    ...(options.lockTimeoutMs !== undefined && { lock_timeout: options.lockTimeoutMs }),
  };
}

/**
 * Asks for a connection; one that lies idle is there at once, so that the timer, which costs more than all else of a
 * short statement's way, is for those who have to wait.
 */
function checkOut(
  pool: pg.Pool,
  taken: (error: Error | undefined, client: PoolClient | undefined) => void,
): void {
  const { options } = pool;
  const { connectionTimeoutMillis } = options;
  if (pool.waitingCount < pool.idleCount) options.connectionTimeoutMillis = 0;
  pool.connect(taken);
  options.connectionTimeoutMillis = connectionTimeoutMillis;
}

/** A connection of the pool. One that comes after the wait was given up goes straight back. */
async function acquire(pool: pg.Pool, signal: AbortSignal | undefined): Promise<PoolClient> {
  if (!signal) return pool.connect();
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const coming = pool.connect();
  try {
    return await Promise.race([coming, aborted]);
  } catch (error) {
    if (signal.aborted)
      coming.then(
        (late) => late.release(),
        () => undefined,
      );
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
