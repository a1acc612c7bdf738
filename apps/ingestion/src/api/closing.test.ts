import { once } from 'node:events';
import { connect } from 'node:net';
import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { closeQuietConnections } from './closing.ts';

test('the server closes while connections say nothing, and answers who waits', async () => {
  const app = Fastify();
  closeQuietConnections(app);
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  app.get('/slow', async () => {
    begun.resolve();
    await go.promise;
    return 'done';
  });
  app.get('/quick', async () => 'done');
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  const silent = connect(Number(port), '127.0.0.1');
  await once(silent, 'connect');
  const kept = connect(Number(port), '127.0.0.1');
  kept.write('GET /quick HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(kept, 'data');
  const answer = fetch(`http://127.0.0.1:${port}/slow`);
  await begun.promise;
  const ends = [silent, kept].map((socket) => once(socket.resume(), 'close'));
  const closed = app.close();
  await Promise.all(ends);
  go.resolve();
  expect(await (await answer).text()).toBe('done');
  await closed;
});
