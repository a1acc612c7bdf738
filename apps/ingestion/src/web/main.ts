/** Entry point of the page where it has a server of its own: its files, and the API under the same address. */
import { once } from 'node:events';
import { defineEnv, port, url } from '@stackyard/env';
import { z } from 'zod';
import { describe, stopSignal } from '../log.ts';
import { createPageServer } from './server.ts';

const env = defineEnv({
  API_URL: url({ protocols: ['http'] }).describe('Address of the API'),
  HOST: z.string().default('127.0.0.1').describe('Address that the page is served on'),
  PORT: port().default(5175).describe('Port of the page'),
  WEB_DIRECTORY: z.string().default('dist/web').describe('Folder of the built page'),
});

try {
  const { API_URL, HOST, PORT, WEB_DIRECTORY } = env.parse(process.env);
  const server = createPageServer({ apiUrl: API_URL, directory: WEB_DIRECTORY });
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
