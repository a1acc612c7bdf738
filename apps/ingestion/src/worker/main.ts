/** Entry point of the worker. */
import { workerEnv } from '../config.ts';
import { describe, logError, stopSignal } from '../log.ts';
import { openExtractor } from '../pipeline/index.ts';
import { openServices } from '../services.ts';
import { startWorker } from './worker.ts';

try {
  const env = workerEnv.parse(process.env);
  const stopped = stopSignal();
  await using stack = new AsyncDisposableStack();
  const services = stack.use(
    await openServices(env, { name: 'ingestion worker', connections: 6, onError: logError }),
  );
  const extractor = stack.use(openExtractor());
  const worker = stack.use(
    await startWorker({
      ...services,
      extractor,
      concurrency: env.CONCURRENCY,
      leaseMs: env.LEASE,
      retention: { deletedForMs: env.DELETED_FOR },
      onError: logError,
    }),
  );
  console.log(`worker ${worker.name}, ${services.queue.description}, ${services.storage.description}`);
  await stopped;
} catch (error) {
  console.error(describe(error));
  process.exitCode = 1;
}
