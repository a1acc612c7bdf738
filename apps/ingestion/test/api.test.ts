import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createApiKey, saveTenant } from '../src/store/tenants.ts';
import { requests } from './requests.ts';
import { openStack, type TestStack } from './stack.ts';

let stack: TestStack;
let api: ReturnType<typeof requests>;

beforeAll(async () => {
  stack = await openStack({ api: { allowedHosts: ['box.lan'] } });
  api = requests(stack.url);
});
afterAll(() => stack?.[Symbol.asyncDispose]());

const form = (...files: [name: string, content: string][]) => {
  const body = new FormData();
  for (const [name, content] of files) body.append('files', new Blob([content]), name);
  return body;
};

const withField = (name: string, value: string) => {
  const body = new FormData();
  body.append(name, value);
  body.append('files', new Blob(['x']), 'x.txt');
  return api.call('/v1/documents', { method: 'POST', body });
};

describe('a document', () => {
  test('sent as the body is found a moment later, with its place and what matched', async () => {
    const document = await api.ingest(
      'penguins.md',
      '# Birds\n\nThe emperor penguin breeds in the Antarctic winter.\n',
    );
    expect(document.latest).toMatchObject({
      status: 'ready',
      format: 'markdown',
      chunks: 1,
      model: 'hashing-v1',
      dimensions: 64,
    });
    const [hit] = await api.find('penguins in winter', { filter: { documents: [document.id] } });
    expect(hit).toMatchObject({ documentId: document.id, name: 'penguins.md', vectorRank: 1, textRank: 1 });
    expect(hit?.headings).toEqual(['Birds']);
    const words = hit?.highlights.map(([start, end]) => hit.text.slice(start, end));
    expect(words).toEqual(['penguin', 'winter']);
    const text = await api.call(`/v1/documents/${document.id}/text?start=${hit?.start}&end=${hit?.end}`);
    expect(text.body.text).toBe(hit?.text);
  });

  test('comes several at once as multipart, each with its own outcome', async () => {
    const { status, body } = await api.call('/v1/documents', {
      method: 'POST',
      body: form(['one.txt', 'first of two'], ['two.txt', 'second of two'], ['again.txt', 'first of two']),
    });
    expect(status).toBe(202);
    expect(body.documents.map((entry: { outcome: string }) => entry.outcome).toSorted()).toEqual([
      'created',
      'created',
      'duplicate',
    ]);
    for (const { documentId } of body.documents)
      expect((await api.settled(documentId)).latest.status).toBe('ready');
  });

  test('has the name it was sent with, or is refused: one that was cut would be another', async () => {
    const longest = `${'folder/'.repeat(142)}longest.txt`.slice(0, 1000);
    expect(longest).toHaveLength(1000);
    const name = await api.ingest(longest, 'a long name').then((document) => document.name);
    expect(name).toBe(longest);
    const too = `${longest}x`;
    const code = { status: 400, body: { code: 'API_INVALID' } };
    expect(await api.add(too, 'a longer name')).toMatchObject(code);
    const parts = await api.call('/v1/documents', {
      method: 'POST',
      body: form(['x'.repeat(1001), 'a longer name'], ['short.txt', 'a short name']),
    });
    expect(parts).toMatchObject({
      status: 202,
      body: { documents: [{ problem: { code: 'API_INVALID' } }, {}] },
    });
    expect(parts.body.documents[1].outcome).toBe('created');
    for (const label of ['filename', 'name', 'key']) {
      const headers = {
        'upload-length': '1',
        'upload-metadata': `${label} ${Buffer.from(too).toString('base64')}`,
      };
      expect(await api.call('/v1/uploads', { method: 'POST', headers })).toMatchObject(code);
    }
  });

  test('with the same content is processed once, however many send it at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => api.add(`copy ${index}.txt`, 'the very same words')),
    );
    const entries = answers.map(({ body }) => body.documents[0]);
    expect(new Set(entries.map(({ documentId }) => documentId)).size).toBe(1);
    expect(entries.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
  });

  test('gets a new version under its key, and search never sees two of them', async () => {
    const first = await api.ingest('notes.txt', 'zebras live here', { key: 'notes' });
    const second = await api.ingest('notes.txt', 'giraffes live here', { key: 'notes' });
    expect(second.id).toBe(first.id);
    expect(second.latest.number).toBe(2);
    const hits = await api.find('zebras giraffes', { filter: { documents: [first.id] }, mode: 'text' });
    expect(hits.map(({ text }) => text)).toEqual(['giraffes live here']);
    const { body } = await api.call(`/v1/documents/${first.id}`);
    expect(body.versions.map(({ status }: { status: string }) => status)).toEqual(['ready', 'superseded']);
    const back = await api.call(`/v1/documents/${first.id}/reprocess?version=${body.versions[1].id}`, {
      method: 'POST',
    });
    expect(back.status).toBe(202);
    await api.settled(first.id);
    const restored = await api.find('zebras giraffes', { filter: { documents: [first.id] }, mode: 'text' });
    expect(restored.map(({ text }) => text)).toEqual(['zebras live here']);
  });

  test('is gone from search when deleted, and back when restored', async () => {
    const document = await api.ingest('gone.txt', 'an ephemeral okapi');
    const filter = { documents: [document.id] };
    expect((await api.call(`/v1/documents/${document.id}`, { method: 'DELETE' })).status).toBe(204);
    expect(await api.find('okapi', { filter })).toEqual([]);
    expect((await api.call(`/v1/documents/${document.id}`, { method: 'DELETE' })).status).toBe(404);
    expect((await api.call(`/v1/documents/${document.id}/restore`, { method: 'POST' })).status).toBe(200);
    expect(await api.find('okapi', { filter })).toHaveLength(1);
  });

  test('is not restored over another that has its key, and without the time at which it expired', async () => {
    const first = await api.ingest('first.txt', 'the first', {
      key: 'taken',
      expires: '2020-01-01T00:00:00Z',
    });
    const restore = () => api.call(`/v1/documents/${first.id}/restore`, { method: 'POST' });
    await api.call(`/v1/documents/${first.id}`, { method: 'DELETE' });
    const second = await api.ingest('second.txt', 'the second', { key: 'taken' });
    expect(await restore()).toMatchObject({ status: 409, body: { code: 'API_CONFLICT' } });
    await api.call(`/v1/documents/${second.id}`, { method: 'DELETE' });
    expect(await restore()).toMatchObject({ status: 200, body: { id: first.id, expiresAt: null } });
  });

  test('that failed is tried again when it is sent again', async () => {
    const failed = await api.ingest('lost.txt', 'lost and sent again');
    await stack.client.query(
      `UPDATE version SET status = 'failed', error_code = 'STORAGE_NOT_FOUND' WHERE id = $1`,
      [failed.latest.id],
    );
    const again = await api.ingest('lost.txt', 'lost and sent again');
    expect(again).toMatchObject({ id: failed.id, latest: { status: 'ready', error: null } });
  });

  test('is found by any of its words, in quotes only together, and not by an excluded one', async () => {
    await api.ingest('gnu.txt', 'the quick gnu and the wildebeest');
    await api.ingest('gnat.txt', 'the quick gnat near the wildebeest');
    const names = async (query: string) =>
      (await api.find(query, { mode: 'text' })).map(({ name }) => name).toSorted();
    expect(await names('gnu gnat')).toEqual(['gnat.txt', 'gnu.txt']);
    expect(await names('wildebeest -gnat')).toEqual(['gnu.txt']);
    expect(await names('"quick gnat"')).toEqual(['gnat.txt']);
    expect(await names('-gnat')).toEqual([]);
    expect(await names('wildebeest --gnat')).toEqual(['gnat.txt', 'gnu.txt']);
    expect(await names('gnu - gnat')).toEqual(['gnat.txt', 'gnu.txt']);
  });

  test('is filtered by its metadata and its time', async () => {
    const document = await api.ingest('meta.txt', 'quokkas smile', {
      metadata: JSON.stringify({ team: 'red', tags: ['a'] }),
    });
    for (const beyond of [
      { long: 'x'.repeat(5000) },
      { list: Array(300).fill(1) },
      { ['k'.repeat(300)]: 1 },
    ]) {
      const refused = await api.add('meta.txt', 'more', { metadata: JSON.stringify(beyond) });
      expect(refused).toMatchObject({ status: 400, body: { code: 'API_INVALID' } });
    }
    const match = (filter: object) =>
      api.find('quokkas', { filter }).then((hits) => hits.map(({ documentId }) => documentId));
    expect(await match({ metadata: { team: 'red' } })).toEqual([document.id]);
    expect(await match({ metadata: { team: 'blue' } })).toEqual([]);
    expect(await match({ createdBefore: '2020-01-01T00:00:00Z' })).toEqual([]);
    expect(await match({ createdAfter: '2020-01-01T00:00:00Z', metadata: { tags: ['a'] } })).toEqual([
      document.id,
    ]);
  });

  test('comes back byte by byte, and never as a page', async () => {
    const document = await api.ingest('page.html', '<h1>hi</h1><script>alert(1)</script>');
    const { body, headers } = await api.call(`/v1/documents/${document.id}/content`);
    expect(body).toBe('<h1>hi</h1><script>alert(1)</script>');
    expect(headers.get('content-type')).toBe('application/octet-stream');
    expect(headers.get('content-disposition')).toMatch(/^attachment/);
  });
});

