/** Entry point of the page where it has a server of its own. It needs nothing but Node, so that its image is small. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, stopSignal } from '../log.ts';
import { createPageServer } from './server.ts';

const { API_URL = '', HOST = '127.0.0.1', PORT = '5175', WEB_DIRECTORY = 'dist/web' } = process.env;

try {
  if (URL.parse(API_URL)?.protocol !== 'http:')
    throw new Error(`API_URL has to be the address of the API, such as http://api:4100, not "${API_URL}"`);
  const server = createPageServer({ apiUrl: API_URL, directory: WEB_DIRECTORY });
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
