/** Serves the built page in a container. Nothing but Node; `VITE_CONVEX_URL` counts at start, not when it is built. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const folder = join(import.meta.dirname, '..', 'dist', 'web');
/** What the build puts where the deployment's address belongs. */
const placeholder = 'https://deployment.invalid';
const deployment = process.env.VITE_CONVEX_URL || 'http://127.0.0.1:3210';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
};

const server = createServer(async (request, response) => {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405).end();
    return;
  }
  const pathname = URL.parse(request.url ?? '/', 'http://page')?.pathname ?? '/';
  const file = extname(pathname) ? pathname : '/index.html'; // the page finds its own way
  try {
    const path = join(folder, normalize(decodeURIComponent(file)));
    if (!path.startsWith(folder)) throw new URIError(file);
    const type = types[extname(path)] ?? 'application/octet-stream';
    const bytes = await readFile(path);
    const body = extname(path) === '.js' ? bytes.toString().replaceAll(placeholder, deployment) : bytes;
    const caching =
      pathname.startsWith('/assets/') && extname(path) !== '.js' ? 'max-age=31536000' : 'no-cache';
    response.writeHead(200, { 'content-type': type, 'cache-control': caching });
    response.end(request.method === 'HEAD' ? undefined : body);
  } catch {
    response.writeHead(404).end();
  }
});
server.listen(Number(process.env.WEB_PORT ?? 5173), process.env.HOST ?? '127.0.0.1');
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
