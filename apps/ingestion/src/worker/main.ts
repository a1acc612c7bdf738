/** Entry point of the worker. */
import { createHealth } from '@stackyard/healthchecks';
import { workerEnv } from '../config.ts';
import { createErrorLog, describe, stopSignal } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { openExtractor } from '../pipeline/index.ts';
import { openServices } from '../services.ts';
import { startTracing } from '../tracing.ts';
import { serveHealth } from './health-server.ts';
import { observeWith } from './observer.ts';
import { openTemporaryFolder } from './temporary-folder.ts';
import { startWorker } from './worker.ts';

try {
  const env = workerEnv.parse(process.env);
  const stopped = stopSignal();
  const logError = createErrorLog();
  await using stack = new AsyncDisposableStack();
  stack.use(await startTracing('ingestion-worker', env.OTEL_EXPORTER_OTLP_ENDPOINT));
  const services = stack.use(
    await openServices(env, { name: 'ingestion worker', connections: 6, onError: logError }),
  );
  const metrics = createMetrics();
  const health = createHealth({
    checks: {
      database: async (signal) => void (await services.client.query('SELECT 1', [], { signal })),
      storage: (signal) => services.storage.check(signal),
      queue: (signal) => services.queue.check(signal),
    },
  });
  if (env.HEALTH_PORT !== undefined) {
    stack.use(
      await serveHealth({ health, registry: metrics.registry, host: env.HOST, port: env.HEALTH_PORT }),
    );
  }
  const temporary = stack.use(await openTemporaryFolder());
  const extractor = stack.use(openExtractor({ temporaryFolder: temporary.path }));
  const worker = stack.use(
    await startWorker({
      ...services,
      extractor,
      concurrency: env.CONCURRENCY,
      leaseMs: env.LEASE,
      retention: { deletedForMs: env.DELETED_FOR },
      observer: observeWith(metrics),
      onError: logError,
    }),
  );
  console.log(`worker ${worker.name}, ${services.queue.description}, ${services.storage.description}`);
  await stopped;
  health.shutDown();
} catch (error) {
  console.error(describe(error));
  process.exitCode = 1;
}
