import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientBase, escapeLiteral } from 'pg';
import { interruptible } from './interrupt.ts';
import { PostgresError, rethrow, toPostgresError } from './postgres-error.ts';
import { type Lend, type Queryable, queryableOver } from './queryable.ts';

export interface TransactionOptions {
  /** PostgreSQL's default, `read committed`, where absent. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  readonly readOnly?: boolean;
  /** With `serializable` and `readOnly`: waits for a snapshot that cannot fail. */
  readonly deferrable?: boolean;
  /** Settings that end with the transaction, such as `{ 'app.tenant_id': tenant }`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  /** How often the whole transaction may run, the first time included. 5 where absent. */
  readonly attempts?: number;
  /** Cancels the running statement and rolls back. */
  readonly signal?: AbortSignal;
}

/** A transaction that runs. It is of no use after its function has ended. */
export interface Transaction extends Queryable {
  /** 1, and one more with each retry. */
  readonly attempt: number;
}

/** The errors after which a whole transaction runs again, and why that can help. Every other error is final. */
export const retryable: Readonly<Record<string, string>> = {
  '40001':
    'serialization_failure: concurrent transactions could not be put in an order; a new snapshot may fit',
  '40P01': 'deadlock_detected: this transaction was chosen to give way; the others have the locks now',
};

const firstDelayMs = 10;
const longestDelayMs = 1000;

/** Borrows a connection, runs `fn` in a transaction on it, and does both again after an error that is `retryable`. */
export async function transact<T>(
  lend: Lend,
  fn: (tx: Transaction) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const attempts = options.attempts ?? 5;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await lend((client) => runOnce(client, fn, options, attempt), { signal: options.signal });
    } catch (error) {
      const state = error instanceof PostgresError ? error.sqlState : undefined;
      if (state === undefined || !(state in retryable) || attempt >= attempts) throw error;
    }
    // Full jitter: transactions that collided once should not meet again.
    const longest = Math.min(longestDelayMs, firstDelayMs * 2 ** attempt);
    await sleep(Math.random() * longest, undefined, options.signal ? { signal: options.signal } : {});
  }
}

async function runOnce<T>(
  client: ClientBase,
  fn: (tx: Transaction) => Promise<T>,
  options: TransactionOptions,
  attempt: number,
): Promise<T> {
  const { signal } = options;
  signal?.throwIfAborted();
  await client.query(opening(options)).catch(rethrow);
  let open = true;
  let failed: unknown;
  const lendThis: Lend = async (use) => {
    if (!open) {
      throw new PostgresError('POSTGRES_TRANSACTION_OVER', 'The transaction has ended already', {
        hint: 'Await every query inside the function that is passed to `tx`.',
      });
    }
    try {
      return await interruptible(client, () => use(client), signal ? { signal } : {});
    } catch (error) {
      failed ??= error;
      throw error;
    }
  };
  try {
    const result = await fn({ attempt, ...queryableOver({ lend: lendThis, inTransaction: true }) });
    open = false;
    signal?.throwIfAborted();
    await commit(client, failed);
    return result;
  } catch (error) {
    open = false;
    // Fails only when the connection is gone, and then the server rolls back by itself.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

function opening(options: TransactionOptions): string {
  const mode = [
    options.isolation && `ISOLATION LEVEL ${options.isolation.toUpperCase()}`,
    options.readOnly && 'READ ONLY',
    options.deferrable && 'DEFERRABLE',
  ].filter(Boolean);
  const settings = {
    ...(options.statementTimeoutMs !== undefined && { statement_timeout: options.statementTimeoutMs }),
    ...(options.lockTimeoutMs !== undefined && { lock_timeout: options.lockTimeoutMs }),
    ...options.settings,
  };
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config(${escapeLiteral(name)}, ${escapeLiteral(String(value))}, true)`,
  );
  // One round trip for both; nothing runs between BEGIN and the settings.
  return `BEGIN ${mode.join(' ')}${calls.length > 0 ? `; SELECT ${calls.join(', ')}` : ''}`;
}

async function commit(client: ClientBase, failed: unknown): Promise<void> {
  let command: string;
  try {
    ({ command } = await client.query('COMMIT'));
  } catch (cause) {
    const error = toPostgresError(cause);
    if (error.sqlState !== undefined && !/^(08|57)/.test(error.sqlState)) throw error;
    throw new PostgresError('POSTGRES_COMMIT_UNKNOWN', 'The connection was lost during COMMIT', {
      hint: 'The transaction may have been committed: look before you run it again. It was not retried.',
      cause,
    });
  }
  if (command === 'COMMIT') return;
  // A statement failed, the function went on regardless, and the server answered COMMIT with ROLLBACK.
  if (failed instanceof PostgresError) throw failed;
  throw new PostgresError(
    'POSTGRES_ROLLED_BACK',
    'The transaction was rolled back, because a statement in it had failed',
    {
      hint: 'Let the error of a failed statement leave the function that is passed to `tx`.',
      cause: failed,
    },
  );
}
