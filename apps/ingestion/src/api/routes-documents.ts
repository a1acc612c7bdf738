import { PostgresError } from '@stackyard/postgres';
import type { FastifyInstance } from 'fastify';
import { asTenant } from '../store/database.ts';
import {
  deleteDocument,
  documentCounts,
  findDocument,
  listDocuments,
  listVersions,
  readText,
  restoreDocument,
  retryVersion,
} from '../store/documents.ts';
import { tenantOf } from './auth.ts';
import type { ApiContext } from './context.ts';
import { Problem } from './problem.ts';
import { answers, idParameter } from './schemas.ts';
import { traceOf } from './trace.ts';

interface ById {
  Params: { id: string };
}

interface ListQuery {
  status?: string;
  deleted: boolean;
  limit: number;
  cursor?: string;
}

const missing = () => new Problem('API_NOT_FOUND', 'There is no such document');

export function documentRoutes(app: FastifyInstance, context: ApiContext): void {
  const { client, queue, storage, onError } = context;

  app.get<{ Querystring: ListQuery }>(
    '/v1/documents',
    {
      schema: {
        operationId: 'listDocuments',
        summary: 'Documents, newest first',
        tags: ['documents'],
        querystring: {
          type: 'object',
          properties: {
            status: { type: 'string', enum: ['queued', 'processing', 'ready', 'failed', 'superseded'] },
            deleted: { type: 'boolean', default: false },
            limit: { type: 'integer', minimum: 1, maximum: 500, default: 100 },
            cursor: { type: 'string', maxLength: 200, description: '`next` of the page before' },
          },
        },
        response: answers({
          200: {
            type: 'object',
            properties: {
              documents: { type: 'array', items: { $ref: 'Document#' } },
              counts: { type: 'object', additionalProperties: { type: 'integer' } },
              next: { type: 'string', nullable: true },
            },
          },
        }),
      },
    },
    async (request) => {
      const { cursor, ...filter } = request.query;
      const tenant = tenantOf(request);
      const documents = await listDocuments(client, tenant, {
        ...filter,
        cursor: cursor ? parseCursor(cursor) : undefined,
      });
      const last = documents.length === filter.limit ? documents.at(-1) : undefined;
      return {
        documents,
        counts: await documentCounts(client, tenant),
        next: last ? `${last.createdAt.toISOString()}_${last.id}` : null,
      };
    },
  );

  app.get<ById>(
    '/v1/documents/:id',
    {
      schema: {
        operationId: 'getDocument',
        summary: 'One document with its versions',
        tags: ['documents'],
        params: idParameter,
        response: answers({
          200: {
            type: 'object',
            properties: {
              document: { $ref: 'Document#' },
              versions: { type: 'array', items: { $ref: 'Version#' } },
            },
          },
        }),
      },
    },
    async (request) => {
      const document = await findDocument(client, tenantOf(request), request.params.id);
      if (!document) throw missing();
      return { document, versions: await listVersions(client, tenantOf(request), document.id) };
    },
  );

  app.get<ById & { Querystring: { start: number; end: number } }>(
    '/v1/documents/:id/text',
    {
      schema: {
        operationId: 'getText',
        summary: 'The extracted text, or a part of it; citations point into it',
        tags: ['documents'],
        params: idParameter,
        querystring: {
          type: 'object',
          properties: {
            start: { type: 'integer', minimum: 0, default: 0 },
            end: { type: 'integer', minimum: 0, default: 1_000_000 },
          },
        },
        response: answers({
          200: {
            type: 'object',
            properties: { text: { type: 'string' }, start: { type: 'integer' }, length: { type: 'integer' } },
          },
        }),
      },
    },
    async (request) => {
      const text = await readText(client, tenantOf(request), request.params.id, request.query);
      if (!text) throw missing();
      return text;
    },
  );

  app.get<ById>(
    '/v1/documents/:id/content',
    {
      schema: {
        operationId: 'getContent',
        summary: 'The bytes as they were sent',
        tags: ['documents'],
        params: idParameter,
        response: { 200: { type: 'string', format: 'binary' }, '4xx': { $ref: 'Problem#' } },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request);
      const document = await findDocument(client, tenant, request.params.id);
      if (!document || document.deletedAt) throw missing();
      const { Readable } = await import('node:stream');
      const body = Readable.from(await storage.read(tenant, Buffer.from(document.latest.sha256, 'hex')), {
        objectMode: false,
      });
      // Never shown by a browser as a page of this origin, whatever the sender made of it.
      return reply
        .header('content-type', 'application/octet-stream')
        .header('content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(document.name)}`)
        .header('content-length', document.latest.bytes)
        .serializer((payload: unknown) => payload as string)
        .send(body);
    },
  );

  app.delete<ById>(
    '/v1/documents/:id',
    {
      schema: {
        operationId: 'deleteDocument',
        summary: 'Hides a document at once; it can be restored for some time',
        tags: ['documents'],
        params: idParameter,
        response: answers({ 204: { type: 'null' } }),
      },
    },
    async (request, reply) => {
      if (!(await deleteDocument(client, tenantOf(request), request.params.id))) throw missing();
      return reply.code(204).send();
    },
  );

  app.post<ById>(
    '/v1/documents/:id/restore',
    {
      schema: {
        operationId: 'restoreDocument',
        summary: 'Undoes a deletion',
        tags: ['documents'],
        params: idParameter,
        response: answers({ 200: { $ref: 'Document#' } }),
      },
    },
    async (request) => {
      const tenant = tenantOf(request);
      const restored = await restoreDocument(client, tenant, request.params.id).catch((cause: unknown) => {
        if (!(cause instanceof PostgresError && cause.sqlState === '23505')) throw cause;
        throw new Problem('API_CONFLICT', 'Another document has its key by now', { cause });
      });
      if (!restored) throw missing();
      await queue.add(1).catch(onError);
      return findDocument(client, tenant, request.params.id);
    },
  );

  app.post<ById & { Querystring: { version?: string } }>(
    '/v1/documents/:id/reprocess',
    {
      schema: {
        operationId: 'reprocessDocument',
        summary: 'Processes a version again: the latest, or an older one, which thereby becomes the latest',
        tags: ['documents'],
        params: idParameter,
        querystring: { type: 'object', properties: { version: { type: 'string', format: 'uuid' } } },
        response: answers({ 202: { $ref: 'Document#' } }),
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request);
      const versions = await listVersions(client, tenant, request.params.id);
      const document = await findDocument(client, tenant, request.params.id);
      const version = request.query.version ?? document?.latest.id;
      if (!document || document.deletedAt || !versions.some(({ id }) => id === version)) throw missing();
      const queued = await asTenant(client, tenant, async (tx) => {
        const done = await retryVersion(tx, tenant, version as string, traceOf());
        if (done && queue.transactional) await queue.add(1, { tx });
        return done;
      });
      if (!queued) throw new Problem('API_CONFLICT', 'The document is being processed already');
      if (!queue.transactional) await queue.add(1).catch(onError);
      return reply.code(202).send(await findDocument(client, tenant, request.params.id));
    },
  );
}

function parseCursor(cursor: string): { createdAt: string; id: string } {
  const [, createdAt, id] = /^([0-9T:.Z-]{20,30})_([0-9a-f-]{36})$/.exec(cursor) ?? [];
  if (!createdAt || !id) throw new Problem('API_INVALID', 'The cursor is not one of this API');
  return { createdAt, id };
}
