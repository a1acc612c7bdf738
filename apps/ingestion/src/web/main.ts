/** Entry point of the page where it has a server of its own: its files, and the API under the same address. Nothing but Node. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { describe, stopSignal } from '../log.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

const { API_URL = '', HOST = '127.0.0.1', PORT = '5175', WEB_DIRECTORY = 'dist/web' } = process.env;

try {
  if (URL.parse(API_URL)?.protocol !== 'http:')
    throw new Error(`API_URL has to be the address of the API, such as http://api:4100, not "${API_URL}"`);
  const server = createServer(async (incoming, outgoing) => {
    // A proxy's request has a whole address in place of a path.
    const target = URL.parse(incoming.url ?? '/', 'http://page');
    const path = target?.pathname ?? '';
    if (target && path.startsWith('/v1/')) {
      const { method, headers } = incoming;
      const onward = forward(new URL(path + target.search, API_URL), { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => {
        if (!outgoing.headersSent) outgoing.writeHead(502);
        outgoing.end();
      });
      outgoing.on('close', () => onward.destroy());
      incoming.pipe(onward);
      return;
    }
    // `normalize` of an absolute path cannot lead above its root.
    const file = join(WEB_DIRECTORY, normalize(path === '/' ? '/index.html' : `/${path}`));
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) {
      outgoing.writeHead(404).end();
      return;
    }
    outgoing.writeHead(200, {
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'content-length': found.size,
      'content-security-policy': "default-src 'self'; img-src 'self' data:; style-src 'self'",
      'x-content-type-options': 'nosniff',
    });
    createReadStream(file).pipe(outgoing);
  });
  server.listen(Number(PORT), HOST);
  await once(server, 'listening');
  console.log(`page on http://${HOST}:${(server.address() as AddressInfo).port}`);
  await stopSignal();
  server.closeAllConnections();
  server.close();
} catch (error) {
  console.error(describe(error));
  process.exitCode = 1;
}
