import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import {
  createServer,
  request as forward,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { extname, join } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

export interface PageOptions {
  readonly apiUrl: string;
  /** Folder of the built page. */
  readonly directory: string;
}

/** The files of the page, and the API under the same address; the caller listens. */
export function createPageServer({ apiUrl, directory }: PageOptions): Server {
  return createServer((incoming, outgoing) => {
    // A client may send a whole URL or `..` steps: only what is left of the path when both are gone counts.
    const address = URL.parse(incoming.url ?? '/', 'http://page');
    if (address?.pathname.startsWith('/v1/')) {
      pass(incoming, outgoing, new URL(address.pathname + address.search, apiUrl));
    } else {
      const path = address?.pathname ?? '/';
      void sendFile(outgoing, join(directory, path === '/' ? 'index.html' : path));
    }
  });
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, target: URL): void {
  const { method, headers } = incoming;
  const onward = forward(target, { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => {
    if (!outgoing.headersSent) outgoing.writeHead(502);
    outgoing.end();
  });
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

async function sendFile(outgoing: ServerResponse, file: string): Promise<void> {
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
  createReadStream(file)
    .on('error', () => outgoing.destroy())
    .pipe(outgoing);
}
