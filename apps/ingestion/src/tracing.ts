import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

/** Runs `work` in a span; without a tracer installed that costs next to nothing. */
export function traced<T>(
  name: string,
  attributes: Record<string, string | number>,
  work: () => Promise<T>,
  parent?: string | null,
): Promise<T> {
  const within = parent ? propagation.extract(context.active(), { traceparent: parent }) : context.active();
  // Asked for each time: a tracer from before `startTracing` would record nothing for ever.
  const tracer = trace.getTracer('ingestion');
  return tracer.startActiveSpan(name, { kind: SpanKind.INTERNAL, attributes }, within, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      if (error instanceof Error) span.recordException(error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * Sends traces to an OTLP endpoint until disposal. The SDK is loaded only where there is an endpoint.
 *
 * @param endpoint base URL; `/v1/traces` is added
 */
export async function startTracing(service: string, endpoint: string | undefined): Promise<AsyncDisposable> {
  if (endpoint === undefined) return { async [Symbol.asyncDispose]() {} };
  const { BatchSpanProcessor } = await import('@opentelemetry/sdk-trace-base');
  const { NodeTracerProvider } = await import('@opentelemetry/sdk-trace-node');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  provider.register();
  return { [Symbol.asyncDispose]: () => provider.shutdown() };
}
