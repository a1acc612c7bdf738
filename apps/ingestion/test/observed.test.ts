import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createMetrics } from '../src/metrics.ts';
import { startTracing } from '../src/tracing.ts';
import { observeWith } from '../src/worker/observer.ts';
import { requests } from './requests.ts';
import { openStack } from './stack.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

test('one trace leads from the upload to the index, and metrics outlive the database', async () => {
  const spans: Span[] = [];
  const collector = createServer(async (request, response) => {
    let text = '';
    for await (const piece of request) text += piece;
    for (const { scopeSpans } of JSON.parse(text).resourceSpans)
      for (const { spans: some } of scopeSpans) spans.push(...some);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const { port } = collector.address() as AddressInfo;
  const tracing = await startTracing('test', `http://127.0.0.1:${port}/`);
  try {
    await using stack = await openStack({ worker: false });
    const metrics = createMetrics(stack.client);
    const observer = observeWith(metrics);
    await stack.startWorker({ observer });
    const api = requests(stack.url);
    const document = await api.ingest('traced.txt', 'somebody follows this');
    await expect
      .poll(() => metrics.registry.getSingleMetricAsString('ingestion_job_seconds'))
      .toContain('stored');
    await tracing[Symbol.asyncDispose]();
    const by = (name: string) => spans.find((span) => span.name === name);
    const names = ['intake', 'ingest', 'extract', 'embed', 'index'];
    const { traceId } = by('intake') as Span;
    expect(names.map((name) => by(name)?.traceId)).toEqual(names.map(() => traceId));
    expect(by('ingest')?.parentSpanId).toBe(by('intake')?.spanId);
    expect(by('index')?.parentSpanId).toBe(by('ingest')?.spanId);
    expect(JSON.stringify(spans)).toContain(document.id);

    expect(await metrics.registry.metrics()).toContain('ingestion_jobs{state="queued"} 0');
    await stack.database.kill();
    const during = await metrics.registry.metrics();
    expect(during).toContain('ingestion_oldest_job_seconds Nan');
    expect(during).toMatch(/ingestion_stage_seconds_count\{stage="embed"\} 1/);
    await stack.database.start();
  } finally {
    collector.closeAllConnections();
    collector.close();
  }
});
