import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKey, saveTenant } from '../src/store/tenants.ts';
import { makeXlsx, makeZip } from './documents.ts';
import { requests } from './requests.ts';
import { openStack, type TestStack } from './stack.ts';

type Api = ReturnType<typeof requests>;

let stack: TestStack;
let ours: Api;
let theirs: Api;
/** What only the other tenant may see: each begins with this. */
const secret = 'quagga';
const theirIds: string[] = [];
let ourIds: string[];

beforeAll(async () => {
  stack = await openStack();
  const as = async (tenant: string) => {
    await saveTenant(stack.client, tenant);
    return requests(stack.url, await createApiKey(stack.client, tenant, 'test'));
  };
  ours = await as('ours');
  theirs = await as('theirs');
  ourIds = await fill(ours, 'meadow');
}, 120_000);
afterAll(() => stack?.[Symbol.asyncDispose]());

/** Documents of several kinds, with the word in every place that an answer may show. */
async function fill(api: Api, word: string): Promise<string[]> {
  const documents = [
    await api.ingest(
      `${word}.md`,
      `# ${word} title\n\n## ${word} part\n\nThe ${word} walrus meets a zebra.`,
      {
        metadata: JSON.stringify({ kind: 'note', [`${word}Key`]: `${word} value` }),
        key: 'shared key',
      },
    ),
    await api.ingest(
      `${word}.zip`,
      makeZip({ [`${word}/inner.txt`]: `a ${word} zebra inside`, 'b.txt': 'walrus' }),
    ),
    await api.ingest(`${word}.xlsx`, await makeXlsx(), { metadata: '{"kind":"table"}' }),
    await api.ingest('same.txt', 'The very same walrus and zebra.', { metadata: '{"kind":"note"}' }),
    await api.ingest(`${word}.pdf`, `%PDF-1.4 ${word} is no PDF`),
  ];
  return documents.map(({ id }) => id);
}

/** The same numbers each time. */
function random(seed: number) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return {
    below: (limit: number) => Math.floor(next() * limit),
    of: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T,
  };
}

const words = [
  'walrus',
  'zebra',
  'meadow',
  secret,
  'title',
  'value',
  'Person',
  'the',
  'very',
  'inside',
  'xyz',
];
const joints = [' ', ' ', ' or ', ' -', ' "', '" ', ' & ', ' | ', ":* '", ' <-> ', ') (', " \\' OR '1'='1"];

function questions(count: number): object[] {
  const { below, of } = random(7);
  const filters = [
    () => ({}),
    () => ({ documents: [of([...ourIds, ...theirIds]), of([...ourIds, ...theirIds])] }),
    () => ({ metadata: { kind: of(['note', 'table', 'none']) } }),
    () => ({ metadata: { [`${of(['meadow', secret])}Key`]: `${of(['meadow', secret])} value` } }),
    () => ({ createdAfter: of(['2000-01-01T00:00:00Z', '2100-01-01T00:00:00Z']) }),
    () => ({ createdBefore: '2100-01-01T00:00:00Z', metadata: { kind: 'note' } }),
  ];
  return Array.from({ length: count }, () => {
    let query = of(words);
    for (let more = below(5); more > 0; more -= 1) query += of(joints) + of(words);
    return { query, mode: of(['hybrid', 'vector', 'text']), limit: of([1, 3, 100]), filter: of(filters)() };
  });
}

const answersTo = (asked: readonly object[]) =>
  Promise.all(
    asked.map(async (question) => {
      const { status, body } = await ours.post('/v1/search', question);
      return { question, status, hits: body.hits };
    }),
  );

describe('what one tenant asks', () => {
  test('is answered as if there were no other: in text, places, marks, metadata, number, order and score', async () => {
    const asked = questions(60);
    const alone = await answersTo(asked);
    expect(alone.filter(({ status }) => status !== 200)).toEqual([]);
    expect(alone.filter(({ hits }) => hits.length > 0).length).toBeGreaterThan(20);
    theirIds.push(...(await fill(theirs, secret)));
    expect(await theirs.find(secret)).not.toEqual([]);
    expect(await answersTo(asked)).toEqual(alone);
  });

  test('shows nothing of another, also once the database knows how often whose words come', async () => {
    await stack.client.query('ANALYZE');
    const shown = await answersTo(questions(60));
    const foreign = shown.filter(({ status, hits }) => {
      const text = JSON.stringify(hits);
      return status !== 200 || text.includes(secret) || theirIds.some((id) => text.includes(id));
    });
    expect(foreign).toEqual([]);
    const own = shown.flatMap(({ hits }) => hits.map((hit: { documentId: string }) => hit.documentId));
    expect(own.filter((id: string) => !ourIds.includes(id))).toEqual([]);
  });
});

test('no route gives one tenant a document, a number or an event of another', async () => {
  const watching = new AbortController();
  const events = await fetch(`${stack.url}/v1/events`, {
    headers: { authorization: `Bearer ${await createApiKey(stack.client, 'ours', 'events')}` },
    signal: watching.signal,
  });
  const before = await ours.call('/v1/documents?limit=500');
  for (const id of theirIds) {
    const routes = [
      ['GET', ''],
      ['GET', '/text'],
      ['GET', '/content'],
      ['DELETE', ''],
      ['POST', '/restore'],
      ['POST', '/reprocess'],
    ];
    for (const [method, path] of routes) {
      const { status, body } = await ours.call(`/v1/documents/${id}${path}`, { method: method as string });
      expect([path, status, body.code]).toEqual([path, 404, 'API_NOT_FOUND']);
      expect(JSON.stringify(body)).not.toContain(secret);
    }
    const update = await ours.call(`/v1/documents/${id}/content?name=x`, {
      method: 'PUT',
      body: 'taken over',
      headers: { 'content-type': 'text/plain' },
    });
    expect(update).toMatchObject({ status: 404, body: { code: 'API_NOT_FOUND' } });
  }
  const { deadLetters } = (await theirs.call('/v1/dead-letters')).body;
  expect(deadLetters).toHaveLength(1);
  expect(JSON.stringify((await ours.call('/v1/dead-letters')).body)).not.toContain(secret);
  const ids = deadLetters.map((letter: { id: string }) => letter.id);
  expect((await ours.post('/v1/dead-letters/redrive', { ids })).body).toEqual({ redriven: 0 });
  expect((await ours.call('/v1/work')).body.code).toBe('API_FORBIDDEN');
  // What is refused leaves no trace, and the numbers are the tenant's own.
  expect((await ours.call('/v1/documents?limit=500')).body).toEqual(before.body);
  expect(before.body.counts).toEqual({ ready: 4, failed: 1 });
  for (const id of theirIds) await theirs.call(`/v1/documents/${id}/reprocess`, { method: 'POST' });
  for (const id of theirIds) await theirs.settled(id);
  await ours.ingest('last.txt', 'an event of our own');
  let told = '';
  for await (const text of events.body!.pipeThrough(new TextDecoderStream())) {
    told += text;
    if (/last\.txt.*"status": ?"ready"/.test(told)) break;
  }
  watching.abort();
  expect(told).not.toContain(secret);
  expect(theirIds.filter((id) => told.includes(id))).toEqual([]);
});
