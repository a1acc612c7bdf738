import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip } from 'node:zlib';
import { RequestError } from '../engine/function-error.ts';

/** Deeper JSON is nobody's arguments, and too deep for whatever walks it. */
const MAX_NESTING = 512;
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const unbrotli = promisify(brotliDecompress);
const unzip = promisify(gunzip);

/** The whole body of a request, decompressed. */
export async function readBody(request: IncomingMessage, limit = MAX_BODY_BYTES): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > limit)
      throw new RequestError(413, 'PayloadTooLarge', `The body is larger than ${limit} bytes.`);
    chunks.push(chunk as Buffer);
  }
  const body = Buffer.concat(chunks);
  const encoding = request.headers['content-encoding'];
  try {
    if (encoding === 'br') return await unbrotli(body, { maxOutputLength: limit });
    if (encoding === 'gzip') return await unzip(body, { maxOutputLength: limit });
  } catch {
    throw new RequestError(400, 'BadBody', `The body is not valid ${encoding}.`);
  }
  return body;
}

export async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const text = (await readBody(request)).toString('utf8');
  if (text === '') return {};
  const body = parseJson(text);
  if (!isObject(body)) throw new RequestError(400, 'BadJsonBody', 'The request body is not a JSON object.');
  return body;
}

/** Reads JSON that came with a request, nested no deeper than what walks it can bear. */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RequestError(400, 'BadJsonBody', `Failed to parse as JSON: ${(error as Error).message}`);
  }
  checkNesting(value);
  return value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkNesting(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > MAX_NESTING) {
    throw new RequestError(400, 'TooNested', `JSON may be nested ${MAX_NESTING} levels deep.`);
  }
  for (const part of Object.values(value)) checkNesting(part, depth + 1);
}

/** The address a request asks for; `base` stands for the host, whatever the request says about it. */
export function requestUrl(request: IncomingMessage, base: string): URL {
  const target = request.url ?? '/';
  const url = target.startsWith('/') ? `${new URL(base).origin}${target}` : target;
  if (!URL.canParse(url)) throw new RequestError(400, 'BadUrl', 'The address of the request is not valid.');
  return new URL(url);
}

/** Undoes percent-encoding. */
export function decodeUrl(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RequestError(400, 'BadUrl', 'The address of the request is not valid.');
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  sendText(response, status, JSON.stringify(body), 'application/json');
}

export function sendText(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length });
  response.end(bytes);
}

/** Answers with what went wrong, as Convex does for everything that is not a function's own error. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = error instanceof RequestError;
  const { status, code } = known ? error : { status: 500, code: 'InternalServerError' };
  const message = error instanceof Error ? error.message : String(error);
  sendJson(response, status, { code, message });
}
