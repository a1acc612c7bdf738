import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HealthError } from './health-error.ts';

export interface SocketTarget {
  readonly host: string;
  readonly port: number;
  /** Speak TLS from the first byte. */
  readonly tls?: boolean | undefined;
}

/**
 * Opens a connection for the length of `use`, and destroys it afterwards and on abort. Rejects with a described
 * answer when nobody listens.
 */
export async function withSocket<T>(
  { tls = false, ...address }: SocketTarget,
  signal: AbortSignal,
  use: (socket: Socket) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { host, port } = address;
  const socket = tls
    ? connectTls({ ...address, ...(isIP(host) ? {} : { servername: host }) })
    : connect(address);
  refuseSelf(socket);
  const { promise: broken, reject: breakOff } = Promise.withResolvers<never>();
  broken.catch(() => {});
  const onAbort = () => breakOff(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  socket.on('error', (error) => breakOff(refusal(`${host}:${port}`, error)));
  socket.on('close', () =>
    breakOff(new HealthError('HEALTH_UNREADY', `${host}:${port} closed the connection`)),
  );
  try {
    const opened = new Promise<void>((resolve) => socket.once(tls ? 'secureConnect' : 'connect', resolve));
    await Promise.race([opened, broken]);
    if (socket.destroyed) throw new HealthError('HEALTH_UNREADY', `${host}:${port} refused the connection`);
    return await Promise.race([use(socket), broken]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}

/**
 * A connection attempt to a free port of the ephemeral range can meet itself: the system picks the very port as its
 * source. Such a connection is reset at once; it would look like a server, and keep the real one off its port.
 */
export function refuseSelf(socket: Socket): void {
  socket.once('connect', () => {
    const self = socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
    if (self) socket.resetAndDestroy();
  });
}

const answers: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'reset the connection',
  EPIPE: 'reset the connection',
  ETIMEDOUT: 'did not answer the connection attempt',
  EHOSTUNREACH: 'cannot be reached from this machine',
  ENETUNREACH: 'cannot be reached from this machine',
  ENOTFOUND: 'has a host name that does not resolve',
  EAI_AGAIN: 'has a host name that does not resolve at the moment',
};

/** A network error in words: `127.0.0.1:5434 refused the connection`. */
export function refusal(address: string, error: unknown): HealthError {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const code = first instanceof Error && 'code' in first ? String(first.code) : '';
  const answer = answers[code] ?? `failed: ${first instanceof Error ? first.message : String(first)}`;
  return new HealthError('HEALTH_UNREADY', `${address} ${answer}`, { cause: error });
}
