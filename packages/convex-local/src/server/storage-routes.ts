import { createReadStream } from 'node:fs';
import { RequestError } from '../engine/function-error.ts';
import type { Exchange } from './http-api.ts';
import { readBody, sendJson } from './http-body.ts';

/** The SHA-256 that a `Digest` header announces. */
function announcedDigest(header: string | undefined): string | null {
  return /(?:^|,)\s*sha-256=([^,\s]+)/i.exec(header ?? '')?.[1] ?? null;
}

export async function receiveUpload({ request, response, url, host }: Exchange): Promise<void> {
  const bytes = await readBody(request);
  const digest = request.headers.digest ?? request.headers['repr-digest'];
  const stored = await host.call('storeFile', {
    token: url.searchParams.get('token') ?? '',
    bytes,
    contentType: request.headers['content-type'] ?? null,
    sha256: announcedDigest(Array.isArray(digest) ? digest[0] : digest),
  });
  sendJson(response, 200, stored);
}

/** One range of a `Range` header as first and last byte; undefined for all, null where it cannot be served. */
function requestedRange(
  header: string | undefined,
  size: number,
): readonly [number, number] | undefined | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  // Nothing of an empty file can be asked for: it is served whole.
  if (size === 0 || match === null || (match[1] === '' && match[2] === '')) return undefined;
  const first = match[1] === '' ? Math.max(size - Number(match[2]), 0) : Number(match[1]);
  const last = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return first > last || first >= size ? null : [first, last];
}

export async function serveFile({ request, response, url, host }: Exchange): Promise<void> {
  const key = url.pathname.slice('/api/storage/'.length);
  const file = await host.call('findFile', key);
  if (file === null) throw new RequestError(404, 'FileNotFound', `File ${key} not found.`);
  const range = requestedRange(request.headers.range, file.size);
  const headers: Record<string, string | number> = {
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=2592000',
    digest: `sha-256=${file.sha256}`,
    ...(file.contentType === null ? {} : { 'content-type': file.contentType }),
  };
  if (range === null) {
    response.writeHead(416, { 'content-range': `bytes */${file.size}` });
    response.end();
    return;
  }
  const [first, last] = range ?? [0, file.size - 1];
  headers['content-length'] = last - first + 1;
  if (range !== undefined) headers['content-range'] = `bytes ${first}-${last}/${file.size}`;
  response.writeHead(range === undefined ? 200 : 206, headers);
  if (request.method === 'HEAD' || file.size === 0) {
    response.end();
    return;
  }
  createReadStream(file.path, { start: first, end: last })
    .on('error', () => response.destroy())
    .pipe(response);
}
