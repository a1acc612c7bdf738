import type { IncomingMessage } from 'node:http';
import { HealthError } from './health-error.ts';
import type { Probe } from './probe.ts';
import { refusal, refuseSelf } from './socket.ts';

export interface HttpOptions {
  /** A status, a list of them, or a test; 200 to 299 unless told. Redirects are answers and are not followed. */
  readonly expectStatus?: number | readonly number[] | ((status: number) => boolean) | undefined;
  /** What the body must hold (a substring or a pattern), or a test of it. */
  readonly expectBody?: string | RegExp | ((body: string) => boolean) | undefined;
  readonly method?: 'GET' | 'HEAD' | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const bodyLimit = 64 * 1024;

/** Ready when a request gets the expected status (and body). One connection for each request, closed after it. */
export function http(url: string | URL, options: HttpOptions = {}): Probe {
  const target = parse(url);
  const name = `${target.origin}${target.pathname}`;
  return async (signal) => {
    const { status, body } = await get(target, name, options, signal);
    if (!accepts(options.expectStatus, status)) {
      throw new HealthError('HEALTH_UNREADY', `${name} answered ${status}${quote(body)}`);
    }
    if (options.expectBody !== undefined && !matches(options.expectBody, body)) {
      throw new HealthError(
        'HEALTH_UNREADY',
        `${name} answered ${status} with an unexpected body${quote(body)}`,
      );
    }
  };
}

function parse(url: string | URL): URL {
  // The input may hold a password, so the error does not repeat it.
  const target = URL.parse(String(url));
  if (target && (target.protocol === 'http:' || target.protocol === 'https:')) return target;
  throw new HealthError('HEALTH_TARGET', 'The HTTP probe needs an absolute http:// or https:// URL.', {
    hint: 'Pass a URL such as http://127.0.0.1:8080/readyz.',
  });
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

// node:http, not fetch: fetch keeps the connection in a pool, and a probe must leave nothing open.
// Loaded when a first probe asks: that takes longer than all of this package, and most starts need no HTTP.
async function get(url: URL, name: string, options: HttpOptions, signal: AbortSignal): Promise<Answer> {
  const { request: send } = await (url.protocol === 'https:' ? import('node:https') : import('node:http'));
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {} } = options;
    const request = send(url, { method, headers, agent: false, signal });
    const fail = (error: unknown) => reject(signal.aborted ? signal.reason : refusal(name, error));
    request.on('socket', refuseSelf);
    request.on('error', fail);
    request.on('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const finish = () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      response.on('error', fail);
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size < bodyLimit) return;
        finish();
        request.destroy();
      });
      response.on('end', finish);
    });
    request.end();
  });
}

function accepts(expected: HttpOptions['expectStatus'], status: number): boolean {
  if (expected === undefined) return status >= 200 && status < 300;
  if (typeof expected === 'function') return expected(status);
  return typeof expected === 'number' ? status === expected : expected.includes(status);
}

function matches(expected: NonNullable<HttpOptions['expectBody']>, body: string): boolean {
  if (typeof expected === 'function') return expected(body);
  return typeof expected === 'string' ? body.includes(expected) : expected.test(body);
}

function quote(body: string): string {
  const line = body.trim().split(/\r?\n/, 1)[0] as string;
  if (line === '') return '';
  return `: ${line.length > 120 ? `${line.slice(0, 120)}...` : line}`;
}