describe('a request', () => {
  test('with an Idempotency-Key may be repeated, but not for something else', async () => {
    const headers = { 'idempotency-key': 'once' };
    const first = await api.add('idem.txt', 'exactly once', {}, headers);
    const second = await api.add('idem.txt', 'exactly once', {}, headers);
    expect(second.body.documents[0]).toMatchObject({
      documentId: first.body.documents[0].documentId,
      outcome: 'replayed',
    });
    const other = await api.add('idem.txt', 'something else', {}, headers);
    expect(other).toMatchObject({ status: 422, body: { code: 'API_IDEMPOTENCY_MISMATCH' } });
    expect(other.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  test('sent many times at once is one document, whether with the same Idempotency-Key or with others', async () => {
    const send = (content: string, key: (index: number) => string) =>
      Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          api.add('at once.txt', content, {}, { 'idempotency-key': key(index) }),
        ),
      );
    for (const answers of [
      await send('all with one key', () => 'the same'),
      await send('each with its own key', (index) => `own ${index}`),
    ]) {
      const entries = answers.map(({ body }) => body.documents[0]);
      expect(new Set(entries.map(({ documentId }) => documentId)).size).toBe(1);
      expect(entries.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
    }
  });

  test('with a wrong key is refused, and shuts nobody else out', async () => {
    const wrong = (authorization: string) => api.call('/v1/documents', { headers: { authorization } });
    for (const header of ['Bearer', 'Bearer sy_wrong', 'Basic eDp5', 'sy_wrong']) {
      expect((await wrong(header)).body.code).toBe('API_UNAUTHENTICATED');
      expect((await api.call('/v1/documents')).status).toBe(200);
    }
  });

  test('that is wrong is answered with a code and what to do', async () => {
    const cases: [Promise<{ status: number; body: object }>, number, string][] = [
      [api.call('/v1/documents/00000000-0000-4000-8000-000000000000'), 404, 'API_NOT_FOUND'],
      [api.call('/v1/documents/nonsense'), 400, 'API_INVALID'],
      [api.call('/v1/documents?cursor=nonsense'), 400, 'API_INVALID'],
      [api.call('/nowhere'), 404, 'API_NOT_FOUND'],
      [api.add('x.txt', 'x', { metadata: '[1]' }), 400, 'API_INVALID'],
      [api.add('x.txt', 'x', { expires: '2030-12-31T23:59:60Z' }), 400, 'API_INVALID'],
      [withField('priority', 'high'), 400, 'API_INVALID'],
      [withField('expires', 'tomorrow'), 400, 'API_INVALID'],
      [withField('key', 'k'.repeat(2000)), 400, 'API_INVALID'],
      [api.add('x.txt', 'x', { metadata: '{' }), 400, 'API_INVALID'],
    ];
    for (const [answer, status, code] of cases) {
      expect(await answer).toMatchObject({ status, body: { status, code, hint: expect.any(String) } });
    }
  });

  test('for words that are nowhere gives an answer without hits', async () => {
    expect(await api.find('xylophonist', { mode: 'text' })).toEqual([]);
    expect(await api.find('&|!():*<-> "', { mode: 'text' })).toEqual([]);
  });
});

describe('a tenant', () => {
  test('sees only its own documents, and only with a key', async () => {
    await saveTenant(stack.client, 'acme');
    const key = await createApiKey(stack.client, 'acme', 'test');
    const acme = requests(stack.url, key);
    const mine = await acme.ingest('secret.txt', 'platypus blueprint');
    expect(await acme.find('platypus')).toHaveLength(1);
    expect((await api.find('platypus', { mode: 'text' })).map(({ documentId }) => documentId)).not.toContain(
      mine.id,
    );
    expect((await api.call(`/v1/documents/${mine.id}`)).status).toBe(404);
    expect((await api.call(`/v1/documents/${mine.id}`, { method: 'DELETE' })).status).toBe(404);
    expect((await requests(stack.url, 'sy_wrong').call('/v1/documents')).status).toBe(401);
    const rows = await stack.client.query<{ hash: Buffer }>('SELECT hash FROM api_key');
    expect(rows.some(({ hash }) => hash.toString('utf8').includes(key))).toBe(false);
  });

  test('is held to its quota of documents, bytes and requests', async () => {
    await saveTenant(stack.client, 'small', { max_documents: 1, max_bytes: 20, max_requests: 8 });
    const small = requests(stack.url, await createApiKey(stack.client, 'small', 'test'));
    expect(await small.add('big.txt', 'x'.repeat(21))).toMatchObject({
      status: 507,
      body: { code: 'API_QUOTA_EXCEEDED' },
    });
    expect((await small.add('a.txt', 'fits')).status).toBe(202);
    expect((await small.add('b.txt', 'fits too')).status).toBe(507);
    const statuses: number[] = [];
    for (let index = 0; index < 8; index += 1) statuses.push((await small.call('/v1/documents')).status);
    expect(statuses).toContain(429);
  });

  test('gets what it may ask for a minute, also while it asks for more', async () => {
    await saveTenant(stack.client, 'eager', { max_requests: 60 });
    const authorization = `Bearer ${await createApiKey(stack.client, 'eager', 'test')}`;
    const ask = async () =>
      (await stack.api.inject({ url: '/v1/documents', headers: { authorization } })).statusCode;
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    for (let index = 0; index < 60; index += 1) expect(await ask()).toBe(200);
    const statuses: number[] = [];
    for (let index = 0; index < 16; index += 1) {
      vi.setSystemTime(Date.now() + 125);
      statuses.push(await ask());
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
  });

  test('without a key is not spoken for by pages of other sites', async () => {
    const from = async (site: string, headers = {}) =>
      (await stack.api.inject({ url: '/v1/documents', headers: { 'sec-fetch-site': site, ...headers } }))
        .statusCode;
    const authorization = `Bearer ${await createApiKey(stack.client, 'default', 'test')}`;
    expect(await from('cross-site')).toBe(403);
    expect(await from('same-site')).toBe(403);
    expect(await from('cross-site', { authorization })).toBe(200);
    expect(await from('same-origin')).toBe(200);
    expect(await from('none')).toBe(200);
  });

  test('without a key is spoken for by no name that somebody had lead here', async () => {
    const by = async (host: string, more = {}) =>
      (await stack.api.inject({ url: '/v1/documents', headers: { host, ...more } })).json().code;
    const authorization = `Bearer ${await createApiKey(stack.client, 'default', 'test')}`;
    expect(await by('evil.example')).toBe('API_HOST_REFUSED');
    expect(await by('evil.example', { authorization })).toBeUndefined();
    expect(await by('box.lan')).toBeUndefined();
    expect(await by('box.lan', { origin: 'http://evil.example' })).toBe('API_FORBIDDEN');
  });
});

test('progress is told as server-sent events, from queued to ready', async () => {
  const aborter = new AbortController();
  const response = await fetch(`${stack.url}/v1/events`, { signal: aborter.signal });
  const statuses: string[] = [];
  const reading = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body as AsyncIterable<Uint8Array>) {
      text += decoder.decode(bytes, { stream: true });
      for (const [, data] of text.matchAll(/event: version\ndata: (.*)\n\n/g)) {
        const event = JSON.parse(data as string);
        if (event.name === 'watched.txt') statuses.push(event.status);
      }
      if (statuses.includes('ready')) return;
      statuses.length = 0;
    }
  })();
  await api.ingest('watched.txt', 'somebody looks at this');
  await reading;
  aborter.abort();
  expect([...new Set(statuses)].toSorted()).toEqual(['queued', 'ready']);
});

