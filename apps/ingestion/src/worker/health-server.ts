import { once } from 'node:events';
import { createServer } from 'node:http';
import { type Health, nodeHandler } from '@stackyard/healthchecks';
import type { Registry } from 'prom-client';

export interface HealthServerOptions {
  readonly health: Health;
  readonly registry: Registry;
  readonly host: string;
  readonly port: number;
}

/** Serves `/livez`, `/readyz` and `/metrics` of a program that has no other server. */
export async function serveHealth({
  health,
  registry,
  host,
  port,
}: HealthServerOptions): Promise<AsyncDisposable> {
  const answer = nodeHandler(health);
  const server = createServer(async (request, response) => {
    if (await answer(request, response)) return;
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics());
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
