import { randomUUID } from 'node:crypto';
import { type Client, createClient } from '@stackyard/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binaryCopy } from '../src/store/binary-copy.ts';
import { chunkColumns, writeChunks } from '../src/store/chunk-rows.ts';
import { asService } from '../src/store/database.ts';
import { ensureModel, partitionOf, type StoredModel } from '../src/store/models.ts';
import { readHits, type SearchRequest, search } from '../src/store/search.ts';
import { wordsOf } from '../src/store/search-words.ts';
import { saveTenant } from '../src/store/tenants.ts';
import { openDatabase } from './stack.ts';

const stack = new AsyncDisposableStack();
let client: Client;
let model: StoredModel;
const ids = new Map<string, string>();

beforeAll(async () => {
  const database = stack.use(await openDatabase());
  // One connection, so that whatever a search left behind would meet the next one.
  client = stack.use(createClient({ url: database.url, connections: 1 }));
  model = await ensureModel(client, { model: 'test', dimensions: 2 });
  await add('ours', 'apples', ['Apples and pears grow in our orchard.', 'The harvest is in autumn.']);
  await add('theirs', 'secret', ['The secret formula needs apples and mercury.', 'Nobody may know autumn.']);
  await add('crowded', 'crowd', [
    ...Array.from({ length: 1500 }, (_, index) => `common words about number${index}`),
    'common words about a zebra and a walrus',
    'the common walrus',
    ...Array.from({ length: 30 }, (_, index) => `walrus ${index}`),
  ]);
  const filler = Array.from({ length: 300 }, (_, index) => `filler${index}`).join(' ');
  await add('repeating', 'repetition', [
    'update '.repeat(20),
    'database '.repeat(20),
    'update database',
    'install',
    `How to install and update the database. ${filler}`,
  ]);
});
afterAll(() => stack.disposeAsync());

/** A ready document of one tenant, with these chunks. */
async function add(tenantId: string, name: string, texts: readonly string[]): Promise<void> {
  const [documentId, versionId] = [randomUUID(), randomUUID()];
  ids.set(name, documentId);
  await saveTenant(client, tenantId);
  await asService(client, async (tx) => {
    await tx.query(`INSERT INTO object VALUES ($1, sha256(''), 0)`, [tenantId]);
    await tx.query(
      `INSERT INTO document (id, tenant_id, name, metadata, hash, latest_version, current_version)
       VALUES ($1, $2, $3, '{"kind": "note"}', sha256(''), $4, $4)`,
      [documentId, tenantId, name, versionId],
    );
    await tx.query(
      `INSERT INTO version (id, tenant_id, document_id, number, hash, bytes, name, status, chunks)
       VALUES ($1, $2, $3, 1, sha256(''), 0, $4, 'ready', $5)`,
      [versionId, tenantId, documentId, name, texts.length],
    );
  });
  const chunks = texts.map((text, index) => ({
    id: randomUUID(),
    index,
    kind: 'prose' as const,
    start: 0,
    end: text.length,
    text,
    tokens: 9,
  }));
  const owner = { tenantId, documentId, versionId };
  await client.connection((connection) =>
    binaryCopy(connection, partitionOf(model.id), chunkColumns, (rows) =>
      writeChunks(
        rows,
        model.id,
        owner,
        chunks,
        chunks.map(() => Float32Array.of(1, 0)),
      ),
    ),
  );
}

async function ask(tenantId: string, text: string, more: Partial<SearchRequest> = {}, of = model) {
  const request: SearchRequest = { text, vector: undefined, mode: 'text', limit: 10, filter: {}, ...more };
  return (await search(client, tenantId, of, request)).map((hit) => hit.text);
}

