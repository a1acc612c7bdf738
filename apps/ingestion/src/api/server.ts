import statics from '@fastify/static';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance } from 'fastify';
import { authentication } from './auth.ts';
import { closeQuietConnections } from './closing.ts';
import type { ApiContext } from './context.ts';
import { Intake } from './intake.ts';
import { Problem, problemOf } from './problem.ts';
import { documentRoutes } from './routes-documents.ts';
import { eventRoutes } from './routes-events.ts';
import { resumableRoutes } from './routes-resumable.ts';
import { searchRoutes } from './routes-search.ts';
import { uploadRoutes } from './routes-upload.ts';
import { urlRoutes } from './routes-url.ts';
import { workRoutes } from './routes-work.ts';
import { shared } from './schemas.ts';

/** A connection on which nothing moves for this long is closed. */
const IDLE_MS = 600_000;

/** Makes the API; the caller listens. */
export async function createApi(context: ApiContext): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: 1024 * 1024,
    // An upload may take long, as long as something comes.
    requestTimeout: 0,
    connectionTimeout: IDLE_MS,
    ajv: { customOptions: { coerceTypes: true, removeAdditional: false } },
    routerOptions: { maxParamLength: 200 },
  });
  closeQuietConnections(app);
  app.setErrorHandler(async (error, request, reply) => {
    const problem = problemOf(error);
    if (problem.unforeseen) context.onError(error);
    if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', problem.retryAfterSeconds);
    // What is left of a body that nobody reads would keep the connection busy.
    if (!request.raw.complete) reply.header('connection', 'close');
    return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  });
  app.setNotFoundHandler(() => {
    throw new Problem('API_NOT_FOUND', 'There is nothing at this address');
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Ingestion', version: '1', description: 'Documents in, searchable passages out.' },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `schema${index}`),
    },
  });
  for (const schema of shared) app.addSchema(schema);
  authentication(app, context);

  const intake = new Intake(context);
  app.get('/livez', { schema: { hide: true } }, async () => context.health.live());
  app.get('/readyz', { schema: { hide: true } }, async (_request, reply) => {
    const report = await context.health.ready();
    return reply.code(report.status === 'ready' ? 200 : 503).send(report);
  });
  const { metrics } = context;
  if (metrics) {
    app.addHook('onResponse', async (request, reply) => {
      const { method, url = 'none' } = request.routeOptions as { method?: string; url?: string };
      metrics.requests.observe(
        { route: url, method: String(method), status: reply.statusCode },
        reply.elapsedTime / 1000,
      );
    });
    app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
      reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
    );
  }
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.register(async (scope) => {
    documentRoutes(scope, context);
    searchRoutes(scope, context);
    urlRoutes(scope, context, intake);
    workRoutes(scope, context);
    await eventRoutes(scope, context);
  });
  await app.register((scope) => uploadRoutes(scope, context, intake));
  await app.register(async (scope) => resumableRoutes(scope, context, intake));
  if (context.webDirectory !== undefined) {
    await app.register(statics, {
      root: context.webDirectory,
      setHeaders: (response) => {
        response.header(
          'content-security-policy',
          "default-src 'self'; img-src 'self' data:; style-src 'self'",
        );
        response.header('x-content-type-options', 'nosniff');
      },
    });
  }
  return app;
}
