import type { Client } from 'pg';
import { StackyardError } from '../errors.ts';

/**
 * Connects to a server, and disconnects after `work`.
 *
 * @param url of a user who may read everything
 * @param database the URL's where absent
 * @throws StackyardError when the server refuses something, or goes away meanwhile
 */
export async function withClient<T>(
  url: string,
  work: (client: Client) => Promise<T>,
  database?: string,
): Promise<T> {
  const { default: pg } = await import('pg');
  const { hostname: host, port, username, password, pathname } = new URL(url);
  // Not as a URL: pg takes a database's name from one only where it needs no escapes.
  const client = new pg.Client({
    host,
    port: Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: database ?? decodeURIComponent(pathname.slice(1)),
  });
  let lost: Error | undefined;
  client.on('error', (error) => {
    lost ??= error; // the next query fails, and says less
  });
  try {
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  } catch (error) {
    const cause = lost ?? error;
    throw isServers(cause as Error) ? failed(`${host}:${port}`, cause as Error) : cause;
  }
}

/** Whether the server said it, or its end did. */
const isServers = (error: Error & { readonly code?: string }): boolean =>
  'severity' in error ||
  /^(ECONN|EPIPE)/.test(error.code ?? '') ||
  error.message.startsWith('Connection terminated');

function failed(address: string, cause: Error): StackyardError {
  return new StackyardError(
    'STACKYARD_BACKUP_SERVER',
    `the PostgreSQL at ${address} says: ${cause.message}`,
    {
      hint: 'see that it goes on running, with the user and password of .env, and start again; the data of the stack are as they were',
      cause,
    },
  );
}