describe.each(['before', 'after'])('%s the statistics are there', (when) => {
  beforeAll(async () => {
    if (when === 'after') await client.query(`ANALYZE ${partitionOf(model.id)}`);
  });

  test.each([
    'secret',
    'secret formula mercury',
    '"secret formula"',
    'apples or secret',
    '-apples',
    'autumn -harvest',
    `x' | 'secret`,
    `') OR tenant_id = 'theirs' --`,
    `secret:* & !nothing`,
    '\\ : <-> | & ! ( )',
  ])('nothing of another tenant comes out for %s', async (text) => {
    const vector = Float32Array.of(1, 0);
    for (const mode of ['hybrid', 'vector', 'text'] as const) {
      for (const indexed of [true, false]) {
        const theirs = [ids.get('secret') as string];
        for (const filter of [{}, { documents: theirs }, { metadata: { kind: 'note' } }]) {
          const found = await ask('ours', text, { mode, vector, filter }, { ...model, indexed });
          expect(found.filter((hit) => !/our orchard|The harvest/.test(hit))).toEqual([]);
          if ('documents' in filter) expect(found).toEqual([]);
        }
      }
    }
  });

  test('each tenant finds its own', async () => {
    expect(await ask('theirs', 'secret autumn')).toHaveLength(2);
    expect(await ask('ours', 'apples')).toEqual(['Apples and pears grow in our orchard.']);
    expect(await ask('ours', 'autumn -harvest')).toEqual([]);
    expect(await ask('nobody', 'apples')).toEqual([]);
  });

  test('a rare word weighs more than a common one, and both more than either', async () => {
    const found = await ask('crowded', 'common walrus zebra', { limit: 5 });
    expect(found.slice(0, 2)).toEqual(['common words about a zebra and a walrus', 'the common walrus']);
    expect(found[2]).toMatch(/^walrus/);
    expect(await ask('crowded', 'common')).toHaveLength(10);
    expect(await ask('crowded', 'common -words')).toEqual(['the common walrus']);
  });
});

test.each(['install update database', 'database update or install'])(
  'a passage with all words of %s comes first, be it long and the others short or full of one of them',
  async (question) => {
    const found = await ask('repeating', question);
    expect(found[0]).toMatch(/^How to install/);
    expect(found).toHaveLength(5);
    expect((await ask('repeating', 'update database'))[0]).toBe('update database');
  },
);

test('a list of passages of another tenant is read as an empty one', async () => {
  const found = await client.query<{ version_id: string; ordinal: number }>(
    `SELECT version_id, ordinal FROM chunk WHERE tenant_id = 'theirs'`,
  );
  const candidates = found.map((each) => ({ ...each, score: 1, vector_rank: 1, text_rank: 1 }));
  const read = (tenantId: string) =>
    asService(client, async (tx) => {
      const words = await wordsOf(tx, tenantId, model, 'secret');
      const hits = await readHits(tx, tenantId, model, candidates, words);
      const [{ user } = { user: '' }] = await tx.query<{ user: string }>('SELECT current_user AS user');
      return [hits.length, user];
    });
  expect(candidates).toHaveLength(2);
  expect(await read('theirs')).toEqual([2, 'ingestion_tenant']);
  expect(await read('ours')).toEqual([0, 'ingestion_tenant']);
});

test('a connection is nobody in particular after a search, and after one that failed', async () => {
  const who = () =>
    client.one(`SELECT current_user AS user, coalesce(current_setting('app.tenant', true), '') AS tenant`);
  const before = await who();
  await ask('theirs', 'secret');
  expect(await who()).toEqual(before);
  const wrong = { mode: 'vector', vector: Float32Array.of(1, 0, 0) } as const;
  await expect(ask('theirs', 'secret', wrong)).rejects.toThrow(/dimensions/);
  expect(await who()).toEqual(before);
});

test('rows go into the embedded engine by COPY', async () => {
  await client.query('CREATE TABLE loaded (n int, by text DEFAULT current_query())');
  expect(await client.copyInto('loaded', ['n'], [[1], [2]])).toBe(2);
  expect(await client.query(`SELECT n, split_part(by, ' ', 1) AS by FROM loaded ORDER BY n`)).toEqual([
    { n: 1, by: 'COPY' },
    { n: 2, by: 'COPY' },
  ]);
});
