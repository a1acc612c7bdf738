import type { Metrics } from '../metrics.ts';
import { traced } from '../tracing.ts';
import type { WorkerObserver } from './worker.ts';

/** Counts what a worker does, and continues the traces of the uploads. */
export function observeWith(metrics: Metrics): WorkerObserver {
  return {
    job: (job, run) => traced('ingest', { tenant: job.tenantId, document: job.documentId }, run, job.trace),
    stage: (_job, stage, run) =>
      traced(stage, {}, async () => {
        const end = metrics.stages.startTimer({ stage });
        return run().finally(() => end());
      }),
    finished: (_job, outcome, seconds) => metrics.jobs.observe({ outcome }, seconds),
  };
}
