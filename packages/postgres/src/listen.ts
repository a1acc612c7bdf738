import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { destroy } from './interrupt.ts';
import { toPostgresError } from './postgres-error.ts';
import { quoteIdentifier } from './statement.ts';

export interface Notification {
  readonly channel: string;
  /** What the sender passed to `pg_notify`; empty where nothing. */
  readonly payload: string;
}

export interface ListenOptions {
  readonly onNotification: (notification: Notification) => void;
  /**
   * Called whenever the connection listens again after it was lost. Notifications sent in between are gone: read the
   * tables for what they would have said.
   */
  readonly onReconnect: () => void;
  /** Told why the connection was lost, why it could not be made again, or what `onReconnect` threw. */
  readonly onError?: (error: Error) => void;
  /** How often to check that the connection still lives. 30 s where absent. */
  readonly heartbeatMs?: number;
}

/** A subscription that survives a restart of the server. */
export interface Listener extends AsyncDisposable {
  close(): Promise<void>;
}

const firstDelayMs = 20;
const longestDelayMs = 5000;

/** Subscribes to `channels`, and resolves once the server has them. */
export async function listen(
  config: pg.ClientConfig,
  channels: readonly string[],
  options: ListenOptions,
): Promise<Listener> {
  const closed = new AbortController();
  let session = await openSession(config, channels, options).catch((error: unknown) => {
    throw toPostgresError(error);
  });
  const watching = (async () => {
    for (;;) {
      const error = await session.lost;
      if (closed.signal.aborted) return;
      options.onError?.(error);
      const next = await reopen();
      if (!next) return;
      session = next;
      try {
        options.onReconnect();
      } catch (failure) {
        options.onError?.(failure as Error); // it goes on listening
      }
    }
  })();

  async function reopen(): Promise<Session | undefined> {
    for (let delay = firstDelayMs; !closed.signal.aborted; delay = Math.min(delay * 2, longestDelayMs)) {
      await sleep(delay * (0.5 + Math.random() / 2), undefined, { signal: closed.signal }).catch(
        () => undefined,
      );
      if (closed.signal.aborted) return undefined;
      try {
        const next = await openSession(config, channels, options, closed.signal);
        if (!closed.signal.aborted) return next;
        await next.end();
      } catch (error) {
        if (!closed.signal.aborted) options.onError?.(toPostgresError(error));
      }
    }
    return undefined;
  }

  const close = async () => {
    closed.abort();
    await session.end();
    await watching;
  };
  return { close, [Symbol.asyncDispose]: close };
}

interface Session {
  /** Resolves with the reason when the connection is gone. */
  readonly lost: Promise<Error>;
  end(): Promise<void>;
}

async function openSession(
  config: pg.ClientConfig,
  channels: readonly string[],
  { onNotification, heartbeatMs = 30_000 }: ListenOptions,
  signal?: AbortSignal,
): Promise<Session> {
  const client = new pg.Client(config);
  const giveUp = () => destroy(client);
  signal?.addEventListener('abort', giveUp);
  const { promise: lost, resolve: lose } = Promise.withResolvers<Error>();
  client.on('error', lose);
  client.once('end', () => lose(new Error('Connection terminated')));
  client.on('notification', ({ channel, payload = '' }) => onNotification({ channel, payload }));
  let heartbeat: NodeJS.Timeout | undefined;
  let ending: Promise<void> | undefined;
  const end = () => {
    clearInterval(heartbeat);
    ending ??= client.end().catch(() => undefined);
    return ending;
  };
  void lost.then(end);
  try {
    await client.connect();
    await client.query(channels.map((channel) => `LISTEN ${quoteIdentifier(channel)}`).join('; '));
  } catch (error) {
    await end();
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  // A connection that a firewall dropped silently shows only when it is used.
  heartbeat = setInterval(() => {
    const answer = setTimeout(() => lose(new Error('The server does not answer')), heartbeatMs);
    client.query('SELECT 1').then(
      () => clearTimeout(answer),
      (error: Error) => {
        clearTimeout(answer);
        lose(error);
      },
    );
  }, heartbeatMs);
  return { lost, end };
}
