import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { refuseSelf, type SocketTarget, withSocket } from './socket.ts';

test('a connection that met itself is no answer, and leaves the port to its server', async () => {
  const server = createServer();
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  const close = () => new Promise((resolve) => server.close(resolve));
  await listen(0);
  const { port } = server.address() as { port: number };
  await close();
  const itself = { host: '127.0.0.1', port, localAddress: '127.0.0.1', localPort: port };

  const socket = connect(itself);
  refuseSelf(socket);
  await once(socket, 'connect');
  await once(socket, 'close');

  const target: SocketTarget = itself;
  const accepted = withSocket(target, AbortSignal.timeout(5000), async () => 'a server');
  await expect(accepted).rejects.toThrow(`127.0.0.1:${port} refused the connection`);

  await listen(port);
  await close();
});
