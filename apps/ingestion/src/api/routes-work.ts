import type { FastifyInstance } from 'fastify';
import type { EmbeddingModel } from '../pipeline/index.ts';
import { asService, asTenant } from '../store/database.ts';
import { listDead, redrive } from '../store/documents.ts';
import { dueJobs } from '../store/jobs.ts';
import { ensureModel, liveModels } from '../store/models.ts';
import { reprocessAll, startReindex } from '../store/reindex.ts';
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

  app.post<{ Body: Partial<EmbeddingModel> }>(
    '/v1/work/reindex',
    {
      schema: {
        operationId: 'reindex',
        summary:
          'Reads every document anew, or builds the vectors of another model and switches (administrators)',
        description:
          'Search goes on with what is there. With a model, new documents get the vectors of both, and search uses the ' +
          'old one until every document has the new one; the worker must have an embedder for it.',
        tags: ['work'],
        body: {
          type: 'object',
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
      const { model, dimensions } = request.body;
      if ((model === undefined) !== (dimensions === undefined)) {
        throw new Problem('API_INVALID', 'A model is named with its dimensions, or neither is');
      }
      const jobs =
        model !== undefined && dimensions !== undefined
          ? await moveTo(context, { model, dimensions })
          : await reprocessAll(client);
      await queue.add(Math.min(jobs, 1000)).catch(onError);
      return reply.code(202).send({ jobs });
    },
  );
}

/** Begins to build up a model beside the active one. Gives how many documents need its vectors. */
async function moveTo({ client, embedderOf }: ApiContext, wanted: EmbeddingModel): Promise<number> {
  if (!embedderOf?.(wanted)) {
    throw new Problem(
      'API_INVALID',
      `There is no embedder for the model "${wanted.model}": set NEXT_EMBEDDING_URL`,
    );
  }
  const model = await ensureModel(client, wanted, { revive: true });
  if (model.state === 'active') throw new Problem('API_CONFLICT', 'This model is the active one');
  return startReindex(client, model.id, { again: true });
}

function onlyAdmin(request: Parameters<typeof identityOf>[0]): void {
  if (!identityOf(request).admin)
    throw new Problem('API_FORBIDDEN', 'This needs the key of an administrator');
}
