import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dueJobs } from '../src/store/jobs.ts';
import { requests } from './requests.ts';
import { startSite } from './site.ts';
import { openStack, type TestStack } from './stack.ts';

let stack: TestStack;
let api: ReturnType<typeof requests>;
const names = new Map<string, string[]>();
/** Happens once a name was looked up. */
let turning: () => void = () => {};

beforeAll(async () => {
  let site = '';
  stack = await openStack({
    api: {
      maxDocumentBytes: 3_000_000,
      fetch: {
        lookup: async (host) => {
          const addresses = names.get(host) ?? [];
          turning();
          return addresses.map((address) => ({ address, family: 4 }));
        },
        // The test's own server stands for the public internet.
        allow: (address) => address === '127.0.0.1' && site !== '',
        timeoutMs: 2000,
      },
    },
  });
  site = 'allowed';
  api = requests(stack.url);
});
afterAll(() => stack?.[Symbol.asyncDispose]());

/** What of unfinished uploads lies in storage. */
async function unfinished(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ['incoming', 'pieces']) {
    const path = join(stack.folder, 'objects', folder);
    const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
    found.push(...entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : [])));
  }
  return found;
}

let sent = 0;

/** What must hold of a request that is refused: it leaves nothing, takes no memory, and a document beside it comes through. */
async function leavesNothing(request: () => Promise<void>): Promise<void> {
  const inventory = () =>
    stack.client.one<Record<string, number>>(
      `SELECT (SELECT count(*)::int FROM document) AS documents, (SELECT count(*)::int FROM version) AS versions,
         (SELECT count(*)::int FROM job) AS jobs, (SELECT count(*)::int FROM object) AS objects,
         (SELECT count(*)::int FROM chunk) AS chunks`,
    );
  const before = await inventory();
  const memory = process.memoryUsage.rss();
  sent += 1;
  const { body } = await api.add(`beside ${sent}.txt`, `An ordinary okapi, number ${sent}.`);
  await request();
  expect((await api.settled(body.documents[0].documentId)).latest.status).toBe('ready');
  expect(process.memoryUsage.rss() - memory).toBeLessThan(200 * 1024 ** 2);
  await expect.poll(unfinished).toEqual([]);
  expect(await dueJobs(stack.client)).toBe(0);
  const more = Object.fromEntries(Object.entries(before).map(([name, count]) => [name, count + 1]));
  expect(await inventory()).toEqual(more);
}

describe('a broken request', () => {
  /** What comes back for bytes that no HTTP library would send. */
  async function raw(text: string, { end = true } = {}): Promise<string> {
    const { hostname, port } = new URL(stack.url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => {});
    socket.write(text);
    if (end) socket.end();
    await once(socket, 'close');
    return answer;
  }

  const head = (type: string, length: number) =>
    `POST /v1/documents HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`;
  const bounded = 'multipart/form-data; boundary=b';
  const file = 'content-disposition: form-data; name="f"; filename="a.txt"';

  test.each([
    ['cut off in a file', bounded, `--b\r\n${file}\r\n\r\ncut off`, /MALFORMED_MULTIPART/],
    ['cut off in a head', bounded, `--b\r\n${file.slice(0, 30)}`, /MALFORMED_MULTIPART/],
    ['without a boundary', 'multipart/form-data', 'abc', /API_/],
    ['with another boundary', bounded, `--c\r\n${file}\r\n\r\ntext\r\n--c--\r\n`, /API_/],
    ['of nothing', bounded, '', /API_/],
    ['of noise', bounded, '--b\r\n\0\x01\x02: \xff\r\n\r\n--b\r\n--b', /API_/],
    [
      'with fields only',
      bounded,
      '--b\r\ncontent-disposition: form-data; name="f"\r\n\r\nx\r\n--b--\r\n',
      /INVALID/,
    ],
  ])('of multipart, %s, is answered with a code and leaves nothing', async (_what, type, body, code) => {
    await leavesNothing(async () => {
      const answer = await raw(`${head(type, Buffer.byteLength(body))}${body}`, { end: false });
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
      expect(answer).toContain('application/problem+json');
      expect(JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))).toMatchObject({
        code: expect.stringMatching(code),
        title: expect.stringMatching(/\w{3}/),
        hint: expect.stringMatching(/\w{3}/),
      });
    });
  });

  test.each([
    ['of one document', 'text/plain', 'only a part'],
    ['of several', bounded, `--b\r\n${file}\r\n\r\nonly a part`],
  ])('%s that breaks off in the middle leaves nothing', async (_what, type, part) => {
    await leavesNothing(async () => void (await raw(`${head(type, 1000)}${part}`)));
  });

  test('with a document larger than allowed leaves nothing', async () => {
    await leavesNothing(async () => {
      const answer = await api.add('large.bin', Buffer.alloc(3_000_001));
      expect(answer).toMatchObject({ status: 413, body: { code: 'API_TOO_LARGE' } });
    });
  });
});

