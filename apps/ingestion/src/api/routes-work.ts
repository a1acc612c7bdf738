import type { FastifyInstance } from 'fastify';
import { asService, asTenant } from '../store/database.ts';
import { listDead, redrive } from '../store/documents.ts';
import { dueJobs } from '../store/jobs.ts';
import { ensureModel, liveModels } from '../store/models.ts';
import { startReindex } from '../store/reindex.ts';
import { identityOf, tenantOf } from './auth.ts';
import type { ApiContext } from './context.ts';
import { Problem } from './problem.ts';
import { answers } from './schemas.ts';

/** What is waiting, what was given up, and the switches. */
export function workRoutes(app: FastifyInstance, context: ApiContext): void {
  const { client, queue, onError } = context;

  app.get<{ Querystring: { limit: number } }>(
    '/v1/dead-letters',
    {
      schema: {
        operationId: 'listDeadLetters',
        summary: 'Documents that were given up, newest first',
        tags: ['work'],
        querystring: {
          type: 'object',
          properties: { limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100 } },
        },
        response: answers({
          200: {
            type: 'object',
            properties: { deadLetters: { type: 'array', items: { $ref: 'DeadLetter#' } } },
          },
        }),
      },
    },
    async (request) => ({ deadLetters: await listDead(client, tenantOf(request), request.query.limit) }),
  );

  app.post<{ Body: { ids?: string[] } | null }>(
    '/v1/dead-letters/redrive',
    {
      schema: {
        operationId: 'redrive',
        summary: 'Tries dead letters again: the given ones, or all',
        tags: ['work'],
        body: {
          type: 'object',
          nullable: true,
          additionalProperties: false,
          properties: { ids: { type: 'array', maxItems: 1000, items: { type: 'string', format: 'uuid' } } },
        },
        response: answers({ 202: { type: 'object', properties: { redriven: { type: 'integer' } } } }),
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request);
      const redriven = await asTenant(client, tenant, async (tx) => {
        const count = await redrive(tx, tenant, request.body?.ids);
        if (queue.transactional) await queue.add(count, { tx });
        return count;
      });
      if (!queue.transactional) await queue.add(redriven).catch(onError);
      return reply.code(202).send({ redriven });
    },
  );

  app.get(
    '/v1/work',
    {
      schema: {
        operationId: 'getWork',
        summary: 'What waits and runs, for all tenants (administrators)',
        tags: ['work'],
        response: answers({
          200: {
            type: 'object',
            properties: {
              paused: { type: 'boolean' },
              queue: { type: 'string' },
              storage: { type: 'string' },
              jobs: { type: 'object', additionalProperties: { type: 'integer' } },
              models: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: {
                    id: { type: 'integer' },
                    model: { type: 'string' },
                    dimensions: { type: 'integer' },
                    state: { type: 'string' },
                  },
                },
              },
            },
          },
        }),
      },
    },
    async (request) => {
      onlyAdmin(request);
      const [{ paused }, states] = await asService(client, async (tx) => [
        await tx.one<{ paused: boolean }>('SELECT paused FROM control'),
        await tx.query<{ state: string; count: number }>(
          `SELECT state, count(*)::int AS count FROM job WHERE state IN ('queued', 'active', 'dead') GROUP BY 1`,
        ),
      ]);
      return {
        paused,
        queue: queue.description,
        storage: context.storage.description,
        jobs: Object.fromEntries(states.map(({ state, count }) => [state, count])),
        models: await liveModels(client),
      };
    },
  );

  app.put<{ Body: { paused: boolean; tenant?: string } }>(
    '/v1/work/paused',
    {
      schema: {
        operationId: 'pause',
        summary: 'Stops or resumes the claiming of jobs, for all tenants or for one (administrators)',
        tags: ['work'],
        body: {
          type: 'object',
          required: ['paused'],
          additionalProperties: false,
          properties: { paused: { type: 'boolean' }, tenant: { type: 'string' } },
        },
        response: answers({ 204: { type: 'null' } }),
      },
    },
    async (request, reply) => {
      onlyAdmin(request);
      const { paused, tenant } = request.body;
      const changed = await asService(client, (tx) =>
        tenant === undefined
          ? tx.execute('UPDATE control SET paused = $1', [paused])
          : tx.execute('UPDATE tenant SET paused = $1 WHERE id = $2', [paused, tenant]),
      );
      if (changed === 0) throw new Problem('API_NOT_FOUND', 'There is no such tenant');
      if (!paused) await queue.add(await dueJobs(client)).catch(onError);
      return reply.code(204).send();
    },
  );

  app.post<{ Body: { model: string; dimensions: number } }>(
    '/v1/work/reindex',
    {
      schema: {
        operationId: 'reindex',
        summary: 'Builds the vectors of another model beside the active one, then switches (administrators)',
        description:
          'New documents get both. Search uses the old model until every document has the new one. The worker must ' +
          'have an embedder for it.',
        tags: ['work'],
        body: {
          type: 'object',
          required: ['model', 'dimensions'],
          additionalProperties: false,
          properties: {
            model: { type: 'string', minLength: 1, maxLength: 200 },
            dimensions: { type: 'integer', minimum: 1, maximum: 4000 },
          },
        },
        response: answers({ 202: { type: 'object', properties: { jobs: { type: 'integer' } } } }),
      },
    },
    async (request, reply) => {
      onlyAdmin(request);
      if (!context.embedderOf?.(request.body)) {
        throw new Problem(
          'API_INVALID',
          `There is no embedder for the model "${request.body.model}": set NEXT_EMBEDDING_URL`,
        );
      }
      const model = await ensureModel(client, request.body, { revive: true });
      if (model.state === 'active') throw new Problem('API_CONFLICT', 'This model is the active one');
      const jobs = await startReindex(client, model.id);
      await queue.add(Math.min(jobs, 1000)).catch(onError);
      return reply.code(202).send({ jobs });
    },
  );
}

function onlyAdmin(request: Parameters<typeof identityOf>[0]): void {
  if (!identityOf(request).admin)
    throw new Problem('API_FORBIDDEN', 'This needs the key of an administrator');
}
