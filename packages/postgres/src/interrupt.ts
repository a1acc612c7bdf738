import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { ClientBase } from 'pg';
import { PostgresError } from './postgres-error.ts';

export interface InterruptOptions {
  /** Cancels the statement on the server; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the statement is cancelled, on top of the client's `statementTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

/** The slice of a `pg` connection that a cancel request needs; `pg` sets it and does not type all of it. */
interface Backend {
  readonly host: string;
  readonly port: number;
  readonly processID: number;
  readonly secretKey: number;
  readonly connection: { readonly stream: Pick<Socket, 'destroy' | 'destroyed' | 'once'> };
}

/** How long a cancelled statement may take to end before its connection is given up. */
const graceMs = 2000;

/**
 * Runs `start` on a connection so that it can be interrupted: the server is told to cancel, and the connection stays
 * occupied until the statement has settled, so that the cancellation cannot hit the next one. A connection that does
 * not settle is destroyed. `start` gets a signal for what it waits for outside the server.
 */
export async function interruptible<T>(
  client: ClientBase,
  start: (stop?: AbortSignal) => Promise<T>,
  options: InterruptOptions = {},
): Promise<T> {
  const { signal, timeoutMs } = options;
  if (signal === undefined && timeoutMs === undefined) return start();
  signal?.throwIfAborted();
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<unknown>();
  const onAbort = () => interrupt(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => interrupt(timeout(timeoutMs)), timeoutMs);
  const stop = new AbortController();
  const work = start(stop.signal);
  const settled = work.then(
    () => undefined,
    () => undefined,
  );
  try {
    const reason = await Promise.race([settled, interrupted.then((cause) => ({ cause }))]);
    if (reason === undefined) return await work;
    stop.abort(reason.cause);
    await cancel(client, settled);
    throw reason.cause;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function timeout(timeoutMs: number): PostgresError {
  return new PostgresError(
    'POSTGRES_TIMEOUT',
    `The statement took longer than ${timeoutMs} ms and was cancelled`,
    {
      hint: 'Give it more time, or make it faster (EXPLAIN shows where the time goes).',
    },
  );
}

async function cancel(client: ClientBase, settled: Promise<unknown>): Promise<void> {
  const { promise: patience, resolve: giveUp } = Promise.withResolvers<'gave up'>();
  const timer = setTimeout(() => giveUp('gave up'), graceMs);
  try {
    const asked = requestCancel(client as unknown as Backend);
    const outcome = await Promise.race([Promise.all([asked, settled]), patience]);
    if (outcome === 'gave up') destroy(client);
  } finally {
    clearTimeout(timer);
  }
}

const destroyed = new WeakSet<ClientBase>();

/** Cuts a connection at once; whatever runs on it fails, and the server rolls back. */
export function destroy(client: ClientBase): void {
  destroyed.add(client);
  (client as unknown as Backend).connection.stream.destroy();
}

/** Resolves when the connection is cut. */
export function whenCut(client: ClientBase): Promise<void> {
  const { stream } = (client as unknown as Backend).connection;
  return new Promise((resolve) => {
    if (stream.destroyed) resolve();
    else stream.once('close', () => resolve());
  });
}

export function isDestroyed(client: ClientBase): boolean {
  return destroyed.has(client);
}

/**
 * The protocol's cancel request: 16 bytes on a connection of its own, which the server closes once it has passed the
 * signal on. It needs no login, and so neither a free slot of the pool nor one of the server.
 *
 * @see https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
async function requestCancel({ host, port, processID, secretKey }: Backend): Promise<void> {
  const message = Buffer.alloc(16);
  message.writeInt32BE(16, 0);
  message.writeInt32BE(80_877_102, 4);
  message.writeInt32BE(processID, 8);
  message.writeInt32BE(secretKey, 12);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  socket.on('error', () => {});
  socket.setTimeout(graceMs, () => socket.destroy());
  socket.write(message);
  socket.resume();
  await once(socket, 'close');
}
