import type { FastifyInstance } from 'fastify';
import type { JsonValue } from '../pipeline/index.ts';
import { cleanText } from '../pipeline/text/clean.ts';
import { activeModel } from '../store/models.ts';
import { search } from '../store/search.ts';
import { tenantOf } from './auth.ts';
import { dateOf, metadataOf } from './clean.ts';
import type { ApiContext } from './context.ts';
import { Problem } from './problem.ts';
import { answers, searchBody } from './schemas.ts';

interface SearchBody {
  query: string;
  mode: 'hybrid' | 'vector' | 'text';
  limit: number;
  filter: {
    metadata?: { [key: string]: JsonValue };
    documents?: string[];
    createdAfter?: string;
    createdBefore?: string;
  };
}

export function searchRoutes(app: FastifyInstance, context: ApiContext): void {
  app.post<{ Body: SearchBody }>(
    '/v1/search',
    {
      bodyLimit: 256 * 1024,
      schema: {
        operationId: 'search',
        summary: 'Finds passages by meaning, by words, or by both (reciprocal rank fusion)',
        tags: ['search'],
        body: searchBody,
        response: answers({
          200: {
            type: 'object',
            properties: {
              hits: { type: 'array', items: { $ref: 'Hit#' } },
              model: { type: 'string', nullable: true },
              tookMs: { type: 'number' },
            },
          },
        }),
      },
    },
    async (request) => {
      const started = performance.now();
      const { query, mode, limit, filter } = request.body;
      const text = cleanText(query).trim();
      if (text === '') throw new Problem('API_INVALID', 'The question is empty');
      const tookMs = () => Math.round(performance.now() - started);
      const wanted = {
        text,
        mode,
        limit,
        filter: {
          metadata: filter.metadata && metadataOf(filter.metadata),
          documents: filter.documents,
          createdAfter: dateOf(filter.createdAfter),
          createdBefore: dateOf(filter.createdBefore),
        },
      };
      let active = await activeModel(context.client);
      while (active) {
        const { model } = active;
        const vector = mode === 'text' ? undefined : await embed(context, active, text);
        const hits = await search(context.client, tenantOf(request), active, { ...wanted, vector });
        if (hits.length > 0) return { hits, model, tookMs: tookMs() };
        // Nothing is there, or another model has come meanwhile, and with it the vectors of this one have gone.
        const now = await activeModel(context.client);
        if (now?.id === active.id) return { hits, model, tookMs: tookMs() };
        active = now;
      }
      return { hits: [], model: null, tookMs: tookMs() };
    },
  );
}

/** Somebody waits for the answer: better none than a late one. */
const EMBED_MS = 10_000;

async function embed(
  { embedder, embedderOf }: ApiContext,
  model: { model: string; dimensions: number },
  text: string,
) {
  const fits = embedder.model === model.model && embedder.dimensions === model.dimensions;
  const own = fits ? embedder : embedderOf?.(model);
  if (!own) throw new Problem('API_UNAVAILABLE', `This API has no embedder for the model "${model.model}"`);
  try {
    const [vector] = await own.embed([text], { signal: AbortSignal.timeout(EMBED_MS) });
    return vector;
  } catch (cause) {
    throw new Problem('API_UNAVAILABLE', 'The embedding service cannot take the question now', {
      cause,
      retryAfterSeconds: 5,
    });
  }
}
