import { once } from 'node:events';
import { connect } from 'node:net';
import { strToU8, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  encryptedPdf,
  encryptedZip,
  makePdf,
  makeZip,
  nestedZip,
  rawDocx,
  rawXlsx,
  zeros,
} from './documents.ts';
import { MiB } from './hostile.ts';
import { requests } from './requests.ts';
import { startSite } from './site.ts';
import { openStack, type TestStack } from './stack.ts';

let stack: TestStack;
let api: ReturnType<typeof requests>;
const names = new Map<string, string[]>();

beforeAll(async () => {
  let site = '';
  stack = await openStack({
    // Limits that small documents reach.
    limits: { inflatedBytes: 4 * MiB, textLength: 2_000_000, pages: 20, entries: 100, timeMs: 10_000 },
    api: {
      maxDocumentBytes: 3_000_000,
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

  test('what asks for more than a document may have fails once, and says what it was', async () => {
    const parts = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`${at}.txt`, 'x']));
    const bomb = zeros(MiB);
    await refused(
      'bomb.zip',
      makeZip({ a: bomb, b: bomb, c: bomb, d: bomb, e: bomb }),
      'INGEST_INFLATED_TOO_LARGE',
    );
    await refused('bomb.docx', rawDocx(' '.repeat(5 * MiB)), 'INGEST_INFLATED_TOO_LARGE');
    await refused('bomb.xlsx', rawXlsx(' '.repeat(5 * MiB)), 'INGEST_INFLATED_TOO_LARGE');
    await refused('parts.zip', makeZip(parts), 'INGEST_TOO_MANY_ENTRIES');
    await refused('nested.zip', nestedZip(9, { 'a.txt': 'deep' }), 'INGEST_TOO_DEEP');
    await refused('deep.json', `${'['.repeat(1000)}${']'.repeat(1000)}`, 'INGEST_TOO_DEEP');
    await refused('long.txt', 'word '.repeat(500_000), 'INGEST_TEXT_TOO_LARGE');
    await refused('pages.pdf', await makePdf(Array.from({ length: 21 }, () => 'x')), 'INGEST_TOO_MANY_PAGES');
  });

  test('names and references in archives lead nowhere', async () => {
    const climbing = await api.ingest(
      'climbing.zip',
      makeZip({ '../../../tmp/evil.txt': 'a climbing ibex' }),
    );
    const [hit] = await api.find('ibex', { filter: { documents: [climbing.id] } });
    expect(hit?.file).toEqual(['tmp/evil.txt']);
    const relations = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="${stack.url}/v1/documents" TargetMode="External"/></Relationships>`;
    const picture =
      '<w:p><w:r><w:t>beside a picture</w:t><w:drawing><wp:inline><a:graphic><a:graphicData><pic:pic><pic:blipFill><a:blip r:link="rId9"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>';
    let asked = 0;
    stack.api.server.on('request', () => {
      asked += 1;
    });
    const { body } = await api.add(
      'outside.docx',
      rawDocx(picture, { 'word/_rels/document.xml.rels': strToU8(relations) }),
    );
    const own = asked;
    await stack.startWorker(); // for another one it is the same
    const document = await api.settled(body.documents[0].documentId);
    expect(own).toBe(1);
    expect(document.latest.status).toBe('ready');
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
    await refused('locked.pdf', encryptedPdf(), 'INGEST_ENCRYPTED');
    await refused('locked.zip', encryptedZip(), 'INGEST_ENCRYPTED');
  });

  test('a name with a path in it is shown, and is never a path', async () => {
    const document = await api.ingest('../../etc/passwd\0.txt', 'nothing to see');
    expect(document.name).not.toContain('\0');
    expect(document.latest.status).toBe('ready');
  });

  test('a document larger than allowed is refused and leaves nothing', async () => {
    const answer = await api.add('large.bin', Buffer.alloc(3_000_001));
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
      'POST /v1/documents HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=b\r\n';
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
      'POST /v1/documents?name=half.txt HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\nonly a part',
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
    const { port, ...server } = await startSite();
    close.push(server.close);
    site = `http://site.example:${port}`;
    names.set('site.example', ['127.0.0.1']);
    names.set('inside.example', ['10.1.2.3']);
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

  test('that leads inside, or nowhere, is answered with a code', async () => {
    const inside = await from('http://inside.example/');
    expect(inside).toMatchObject({ status: 422, body: { code: 'API_URL_REFUSED' } });
    const missing = await from(`${site}/missing`);
    expect(missing).toMatchObject({ status: 502, body: { code: 'API_URL_FAILED' } });
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
    await expect.poll(() => stack.storage.sweep(new Date(Date.now() + 60_000))).toBe(0);
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
