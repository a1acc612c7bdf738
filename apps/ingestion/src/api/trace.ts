import { context, propagation } from '@opentelemetry/api';

/** The W3C trace context of what runs now, to be kept with a job; undefined where nothing is traced. */
export function traceOf(): string | undefined {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent;
}