describe('a question', () => {
  const id = '00000000-0000-4000-8000-000000000000';
  test.each([
    [{}],
    [{ query: '' }],
    [{ query: ' \0\n ' }],
    [{ query: 'x'.repeat(100_000) }],
    [{ query: 'x', limit: 0 }],
    [{ query: 'x', mode: 'both' }],
    [{ query: 'x', filter: 'all' }],
    [{ query: 'x', filter: { nothing: 1 } }],
    [{ query: 'x', filter: { metadata: [1] } }],
    [{ query: 'x', filter: { metadata: { a: 'x'.repeat(5000) } } }],
    [{ query: 'x', filter: { createdAfter: 'yesterday' } }],
    [{ query: 'x', filter: { createdBefore: '2030-12-31T23:59:60Z' } }],
    [{ query: 'x', filter: { documents: ['no id'] } }],
    [{ query: 'x', filter: { documents: Array(1001).fill(id) } }],
  ])('that is broken is answered with a code: %.80j', async (question) => {
    const hint = expect.stringMatching(/\w{3}/);
    expect(await api.post('/v1/search', question)).toMatchObject({
      status: 400,
      body: { code: 'API_INVALID', title: expect.stringMatching(/\w{3}/), hint },
    });
  });

  test('larger than a body may be is refused, one as long as it may be is answered', async () => {
    expect(await api.post('/v1/search', { query: 'x'.repeat(300_000) })).toMatchObject({
      status: 413,
      body: { code: 'API_TOO_LARGE' },
    });
    for (const query of [
      'x'.repeat(8192),
      'many words '.repeat(744),
      '"'.repeat(8192),
      '-'.repeat(8192),
      '- ! '.repeat(2048),
    ])
      expect((await api.post('/v1/search', { query })).status).toBe(200);
  });
});

describe('a document from a URL', () => {
  let site: string;
  const close: (() => void)[] = [];
  afterAll(() => {
    for (const end of close) end();
  });

  beforeAll(async () => {
    const { port, ...server } = await startSite();
    close.push(server.close);
    site = `http://site.example:${port}`;
    names.set('site.example', ['127.0.0.1']);
    names.set('inside.example', ['10.1.2.3']);
    names.set('both.example', ['127.0.0.1', '10.1.2.3']);
  });

  const from = (url: string) => api.post('/v1/documents/from-url', { url });

  test('is taken in, also after redirects, under the name that the site gives', async () => {
    const { status, body } = await from(`${site}/to?${encodeURIComponent('/doc')}`);
    expect(status).toBe(202);
    const document = await api.settled(body.documents[0].documentId);
    expect(document).toMatchObject({
      name: 'from afar.txt',
      sourceUrl: `${site}/doc`,
      latest: { status: 'ready' },
    });
  });

  test('with an Idempotency-Key is the same request, whatever the URL answers by then', async () => {
    const again = () =>
      api.call('/v1/documents/from-url', {
        method: 'POST',
        body: JSON.stringify({ url: `${site}/counter` }),
        headers: { 'content-type': 'application/json', 'idempotency-key': 'url' },
      });
    const first = await again();
    const second = await again();
    expect(second.body.documents[0]).toMatchObject({
      documentId: first.body.documents[0].documentId,
      outcome: 'replayed',
    });
  });

  const to = (url: string) => `${site}/to?${encodeURIComponent(url)}`;

  test.each([
    ['an inner name', 'REFUSED', () => 'http://inside.example/'],
    ['an inner address', 'REFUSED', () => 'http://10.1.2.3/'],
    ['a redirect to an inner name', 'REFUSED', () => to('http://inside.example/')],
    ['a redirect to the address of a cloud', 'REFUSED', () => to('http://169.254.169.254/latest/')],
    ['a name with an inner address among others', 'REFUSED', () => 'http://both.example/'],
    ['a redirect to a file', 'REFUSED', () => to('file:///etc/passwd')],
    ['a URL with a password', 'REFUSED', () => 'http://a:b@site.example/'],
    ['what is missing', 'FAILED', () => `${site}/missing`],
    ['what breaks off', 'FAILED', () => `${site}/broken`],
    ['redirects without end', '(REFUSED|FAILED)', () => `${site}/round`],
    ['a name that nobody knows', '(REFUSED|FAILED)', () => 'http://unknown.example/'],
  ])('that is %s is refused with a code and leaves nothing', async (_what, code, url) => {
    await leavesNothing(async () => {
      const { status, body } = await from(url());
      expect(status).toBeGreaterThanOrEqual(400);
      expect(body).toMatchObject({
        code: expect.stringMatching(new RegExp(`^API_URL_${code}$`)),
        title: expect.stringMatching(/\w{3}/),
        hint: expect.stringMatching(/\w{3}/),
      });
    });
  });

  test('comes from the address that was checked, wherever its name leads a moment later', async () => {
    names.set('turning.example', ['127.0.0.1']);
    turning = () => names.set('turning.example', ['10.1.2.3']);
    const { status, body } = await from(`${site.replace('site.', 'turning.')}/doc`);
    expect(status).toBe(202);
    expect((await api.settled(body.documents[0].documentId)).latest.status).toBe('ready');
    expect((await from(`${site.replace('site.', 'turning.')}/doc`)).body.code).toBe('API_URL_REFUSED');
  });
});

