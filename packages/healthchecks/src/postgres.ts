import { Socket } from 'node:net';
import { HealthError } from './health-error.ts';
import type { Probe } from './probe.ts';
import { refusal, refuseSelf } from './socket.ts';

/** The slice of a `pg` pool or client that the probe uses. */
export interface Queryable {
  query(text: string): Promise<unknown>;
}

/** The slice of `pg.Client` that the probe uses. */
export interface PgClient extends Queryable {
  connect(): Promise<unknown>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** The slice of the `pg` module that the probe uses: `import pg from 'pg'` fits. */
export interface PgDriver {
  readonly Client: new (config: { connectionString: string; stream: () => Socket }) => PgClient;
}

/**
 * Ready when `SELECT 1` is answered on the target database. With a URL it opens and closes a connection of its own,
 * over TCP, through the driver that the caller brings. With a pool or client it asks through that.
 *
 * @example postgres('postgresql://app:pw@127.0.0.1:5434/app', pg)
 */
export function postgres(url: string | URL, driver: PgDriver): Probe;
export function postgres(client: Queryable): Probe;
export function postgres(target: string | URL | Queryable, driver?: PgDriver): Probe {
  if (typeof target === 'string' || target instanceof URL) return overUrl(String(target), driver);
  return async (signal) => {
    signal.throwIfAborted();
    try {
      await target.query('SELECT 1');
    } catch (error) {
      throw answerOf('PostgreSQL', error);
    }
  };
}

function overUrl(url: string, driver: PgDriver | undefined): Probe {
  const parsed = URL.parse(url);
  if (!driver || !parsed || !/^postgres(ql)?:$/.test(parsed.protocol) || parsed.hostname === '') {
    throw new HealthError(
      'HEALTH_TARGET',
      'The PostgreSQL probe needs a postgresql:// URL with a host, and the driver.',
      {
        hint: "Call postgres('postgresql://user:password@127.0.0.1:5432/database', pg) with `import pg from 'pg'`.",
      },
    );
  }
  const database = decodeURIComponent(parsed.pathname.slice(1));
  const name = `PostgreSQL at ${parsed.hostname}:${parsed.port || 5432}${database && `, database "${database}"`}`;
  return async (signal) => {
    signal.throwIfAborted();
    // The driver cannot be interrupted while it connects; its socket can.
    const socket = new Socket();
    refuseSelf(socket);
    const client = new driver.Client({ connectionString: url, stream: () => socket });
    client.on('error', () => {});
    const { promise: aborted, reject: abort } = Promise.withResolvers<never>();
    aborted.catch(() => {});
    const onAbort = () => abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const ask = async () => {
      await client.connect();
      await client.query('SELECT 1');
      await client.end();
    };
    try {
      await Promise.race([ask(), aborted]);
    } catch (error) {
      throw signal.aborted ? signal.reason : answerOf(name, error);
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    }
  };
}

function answerOf(name: string, error: unknown): HealthError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // Five characters with a digit among them are an SQLSTATE (EPIPE is not): the server itself has spoken.
  if (!/^(?=.*\d)[0-9A-Z]{5}$/.test(code)) return refusal(name, error);
  return new HealthError(
    'HEALTH_UNREADY',
    `${name} answered: ${(error as Error).message} (SQLSTATE ${code})`,
    {
      cause: error,
    },
  );
}
