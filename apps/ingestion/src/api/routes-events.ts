import type { FastifyInstance } from 'fastify';
import { tenantOf } from './auth.ts';
import type { ApiContext } from './context.ts';

/** What `announce` of the migrations sends. */
interface Announcement {
  readonly tenant: string;
  readonly document: string;
}

const HEARTBEAT_MS = 15_000;

/** Server-sent events: each document's way through the stages, as it happens. */
export async function eventRoutes(app: FastifyInstance, { client, onError }: ApiContext): Promise<void> {
  const watchers = new Set<{
    tenant: string;
    document: string | undefined;
    send: (event: string, data: string) => void;
  }>();
  const listener = await client.listen('ingestion', {
    onNotification: ({ payload }) => {
      const { tenant, document } = JSON.parse(payload) as Announcement;
      for (const watcher of watchers) {
        if (watcher.tenant !== tenant || (watcher.document !== undefined && watcher.document !== document))
          continue;
        watcher.send('version', payload);
      }
    },
    // What was said meanwhile is lost: who watches asks again.
    onReconnect: () => {
      for (const { send } of watchers) send('reload', '{}');
    },
    onError,
  });
  const closing = new AbortController();
  app.addHook('preClose', async () => {
    closing.abort();
    await listener.close();
  });

  app.get<{ Querystring: { document?: string } }>(
    '/v1/events',
    {
      schema: {
        operationId: 'watch',
        summary: 'Progress as server-sent events',
        description:
          'Events "version" carry status, stage, done and total of a version; "reload" says that some were missed.',
        tags: ['documents'],
        querystring: { type: 'object', properties: { document: { type: 'string', format: 'uuid' } } },
        response: { 200: { type: 'string', description: 'text/event-stream' }, '4xx': { $ref: 'Problem#' } },
      },
    },
    (request, reply) => {
      const tenant = tenantOf(request);
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      raw.write('event: hello\ndata: {}\n\n');
      const watcher = {
        tenant,
        document: request.query.document,
        // A reader that does not keep up misses events rather than filling the memory.
        send: (event: string, data: string) => {
          if (raw.writableLength < 1024 * 1024) raw.write(`event: ${event}\ndata: ${data}\n\n`);
        },
      };
      watchers.add(watcher);
      const heartbeat = setInterval(() => raw.write(': \n\n'), HEARTBEAT_MS);
      const end = () => raw.end();
      closing.signal.addEventListener('abort', end);
      raw.on('close', () => {
        clearInterval(heartbeat);
        watchers.delete(watcher);
        closing.signal.removeEventListener('abort', end);
      });
    },
  );
}
