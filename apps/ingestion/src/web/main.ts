/** Entry point of the page where it has a server of its own: its files, and the API under the same address. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { defineEnv, port, url } from '@stackyard/env';
import { z } from 'zod';
import { describe, stopSignal } from '../log.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

const env = defineEnv({
  API_URL: url({ protocols: ['http'] }).describe('Address of the API'),
  HOST: z.string().default('127.0.0.1').describe('Address that the page is served on'),
  PORT: port().default(5175).describe('Port of the page'),
  WEB_DIRECTORY: z.string().default('dist/web').describe('Folder of the built page'),
});

try {
  const { API_URL, HOST, PORT, WEB_DIRECTORY } = env.parse(process.env);
  const server = createServer(async (incoming, outgoing) => {
    const path = (incoming.url ?? '/').split('?', 1)[0] as string;
    if (path.startsWith('/v1/')) {
      const { method, headers } = incoming;
      const onward = forward(new URL(incoming.url as string, API_URL), { method, headers }, (answer) => {
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
    const file = join(WEB_DIRECTORY, normalize(path === '/' ? '/index.html' : path));
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
  server.listen(PORT, HOST);
  await once(server, 'listening');
  console.log(`page on http://${HOST}:${PORT}`);
  await stopSignal();
  server.closeAllConnections();
  server.close();
} catch (error) {
  console.error(describe(error));
  process.exitCode = 1;
}
