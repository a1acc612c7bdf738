import { createServer, type Server, type Socket } from 'node:net';

/** A server that speaks as much of the PostgreSQL protocol as `SELECT 1` needs, in states a real one passes through. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** `starting` answers 57P03, `silent` accepts and says nothing, `ready` answers queries. */
  state: 'starting' | 'silent' | 'ready' | 'no-database';
  /** The database names that clients asked for. */
  readonly databases: string[];
  readonly openConnections: () => number;
}

export async function startPostgresServer(port = 0): Promise<PostgresServer> {
  const databases: string[] = [];
  const sockets = new Set<Socket>();
  const control: { state: PostgresServer['state'] } = { state: 'ready' };
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.once('data', (startup) => {
      if (control.state === 'silent') return;
      const fields = startup.subarray(8).toString().split('\0');
      const database = fields[fields.indexOf('database') + 1] as string;
      databases.push(database);
      if (control.state === 'starting') {
        socket.end(errorMessage('FATAL', '57P03', 'the database system is starting up'));
        return;
      }
      if (control.state === 'no-database') {
        socket.end(errorMessage('FATAL', '3D000', `database "${database}" does not exist`));
        return;
      }
      socket.write(Buffer.concat([message('R', Buffer.from([0, 0, 0, 0])), readyForQuery]));
      socket.on('data', (data) => {
        if (data[0] === 0x51) socket.write(selectedOne);
        if (data[0] === 0x58) socket.end();
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as { port: number };
  return {
    port: address.port,
    databases,
    openConnections: () => sockets.size,
    get state() {
      return control.state;
    },
    set state(next) {
      control.state = next;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function errorMessage(severity: string, code: string, text: string): Buffer {
  return message('E', Buffer.from(`S${severity}\0V${severity}\0C${code}\0M${text}\0\0`));
}

const readyForQuery = message('Z', Buffer.from('I'));
// One int4 column in text form.
const column = Buffer.from(
  '0001' + '3f00' + '00000000' + '0000' + '00000017' + '0004' + 'ffffffff' + '0000',
  'hex',
);
const row = Buffer.from('0001' + '00000001' + '31', 'hex');
const selectedOne = Buffer.concat([
  message('T', column),
  message('D', row),
  message('C', Buffer.from('SELECT 1\0')),
  readyForQuery,
]);
