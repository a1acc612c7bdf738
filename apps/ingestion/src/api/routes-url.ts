import type { FastifyInstance } from 'fastify';
import type { JsonValue } from '../pipeline/index.ts';
import { tenantOf } from './auth.ts';
import { MAX_LABEL, metadataOf } from './clean.ts';
import type { ApiContext } from './context.ts';
import { type Intake, idempotencyKeyOf } from './intake.ts';
import { safeFetch } from './safe-fetch.ts';
import { answers, idempotencyHeaders } from './schemas.ts';

interface UrlBody {
  url: string;
  name?: string;
  key?: string;
  metadata?: { [key: string]: JsonValue };
}

export function urlRoutes(app: FastifyInstance, context: ApiContext, intake: Intake): void {
  app.post<{ Body: UrlBody }>(
    '/v1/documents/from-url',
    {
      schema: {
        operationId: 'addFromUrl',
        summary: 'Fetches a document from a public URL and takes it in',
        tags: ['documents'],
        body: {
          type: 'object',
          required: ['url'],
          additionalProperties: false,
          properties: {
            url: { type: 'string', maxLength: 4096 },
            name: { type: 'string', maxLength: MAX_LABEL },
            key: { type: 'string', maxLength: MAX_LABEL },
            metadata: { type: 'object', additionalProperties: true },
          },
        },
        headers: idempotencyHeaders,
        response: answers({
          202: {
            type: 'object',
            properties: { documents: { type: 'array', items: { $ref: 'Registered#' } } },
          },
        }),
      },
    },
    async (request, reply) => {
      const { url, key, metadata } = request.body;
      await using fetched = await safeFetch(url, context.fetch);
      const name = request.body.name ?? fetched.name;
      const taken = await intake.take({
        tenantId: tenantOf(request),
        name,
        body: fetched.body,
        declaredType: fetched.type,
        key,
        sourceUrl: fetched.url,
        metadata: metadata && metadataOf(metadata),
        idempotencyKey: idempotencyKeyOf(request),
      });
      return reply.code(202).send({ documents: [{ name, ...taken }] });
    },
  );
}
