import type { Client } from '@stackyard/postgres';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { asService } from './store/database.ts';

/** What a program counts, in Prometheus' terms. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Histogram<'route' | 'method' | 'status'>;
  readonly received: Counter;
  readonly jobs: Histogram<'outcome'>;
  readonly stages: Histogram<'stage'>;
}

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/**
 * Makes the metrics of one program. With a client, the state of the queue is read when somebody asks; while the
 * database is away, what depends on it is left out.
 */
export function createMetrics(client?: Client): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  if (client) {
    new Gauge({
      name: 'ingestion_jobs',
      help: 'Jobs by state',
      labelNames: ['state'] as const,
      registers,
      async collect() {
        const rows = await asService(client, (tx) =>
          tx.query<{ state: string; count: number }>(
            `SELECT s.state, count(j.id)::int AS count FROM unnest('{queued,active,dead}'::job_state[]) AS s(state)
             LEFT JOIN job j ON j.state = s.state GROUP BY 1`,
          ),
        ).catch(() => []);
        this.reset();
        for (const { state, count } of rows) this.set({ state }, count);
      },
    });
    new Gauge({
      name: 'ingestion_oldest_job_seconds',
      help: 'How long the oldest job that could run has been waiting',
      registers,
      async collect() {
        const { age } = await asService(client, (tx) =>
          tx.one<{ age: number }>(
            `SELECT coalesce(extract(epoch FROM now() - min(run_after)), 0)::float8 AS age FROM job
             WHERE state = 'queued' AND run_after <= now()`,
          ),
        ).catch(() => ({ age: Number.NaN }));
        this.set(age);
      },
    });
  }
  return {
    registry,
    requests: new Histogram({
      name: 'ingestion_request_seconds',
      help: 'Requests by route, method and status',
      labelNames: ['route', 'method', 'status'],
      buckets: seconds,
      registers,
    }),
    received: new Counter({
      name: 'ingestion_received_bytes',
      help: 'Bytes of documents that came in',
      registers,
    }),
    jobs: new Histogram({
      name: 'ingestion_job_seconds',
      help: 'Jobs by outcome: stored, retry or dead',
      labelNames: ['outcome'],
      buckets: seconds,
      registers,
    }),
    stages: new Histogram({
      name: 'ingestion_stage_seconds',
      help: 'Work on one document by stage: extract, embed, index',
      labelNames: ['stage'],
      buckets: seconds,
      registers,
    }),
  };
}
