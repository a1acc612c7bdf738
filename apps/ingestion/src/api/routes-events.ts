import type { FastifyInstance } from 'fastify';
import { tenantOf } from './auth.ts';
import type { ApiContext } from './context.ts';
import { EventLog, type LoggedEvent } from './event-log.ts';

/** What `announce` of the migrations sends. */
interface Announcement {
  readonly tenant: string;
  readonly document: string;
}

const HEARTBEAT_MS = 15_000;
/** Enough for a connection that is made again within seconds while a folder comes in. */
const REMEMBERED = 10_000;
/** A reader that is this many bytes behind is sent away; it comes back and says what it has. */
const MAX_BEHIND = 1024 * 1024;

interface Watcher {
  readonly tenant: string;
  readonly document: string | undefined;
  readonly send: (text: string) => void;
}

/** Server-sent events: each document's way through the stages, as it happens. */
export async function eventRoutes(app: FastifyInstance, { client, onError }: ApiContext): Promise<void> {
  const watchers = new Set<Watcher>();
  const log = new EventLog(REMEMBERED);
  const concerns = ({ tenant, document }: Watcher, event: LoggedEvent) =>
    tenant === event.tenant && (document === undefined || document === event.document);

  const listener = await client.listen('ingestion', {
    onNotification: ({ payload }) => {
      const { tenant, document } = JSON.parse(payload) as Announcement;
      const event = log.add({ tenant, document, data: payload });
      for (const watcher of watchers) if (concerns(watcher, event)) watcher.send(version(event));
    },
    // What was said meanwhile is lost: who watches asks again.
    onReconnect: () => {
      log.gap();
      for (const { send } of watchers) send(reload(log.lastId));
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
          'Events "version" carry status, stage, done and total of a version. "reload" says that what was known is not ' +
          'enough, as at the beginning. With Last-Event-ID, what came since then is sent, where it is still known.',
        tags: ['documents'],
        querystring: { type: 'object', properties: { document: { type: 'string', format: 'uuid' } } },
        headers: { type: 'object', properties: { 'last-event-id': { type: 'string', maxLength: 100 } } },
        response: { 200: { type: 'string', description: 'text/event-stream' }, '4xx': { $ref: 'Problem#' } },
      },
    },
    (request, reply) => {
      const tenant = tenantOf(request);
      const lastId = request.headers['last-event-id'];
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      const watcher: Watcher = {
        tenant,
        document: request.query.document,
        send: (text) => {
          if (raw.writableLength < MAX_BEHIND) raw.write(text);
          else raw.destroy();
        },
      };
      const missed = typeof lastId === 'string' ? log.since(lastId) : undefined;
      const known = missed?.filter((event) => concerns(watcher, event));
      raw.write(known ? `: \n\n${known.map(version).join('')}` : reload(log.lastId));
      watchers.add(watcher);
      const heartbeat = setInterval(() => raw.write(': \n\n'), HEARTBEAT_MS);
      // Nothing may be written after the end: the error would have nobody to hear it.
      const forget = () => {
        clearInterval(heartbeat);
        watchers.delete(watcher);
      };
      const end = () => {
        forget();
        raw.end();
      };
      closing.signal.addEventListener('abort', end);
      raw.on('close', () => {
        forget();
        closing.signal.removeEventListener('abort', end);
      });
    },
  );
}

const version = ({ id, data }: LoggedEvent) => `id: ${id}\nevent: version\ndata: ${data}\n\n`;
const reload = (id: string) => `id: ${id}\nevent: reload\ndata: {}\n\n`;
