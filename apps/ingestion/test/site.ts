import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A web site with a document, one that changes, redirects (`/to?...`), an answer that breaks off, and nothing else. */
export async function startSite(): Promise<{ port: number; close: () => void }> {
  let counter = 0;
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (path === '/doc') {
      response.writeHead(200, {
        'content-type': 'text/plain',
        'content-disposition': 'attachment; filename="from afar.txt"',
      });
      response.end('a narwhal from afar');
    } else if (path === '/counter') {
      counter += 1;
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end(`asked ${counter} times`);
    } else if (path.startsWith('/to?')) {
      response.writeHead(302, { location: decodeURIComponent(path.slice(4)) });
      response.end();
    } else if (path === '/round') {
      response.writeHead(302, { location: '/round' });
      response.end();
    } else if (path === '/broken') {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('part');
      setImmediate(() => response.destroy());
    } else {
      response.writeHead(404);
      response.end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
