import { randomInt, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Backend, type Database } from './backend.ts';
import { Session, type Shared } from './session.ts';
import { Turns } from './turns.ts';
import {
  CANCEL_REQUEST,
  errorResponse,
  GSS_REQUEST,
  int32,
  MessageReader,
  message,
  PROTOCOL_3_0,
  readString,
  readyForQuery,
  SSL_REQUEST,
  startupParameters,
} from './wire.ts';

export interface ServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly user: string;
  /** Asked of every client where given. */
  readonly password?: string | undefined;
  readonly database: string;
  readonly maxConnections?: number;
  /** How long an open transaction may be idle while others wait. */
  readonly idleInTransactionMs?: number;
}

export interface RunningServer extends AsyncDisposable {
  readonly port: number;
  /** Closes every connection, rolls back what is open, and frees the port. The database stays open. */
  close(): Promise<void>;
}

const REPORTED = [
  'server_version',
  'server_encoding',
  'client_encoding',
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'integer_datetimes',
  'standard_conforming_strings',
  'application_name',
];

/**
 * Serves one PGlite to many PostgreSQL clients, one transaction at a time.
 *
 * `@electric-sql/pglite-socket` forwards each message by itself: a COPY never gets its data, statements of two clients
 * mix between Parse and Execute, one failed call stops the queue, and there is no password. So the wire is served here.
 */
export async function serve(database: Database, options: ServerOptions): Promise<RunningServer> {
  const sessions = new Map<number, { session: Session; secret: number }>();
  const backend = new Backend(database, ({ channel, bytes }) => {
    for (const { session } of sessions.values()) session.notify(channel, bytes);
  });
  const shared: Shared = {
    backend,
    turns: new Turns<Session>((holder) => holder.contended()),
    superuser: options.user,
    current: undefined,
    idleInTransactionMs: options.idleInTransactionMs ?? 30_000,
    resubscribe: async () => {
      await backend.execute('UNLISTEN *');
      const channels = new Set([...sessions.values()].flatMap(({ session }) => [...session.channels]));
      for (const channel of channels) await backend.execute(`LISTEN "${channel.replaceAll('"', '""')}"`);
    },
  };
  let nextId = 0;

  async function serveClient(socket: Socket): Promise<void> {
    const input = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const reader = new MessageReader();
    const parameters = await greet(socket, input, reader, cancel);
    if (!parameters || !(await admitted(socket, input, reader, parameters, options))) return;
    if (sessions.size >= (options.maxConnections ?? 100)) {
      refuse(socket, '53300', 'sorry, too many clients already');
      return;
    }
    nextId += 1;
    const id = nextId;
    const secret = randomInt(2 ** 31);
    const session = new Session(shared, { id, socket, reader, settings: startupSettings(parameters) });
    sessions.set(id, { session, secret });
    try {
      const settings = await session.open(REPORTED);
      socket.write(
        Buffer.concat([
          message('R', int32(0)),
          ...settings.map(({ name, value }) => message('S', name, value)),
          message('S', 'is_superuser', 'on'),
          message('S', 'session_authorization', options.user),
          message('K', int32(id), int32(secret)),
          readyForQuery('I'),
        ]),
      );
      await session.serve({ [Symbol.asyncIterator]: () => input });
    } finally {
      await session.close().finally(() => sessions.delete(id));
    }
  }

  function cancel(id: number, secret: number): void {
    const found = sessions.get(id);
    if (found?.secret === secret) found.session.cancel();
  }

  const clients = new Set<Promise<void>>();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    const served = serveClient(socket)
      .catch((error: unknown) => refuse(socket, codeOf(error), messageOf(error)))
      .finally(() => {
        socket.end();
        clients.delete(served);
      });
    clients.add(served);
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');

  const close = async () => {
    for (const { session } of sessions.values()) {
      session.end({
        severity: 'FATAL',
        code: '57P01',
        message: 'terminating connection due to administrator command',
      });
    }
    const closed = closeServer(server);
    await Promise.allSettled(clients);
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** What comes before a session: refused encryption, a request to cancel, or the startup parameters. */
async function greet(
  socket: Socket,
  input: AsyncIterator<Buffer>,
  reader: MessageReader,
  cancel: (id: number, secret: number) => void,
): Promise<Map<string, string> | undefined> {
  for (;;) {
    const packet = reader.startup();
    if (!packet) {
      const { done, value } = await input.next();
      if (done) return undefined;
      reader.push(value);
      continue;
    }
    const code = packet.readInt32BE(4);
    if (code === SSL_REQUEST || code === GSS_REQUEST) socket.write('N');
    else if (code === CANCEL_REQUEST && packet.length === 16) {
      cancel(packet.readInt32BE(8), packet.readInt32BE(12));
      return undefined;
    } else if (code >> 16 === PROTOCOL_3_0 >> 16) {
      if (code !== PROTOCOL_3_0) socket.write(message('v', int32(0), int32(0))); // a newer minor: say 3.0
      return startupParameters(packet);
    } else {
      refuse(socket, '0A000', 'unsupported frontend protocol');
      return undefined;
    }
  }
}

/** Checks user, password and database. The password crosses the loopback in the clear. */
async function admitted(
  socket: Socket,
  input: AsyncIterator<Buffer>,
  reader: MessageReader,
  parameters: Map<string, string>,
  { user, password, database }: ServerOptions,
): Promise<boolean> {
  const name = parameters.get('user') ?? '';
  if (password !== undefined) {
    socket.write(message('R', int32(3)));
    const answer = await nextMessage(input, reader);
    if (answer?.type !== 'p') return false;
    if (!sameText(readString(answer.bytes, 5).value, password) || name !== user) {
      refuse(socket, '28P01', `password authentication failed for user "${name}"`);
      return false;
    }
  } else if (name !== user) {
    refuse(socket, '28000', `role "${name}" may not log in: the embedded engine knows "${user}" only`);
    return false;
  }
  const wanted = parameters.get('database') ?? name;
  if (wanted !== database) {
    refuse(
      socket,
      '3D000',
      `database "${wanted}" does not exist: the embedded engine serves "${database}" only`,
    );
    return false;
  }
  return true;
}

async function nextMessage(input: AsyncIterator<Buffer>, reader: MessageReader) {
  for (;;) {
    const next = reader.next();
    if (next) return next;
    const { done, value } = await input.next();
    if (done) return undefined;
    reader.push(value);
  }
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Startup parameters that are settings, and those in `options` (`-c name=value`, `--name=value`). */
function startupSettings(parameters: Map<string, string>): [string, string][] {
  const settings = [...parameters].filter(
    ([name]) => !['user', 'database', 'options', 'replication'].includes(name),
  );
  const words = (parameters.get('options') ?? '').match(/(?:\\.|\S)+/g) ?? [];
  const text = words.map((word) => word.replace(/\\(.)/g, '$1'));
  for (let index = 0; index < text.length; index += 1) {
    const word = text[index] as string;
    const pair = word === '-c' ? text[++index] : /^(?:-c|--)(.+)$/s.exec(word)?.[1];
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair ?? '') ?? [];
    if (name !== undefined && value !== undefined) settings.push([name.replaceAll('-', '_'), value]);
  }
  return settings.filter(([name]) => !name.startsWith('_pq_.'));
}

function refuse(socket: Socket, code: string, text: string): void {
  if (socket.writable) socket.end(errorResponse({ severity: 'FATAL', code, message: text }));
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[0-9A-Z]{5}$/.test(code) ? code : '08P01';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