describe('a resumable upload', () => {
  const encode = (text: string) => Buffer.from(text).toString('base64');
  const create = async (bytes: number, details: Record<string, string> = { filename: 'resumed.txt' }) => {
    const metadata = Object.entries(details).map(([name, text]) => `${name} ${encode(text)}`);
    const { status, headers } = await api.call('/v1/uploads', {
      method: 'POST',
      headers: {
        'upload-length': String(bytes),
        'upload-metadata': metadata.join(','),
        'tus-resumable': '1.0.0',
      },
    });
    expect(status).toBe(201);
    return headers.get('location') as string;
  };
  const patch = (location: string, offset: number, body: string) =>
    api.call(location, {
      method: 'PATCH',
      body,
      headers: { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset) },
    });

  test('goes on where it stopped and becomes a document at its end', async () => {
    const text = 'the axolotl regrows what it lost';
    const location = await create(text.length, { filename: 'axolotl.txt', metadata: '{"kind":"animal"}' });
    expect((await patch(location, 0, text.slice(0, 10))).headers.get('upload-offset')).toBe('10');
    expect((await patch(location, 5, 'x')).status).toBe(409);
    expect((await api.call(location, { method: 'HEAD' })).headers.get('upload-offset')).toBe('10');
    const last = await patch(location, 10, text.slice(10));
    const document = await api.settled(last.headers.get('ingestion-document') as string);
    expect(document).toMatchObject({
      name: 'axolotl.txt',
      metadata: { kind: 'animal' },
      latest: { status: 'ready', bytes: text.length },
    });
  });

  test('that is cut off keeps what has come, and goes on from there', async () => {
    const location = await create(12, { filename: 'cut.txt' });
    const { hostname, port } = new URL(stack.url);
    const coming = once(stack.api.server, 'request') as Promise<[IncomingMessage]>;
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    const part = `PATCH ${location} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/offset+octet-stream\r\nupload-offset: 0\r\ncontent-length: 12\r\n\r\nhalf a `;
    socket.write(part);
    const [incoming] = await coming;
    // Somebody reads it, and has read all there is.
    const arrived = () => incoming.socket.bytesRead >= part.length;
    const read = () => incoming.listenerCount('readable') > 0 && incoming.readableLength === 0;
    await expect.poll(() => arrived() && read()).toBe(true);
    socket.destroy();
    const offset = async () => (await api.call(location, { method: 'HEAD' })).headers.get('upload-offset');
    await expect.poll(offset).toBe('7');
    const last = await patch(location, 7, 'crab!');
    const id = last.headers.get('ingestion-document') as string;
    expect((await api.call(`/v1/documents/${id}/content`)).body).toBe('half a crab!');
  });

  test('that two continue at once has the bytes of one of them', async () => {
    const location = await create(8, { filename: 'two.txt' });
    const pieces = ['aaaaa', 'bbb', 'cccc', 'dddddd'];
    const answers = await Promise.all(pieces.map((piece) => patch(location, 0, piece)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([204, 409, 409, 409]);
    const winner = pieces[answers.findIndex(({ status }) => status === 204)] as string;
    const rest = '-'.repeat(8 - winner.length);
    const last = await patch(location, winner.length, rest);
    const id = last.headers.get('ingestion-document') as string;
    expect((await api.call(`/v1/documents/${id}/content`)).body).toBe(winner + rest);
    // Its answer may have been lost.
    const again = await patch(location, 8, '');
    expect([again.status, again.headers.get('ingestion-document')]).toEqual([204, id]);
    await expect.poll(unfinished).toEqual([]);
  });

  test('of nothing is complete at once', async () => {
    const { status, headers } = await api.call('/v1/uploads', {
      method: 'POST',
      headers: {
        'upload-length': '0',
        'upload-metadata': `filename ${encode('nothing.txt')},key ${encode('nothing')}`,
      },
    });
    expect(status).toBe(201);
    const document = await api.settled(headers.get('ingestion-document') as string);
    expect(document).toMatchObject({ name: 'nothing.txt', latest: { status: 'ready', bytes: 0 } });
  });

  test('refuses more than was announced, and can be given up', async () => {
    const location = await create(3);
    expect((await patch(location, 0, 'four')).body.code).toBe('API_INVALID');
    expect((await api.call(location, { method: 'DELETE' })).status).toBe(204);
    expect((await api.call(location, { method: 'HEAD' })).status).toBe(404);
  });
});

test('nothing unforeseen happened', () => {
  expect(stack.errors.filter((error) => (error as { code?: string }).code !== 'API_URL_FAILED')).toEqual([]);
});
