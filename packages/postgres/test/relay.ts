import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A relay to a server that can lose its connections at a chosen moment. */
export async function relay(target: URL) {
  const pairs = new Set<Socket>();
  let watch: (chunk: Buffer) => boolean = () => false;
  let stalled: PromiseWithResolvers<void> | undefined;
  const server = createServer((near) => {
    if (stalled) {
      pairs.add(near.on('error', () => {}).on('close', () => pairs.delete(near)));
      stalled.resolve();
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      pairs.add(socket);
      socket.on('error', () => {}).on('close', () => pairs.delete(socket));
    }
    near.on('data', (chunk: Buffer) => {
      far.write(chunk);
      if (watch(chunk)) near.destroy();
    });
    far.pipe(near);
    near.on('close', () => far.end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1'; // the server itself may be elsewhere
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    cutAfter(text: string) {
      watch = (chunk) => chunk.includes(text);
    },
    cutAll() {
      for (const socket of pairs) socket.destroy();
    },
    /** From now on nobody answers on new connections. Resolves when there is one. */
    stall(): Promise<void> {
      stalled = Promise.withResolvers();
      return stalled.promise;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of pairs) socket.destroy();
      await once(server, 'close');
    },
  };
}
