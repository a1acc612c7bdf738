import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { strToU8, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isPublic } from '../src/api/safe-fetch.ts';
import { requests } from './requests.ts';
import { openStack, type TestStack } from './stack.ts';

let stack: TestStack;
let api: ReturnType<typeof requests>;
const names = new Map<string, string[]>();

beforeAll(async () => {
  let site = '';
  stack = await openStack({
    api: {
      maxDocumentBytes: 30_000_000,
      fetch: {
        lookup: async (host) => (names.get(host) ?? []).map((address) => ({ address, family: 4 })),
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

/** One document of each hostile kind goes through the real API, and what must hold afterwards is checked. */
async function refused(name: string, content: string | Uint8Array, code: string): Promise<void> {
  const good = await api.add(`good beside ${name}`, `an ordinary document beside ${name}`);
  const document = await api.ingest(name, content);
  expect(document.latest).toMatchObject({
    status: 'failed',
    error: { code, message: expect.any(String), hint: expect.any(String) },
  });
  expect(document.currentVersion).toBeNull();
  expect((await api.settled(good.body.documents[0].documentId)).latest.status).toBe('ready');
  const [left] = await stack.client.query<{ chunks: number; attempts: number; state: string }>(
    `SELECT (SELECT count(*)::int FROM chunk WHERE version_id = $1) AS chunks, attempts, state FROM job WHERE version_id = $1`,
    [document.latest.id],
  );
  expect(left).toEqual({ chunks: 0, attempts: 1, state: 'dead' });
}

describe('hostile content', () => {
  test('NUL and lone surrogates vanish from text and metadata, and offsets stay true', async () => {
    const text = 'first\0 word \u0000and \x00emoji';
    const document = await api.ingest('nul.txt', text, {
      metadata: JSON.stringify({ 'k\0ey': ['v\0', { deep: '\ud800x' }] }),
    });
    expect(document.latest.status).toBe('ready');
    expect(document.metadata).toEqual({ key: ['v', { deep: '\ufffdx' }] });
    const [hit] = await api.find('emoji', { filter: { documents: [document.id] } });
    const whole = await api.call(`/v1/documents/${document.id}/text`);
    expect(whole.body.text.slice(hit?.start, hit?.end)).toBe(hit?.text);
    const json = await api.ingest('nul.json', '{"a":"x\\u0000y \\ud800 z"}');
    expect(json.latest.status).toBe('ready');
  });

  test('invalid UTF-8 and wrong types are read for what they are', async () => {
    const latin = await api.ingest('latin.txt', Buffer.from('caf\xe9 cr\xe8me', 'latin1'));
    expect(latin.latest.status).toBe('ready');
    const liar = await api.call('/v1/documents?name=picture.png', {
      method: 'POST',
      body: '# Really markdown\n\ntext',
      headers: { 'content-type': 'image/png' },
    });
    const document = await api.settled(liar.body.documents[0].documentId);
    expect(document.latest).toMatchObject({ status: 'ready' });
  });

  test('an empty document is ready, not failed', async () => {
    const document = await api.ingest('empty.txt', '');
    expect(document.latest).toMatchObject({ status: 'ready', chunks: 0, notes: [{ code: 'EMPTY' }] });
  });

  test('one word of a megabyte is cut into chunks that the index takes', async () => {
    const document = await api.ingest('long.txt', 'a'.repeat(1_200_000));
    expect(document.latest.status).toBe('ready');
    expect(document.latest.chunks).toBeGreaterThan(50);
  });

  test('a zip bomb is stopped by what it inflates to', { timeout: 40_000 }, async () => {
    const megabytes = new Uint8Array(70 * 1024 * 1024);
    const bomb = zipSync(
      { 'a.txt': megabytes, 'b.txt': megabytes, 'c.txt': megabytes, 'd.txt': megabytes },
      { level: 9 },
    );
    await refused('bomb.zip', bomb, 'INGEST_INFLATED_TOO_LARGE');
  });

  test('damaged and encrypted files and pictures fail once, with their reason', async () => {
    await refused('broken.pdf', '%PDF-1.7\nnothing of a PDF follows', 'INGEST_MALFORMED');
    await refused(
      'broken.docx',
      zipSync({ 'word/nothing.xml': strToU8('<x/>') }).subarray(0, 60),
      'INGEST_MALFORMED',
    );
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    await refused('pixel.png', png, 'INGEST_UNSUPPORTED_TYPE');
  });

  test('a name with a path in it is shown, and is never a path', async () => {
    const document = await api.ingest('../../etc/passwd\0.txt', 'nothing to see');
    expect(document.name).not.toContain('\0');
    expect(document.latest.status).toBe('ready');
  });

  test('a document larger than allowed is refused and leaves nothing', async () => {
    const answer = await api.add('large.bin', Buffer.alloc(30_000_001));
    expect(answer).toMatchObject({ status: 413, body: { code: 'API_TOO_LARGE' } });
  });

  test('reprocessing a dead letter fails the same way, and deleting it takes it off the list', async () => {
    const document = await api.ingest('dead.pdf', '%PDF-1.4 dead on arrival');
    const dead = async () =>
      (await api.call('/v1/dead-letters')).body.deadLetters.filter(
        (letter: { documentId: string }) => letter.documentId === document.id,
      );
    expect(await dead()).toMatchObject([{ name: 'dead.pdf', code: 'INGEST_MALFORMED', attempts: 1 }]);
    const [{ id }] = await dead();
    expect((await api.post('/v1/dead-letters/redrive', { ids: [id] })).body).toEqual({ redriven: 1 });
    expect((await api.settled(document.id)).latest.status).toBe('failed');
    await api.call(`/v1/documents/${document.id}`, { method: 'DELETE' });
    expect(await dead()).toEqual([]);
  });
});

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

  test('of multipart is answered, and the API goes on', async () => {
    const head =
      'POST /v1/documents HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=b\r\n';
    const body = '--b\r\ncontent-disposition: form-data; name="f"; filename="a.txt"\r\n\r\ncut off';
    const cut = await raw(`${head}content-length: ${body.length}\r\n\r\n${body}`, { end: false });
    expect(cut).toMatch(/^HTTP\/1\.1 400 /);
    expect(cut).toContain('API_MALFORMED_MULTIPART');
    const none = await raw(`${head.replace('; boundary=b', '')}content-length: 3\r\n\r\nabc`, { end: false });
    expect(none).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect((await api.call('/livez')).status).toBe(200);
  });

  test('that breaks off in the middle leaves nothing behind', async () => {
    const before = await stack.client.one('SELECT count(*) AS n FROM document');
    await raw(
      'POST /v1/documents?name=half.txt HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\nonly a part',
    );
    expect(await stack.client.one('SELECT count(*) AS n FROM document')).toEqual(before);
    await expect.poll(() => stack.storage.sweep(new Date(Date.now() + 60_000))).toBe(0);
  });
});

describe('a document from a URL', () => {
  let site: string;
  const close: (() => void)[] = [];
  afterAll(() => {
    for (const end of close) end();
  });

  beforeAll(async () => {
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      const path = request.url ?? '';
      if (path === '/doc') {
        response.writeHead(200, {
          'content-type': 'text/plain',
          'content-disposition': 'attachment; filename="from afar.txt"',
        });
        response.end('a narwhal from afar');
      } else if (path.startsWith('/to?')) {
        response.writeHead(302, { location: decodeURIComponent(path.slice(4)) });
        response.end();
      } else if (path === '/broken') {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('part');
        setImmediate(() => response.destroy());
      } else {
        response.writeHead(404);
        response.end();
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    close.push(() => server.close());
    site = `http://site.example:${(server.address() as AddressInfo).port}`;
    names.set('site.example', ['127.0.0.1']);
    names.set('inside.example', ['10.1.2.3']);
    names.set('both.example', ['127.0.0.1', '169.254.169.254']);
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

  test('is refused when it leads anywhere inside, by whatever way', async () => {
    const inside = [
      'http://inside.example/',
      'http://both.example/',
      'http://10.0.0.1/',
      'http://169.254.169.254/latest/meta-data/',
      'http://[::1]/',
      'http://[::ffff:10.0.0.1]/',
      'http://0x0a000001/',
      'http://user:pw@site.example/',
      'file:///etc/passwd',
      'gopher://site.example/',
      `${site}/to?${encodeURIComponent('http://10.0.0.1/')}`,
      `${site}/to?${encodeURIComponent('file:///etc/passwd')}`,
      `${site}/to?${encodeURIComponent('http://inside.example/')}`,
    ];
    for (const url of inside) {
      expect([url, (await from(url)).body.code]).toEqual([url, 'API_URL_REFUSED']);
    }
  });

  test('that is missing, breaks off or never ends its redirects is an error of the URL', async () => {
    expect((await from(`${site}/missing`)).body.code).toBe('API_URL_FAILED');
    expect((await from(`${site}/broken`)).body.code).toBe('API_URL_FAILED');
    names.set('loop.example', ['127.0.0.1']);
    let loop = `${site}/doc`;
    for (let hop = 0; hop < 7; hop += 1) loop = `${site}/to?${encodeURIComponent(loop)}`;
    expect((await from(loop)).body.code).toBe('API_URL_REFUSED');
  });

  test('knows which addresses are public', () => {
    for (const address of ['8.8.8.8', '2606:4700::1111'])
      expect([address, isPublic(address)]).toEqual([address, true]);
    const others = [
      '127.0.0.1',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.1',
      '169.254.1.1',
      '100.64.0.1',
      '0.0.0.0',
      '224.0.0.1',
      '::1',
      'fe80::1',
      'fc00::1',
      '::ffff:127.0.0.1',
      '64:ff9b::a00:1',
      '2002:a00:1::',
    ];
    for (const address of others) expect([address, isPublic(address)]).toEqual([address, false]);
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
