import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Health, HealthReport } from './health.ts';

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * `/livez` and `/readyz` for a Node server. Resolves to false, with the response untouched, for any other path.
 *
 * @example createServer(async (req, res) => (await health(req, res)) || app(req, res))
 */
export function nodeHandler(health: Health): (req: IncomingMessage, res: ServerResponse) => Promise<boolean> {
  return async (req, res) => {
    const path = (req.url ?? '').split('?', 1)[0] as string;
    const reply = await replyTo(health, req.method ?? 'GET', path);
    if (!reply) return false;
    res.writeHead(reply.status, {
      ...reply.headers,
      'content-length': String(Buffer.byteLength(reply.body)),
    });
    res.end(req.method === 'HEAD' ? undefined : reply.body);
    return true;
  };
}

/**
 * `/livez` and `/readyz` for a server of Fetch requests. Resolves to undefined for any other path.
 *
 * @example serve(async (request) => (await health(request)) ?? app(request))
 */
export function fetchHandler(health: Health): (request: Request) => Promise<Response | undefined> {
  return async (request) => {
    const reply = await replyTo(health, request.method, new URL(request.url).pathname);
    if (!reply) return undefined;
    const body = request.method === 'HEAD' ? null : reply.body;
    return new Response(body, { status: reply.status, headers: reply.headers });
  };
}

async function replyTo(health: Health, method: string, path: string): Promise<Reply | undefined> {
  if (path !== '/livez' && path !== '/readyz') return undefined;
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, headers: { allow: 'GET, HEAD', 'cache-control': 'no-store' }, body: '' };
  }
  return replyWith(path === '/livez' ? health.live() : await health.ready());
}

function replyWith(report: HealthReport): Reply {
  const good = report.status === 'live' || report.status === 'ready';
  return {
    status: good ? 200 : 503,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify(report),
  };
}
