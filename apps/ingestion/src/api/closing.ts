import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/**
 * Lets the server close as soon as nobody waits for an answer. Node takes a connection that has said nothing yet for a
 * busy one until its headers are overdue, after a minute; browsers open such ahead of need.
 */
export function closeQuietConnections(app: FastifyInstance): void {
  const quiet = new Set<Socket>();
  let closing = false;
  const rest = (socket: Socket) => {
    if (closing) socket.destroySoon();
    else quiet.add(socket);
  };
  app.server.on('connection', (socket: Socket) => {
    socket.once('close', () => quiet.delete(socket));
    rest(socket);
  });
  app.server.on('request', ({ socket }, response) => {
    quiet.delete(socket);
    response.once('close', () => {
      if (!socket.destroyed) rest(socket);
    });
  });
  app.addHook('preClose', async () => {
    closing = true;
    for (const socket of quiet) socket.destroySoon();
  });
}
