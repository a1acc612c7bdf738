import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TestProxy extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection, and each new one at once: the server is away. */
  cut(): void;
  /** Takes connections and bytes, and passes nothing on: the server hangs. */
  stall(): void;
  heal(): void;
}

/** Stands between a program and a server, and plays the outages of the way between them. */
export async function startProxy(target: { host: string; port: number }): Promise<TestProxy> {
  let state: 'open' | 'cut' | 'stalled' = 'open';
  const pairs = new Set<[near: Socket, far: Socket]>();
  const end = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const server = createServer((near) => {
    near.on('error', () => {});
    if (state === 'cut') {
      near.destroy();
      return;
    }
    const far = connect(target.port, target.host);
    far.on('error', () => {});
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    const pass = (from: Socket, to: Socket) => {
      from.on('data', (bytes) => state === 'stalled' || to.write(bytes));
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
    };
    pass(near, far);
    pass(far, near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      state = 'cut';
      end();
    },
    stall() {
      state = 'stalled';
    },
    heal() {
      // What was swallowed is missing for good: those connections are of no more use.
      if (state === 'stalled') end();
      state = 'open';
    },
    async [Symbol.asyncDispose]() {
      end();
      server.close();
      await once(server, 'close');
    },
  };
}