test('who lost the connection gets the events that were missed, or is told to ask for everything', async () => {
  const watch = async (lastId: string) => {
    const aborter = new AbortController();
    const headers = { 'last-event-id': lastId };
    const response = await fetch(`${stack.url}/v1/events`, { headers, signal: aborter.signal });
    const reader = (response.body as ReadableStream<Uint8Array>)
      .pipeThrough(new TextDecoderStream())
      .getReader();
    const { value = '' } = await reader.read();
    aborter.abort();
    return value;
  };
  const first = await watch('');
  expect(first).toContain('event: reload');
  const lastId = /^id: (.*)$/m.exec(first)?.[1] as string;
  const document = await api.ingest('missed.txt', 'nobody was looking');
  const missed = await watch(lastId);
  expect(missed).not.toContain('event: reload');
  const events = [...missed.matchAll(/^id: (.*)\nevent: version\ndata: (.*)$/gm)];
  expect(events.map(([, , data]) => JSON.parse(data as string))).toEqual([
    expect.objectContaining({ document: document.id, status: 'queued' }),
    expect.objectContaining({ document: document.id, status: 'ready', chunks: 1 }),
  ]);
  expect(await watch(events.at(-1)?.[1] as string)).toBe(': \n\n');
  for (const unknown of ['x', `${lastId}0`, '00000000-0000-4000-8000-000000000000.1'])
    expect(await watch(unknown)).toContain('event: reload');
});

test('the OpenAPI description is the committed one', async () => {
  const { body } = await api.call('/openapi.json');
  expect(Object.keys(body.paths)).toContain('/v1/documents/{id}/text');
  // `./pnpmw vitest run --project ingestion api.test -u` writes it anew.
  await expect(`${JSON.stringify(body, null, 2)}\n`).toMatchFileSnapshot('../openapi.gen.json');
});

test('nothing unforeseen happened', () => {
  expect(stack.errors).toEqual([]);
});
