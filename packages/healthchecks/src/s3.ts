import { describe, HealthError } from './health-error.ts';
import { http } from './http.ts';
import type { Probe } from './probe.ts';

/** The slice of an S3 client (AWS SDK v3) that the probe uses. */
export interface S3Client<Command> {
  send(command: Command, options: { abortSignal: AbortSignal }): Promise<unknown>;
}

/**
 * Ready when the store answers. With a client and a command of the caller's (`new HeadBucketCommand({ Bucket })` asks
 * for what an application needs, `new ListBucketsCommand({})` for less) credentials are checked too; with a URL only
 * that the store speaks: 2xx, or the 403 that a request without credentials gets.
 */
export function s3(url: string | URL): Probe;
export function s3<Command>(client: S3Client<Command>, command: Command): Probe;
export function s3<Command>(target: string | URL | S3Client<Command>, command?: Command): Probe {
  if (typeof target === 'string' || target instanceof URL) {
    return http(target, { expectStatus: (status) => (status >= 200 && status < 300) || status === 403 });
  }
  return async (signal) => {
    signal.throwIfAborted();
    try {
      await target.send(command as Command, { abortSignal: signal });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw new HealthError('HEALTH_UNREADY', `The object store answered: ${answerOf(error)}`, {
        cause: error,
      });
    }
  };
}

// A HEAD request has no body, so its errors come with a name (`NotFound`, `Forbidden`) and little text.
function answerOf(error: unknown): string {
  const text = describe(error);
  const name = error instanceof Error && error.name !== 'Error' ? error.name : '';
  return name === '' || text.includes(name) ? text : `${name} (${text})`;
}
