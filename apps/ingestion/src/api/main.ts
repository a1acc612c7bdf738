/** Entry point of the API. */
import { resolve } from 'node:path';
import { createHealth } from '@stackyard/healthchecks';
import { apiEnv } from '../config.ts';
import { createErrorLog, describe, stopSignal } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { openServices } from '../services.ts';
import { startTracing } from '../tracing.ts';
import { createApi } from './server.ts';

try {
  const env = apiEnv.parse(process.env);
  const stopped = stopSignal();
  const logError = createErrorLog();
  await using stack = new AsyncDisposableStack();
  stack.use(await startTracing('ingestion-api', env.OTEL_EXPORTER_OTLP_ENDPOINT));
  const services = stack.use(
    await openServices(env, { name: 'ingestion api', connections: 10, onError: logError }),
  );
  const health = createHealth({
    checks: {
      database: async (signal) => void (await services.client.query('SELECT 1', [], { signal })),
      storage: (signal) => services.storage.check(signal),
      queue: (signal) => services.queue.check(signal),
    },
  });
  const api = await createApi({
    ...services,
    health,
    metrics: createMetrics(services.client),
    maxDocumentBytes: env.MAX_DOCUMENT_BYTES,
    anonymousTenant: env.ANONYMOUS_TENANT,
    allowedHosts: env.ALLOWED_HOSTS,
    webDirectory: env.WEB_DIRECTORY && resolve(env.WEB_DIRECTORY),
    onError: logError,
  });
  stack.defer(() => api.close());
  await api.listen({ host: env.HOST, port: env.PORT });
  console.log(
    `api on http://${env.HOST}:${env.PORT}, ${services.queue.description}, ${services.storage.description}`,
  );
  await stopped;
  health.shutDown();
} catch (error) {
  console.error(describe(error));
  process.exitCode = 1;
}
