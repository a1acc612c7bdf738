import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { strToU8, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createHashingEmbedder,
  createOpenAiEmbedder,
  type Embedder,
  openExtractor,
  type PipelineErrorCode,
} from '../src/pipeline/index.ts';
import { dueJobs } from '../src/store/jobs.ts';
import {
  activePdf,
  encryptedPdf,
  encryptedZip,
  makePdf,
  makeZip,
  nestedZip,
  overlappingZip,
  rawDocx,
  rawPdf,
  rawXlsx,
  selfDrawingPdf,
  zeros,
} from './documents.ts';
import { startEmbeddingService, vectors } from './embedding-service.ts';
import { MiB } from './hostile.ts';
import { requests } from './requests.ts';
import { openStack, type TestStack } from './stack.ts';

// A busy machine may take its time; what must not take time has a limit of its own.
vi.setConfig({ testTimeout: 60_000 });

const own = new AsyncDisposableStack();
let stack: TestStack;
let api: ReturnType<typeof requests>;
let service: Awaited<ReturnType<typeof startEmbeddingService>>;
let outside: { readonly url: string; readonly asked: number };

beforeAll(async () => {
  service = own.use(await startEmbeddingService(vectors([])));
  outside = await startOutside();
  // Limits that small documents reach. A reader that takes more memory than this ends with a code that no row expects.
  const limits = { inflatedBytes: 4 * MiB, textLength: 4_000_000, pages: 20, entries: 100 };
  const reader = own.use(openExtractor({ processes: 1, limits: { ...limits, memoryBytes: 400 * MiB } }));
  const quick = own.use(openExtractor({ processes: 1, limits: { timeMs: 300 } }));
  const small = own.use(openExtractor({ processes: 1, limits: { memoryBytes: 160 * MiB } }));
  stack = own.use(
    await openStack({
      embedder: poisoned(),
      worker: {
        extractor: {
          ...reader,
          process: (input, settings) => {
            const own = { 'slow.docx': quick, 'heavy.json': small }[input.name] ?? reader;
            return own.process(input, settings);
          },
        },
      },
    }),
  );
  api = requests(stack.url);
}, 120_000);
afterAll(() => own.disposeAsync());

/** Asks the service for the vectors of what speaks of poison, and is an ordinary embedder otherwise. */
function poisoned(): Embedder {
  const hashing = createHashingEmbedder({ dimensions: 64 });
  const remote = createOpenAiEmbedder({ baseUrl: service.baseUrl, model: 'hashing-v1', dimensions: 64 });
  return {
    ...hashing,
    embed: (texts, options) =>
      (texts.some((text) => text.includes('poison')) ? remote : hashing).embed(texts, options),
  };
}

/** A server that nothing has a reason to ask. */
async function startOutside() {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.end('SECRET');
  }).listen(0, '127.0.0.1');
  own.defer(() => void server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
  return {
    url,
    get asked() {
      return asked;
    },
  };
}

const { rss } = process.memoryUsage;

/** API and worker, which are this process, may grow by so much over a document, whatever it inflates to. */
const ROOM = 200 * MiB;

function every(ms: number, run: () => void): Disposable {
  const timer = setInterval(run, ms);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

let sent = 0;

/** Sends it beside an ordinary document, and checks what must hold of anything that is sent. */
async function send(name: string, content: string | Uint8Array, query: Record<string, string> = {}) {
  sent += 1;
  const good = (await api.add(`good ${sent}.txt`, `An ordinary okapi, number ${sent}.`)).body.documents[0];
  const before = rss();
  let peak = before;
  using _watch = every(20, () => {
    peak = Math.max(peak, rss());
  });
  const { status, body } = await api.add(name, content, query);
  expect(status).toBe(202);
  const document = await api.settled(body.documents[0].documentId, 50_000);
  expect(peak - before).toBeLessThan(ROOM);
  // The other one is not held up, and is found.
  expect((await api.settled(good.documentId)).latest).toMatchObject({ status: 'ready', chunks: 1 });
  expect(await api.find('okapi', { filter: { documents: [good.documentId] } })).toHaveLength(1);
  // It was worked on once, and nothing is left to be tried.
  const jobs = await stack.client.query<{ state: string; attempts: number; losses: number }>(
    'SELECT state, attempts, losses FROM job WHERE version_id = $1',
    [document.latest.id],
  );
  const state = document.latest.status === 'ready' ? 'done' : 'dead';
  expect(jobs).toEqual([{ state, attempts: 1, losses: 0 }]);
  expect(await dueJobs(stack.client)).toBe(0);
  return document;
}

const stored = (version: string) =>
  stack.client.query<{ start: number; end: number; text: string }>(
    `SELECT start_offset AS start, end_offset AS "end", c.text FROM version_text t
     LEFT JOIN chunk c ON c.version_id = t.version_id WHERE t.version_id = $1`,
    [version],
  );

/** It fails for good with this code, says what to do, is listed as given up, and nothing of it can be found. */
async function refused(code: PipelineErrorCode, name: string, content: string | Uint8Array) {
  const document = await send(name, content);
  const { id, latest, currentVersion } = document;
  const said = { code, message: expect.stringMatching(/\w{3}/), hint: expect.stringMatching(/\w{3}/) };
  expect(latest).toMatchObject({ status: 'failed', chunks: null, error: said });
  expect(currentVersion).toBeNull();
  expect(await stored(latest.id)).toEqual([]);
  expect(await stack.client.query('SELECT FROM chunk WHERE version_id = $1 LIMIT 1', [latest.id])).toEqual(
    [],
  );
  expect(await api.find('anything at all', { filter: { documents: [id] } })).toEqual([]);
  const { deadLetters } = (await api.call('/v1/dead-letters?limit=1000')).body;
  const letters = deadLetters.filter((letter: { documentId: string }) => letter.documentId === id);
  expect(letters).toMatchObject([{ code, attempts: 1 }]);
  return document;
}

/** It is read to its end; every passage stands where it says in a text that any database takes. */
async function taken(name: string, content: string | Uint8Array, query: Record<string, string> = {}) {
  const document = await send(name, content, query);
  const { id, latest, currentVersion } = document;
  expect(latest).toMatchObject({ status: 'ready', error: null });
  expect(currentVersion).toBe(latest.id);
  const rows = await stored(latest.id);
  const chunks = rows.filter(({ text }) => text !== null);
  expect(chunks).toHaveLength(latest.chunks as number);
  const text: string = (await api.call(`/v1/documents/${id}/text?end=10000000`)).body.text;
  expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
  for (const chunk of chunks) expect(text.slice(chunk.start, chunk.end)).toBe(chunk.text);
  return { ...document, text };
}

describe('NUL and lone surrogates', () => {
  test('vanish from text, JSON and metadata at any depth, and offsets stay true', async () => {
    const metadata = JSON.stringify({ 'k\0ey': ['v\0', { deep: '\ud800x' }] });
    const document = await taken('nul.txt', 'first\0 word \u0000and \x00emoji 😀 then more', { metadata });
    expect(document.metadata).toEqual({ key: ['v', { deep: '\ufffdx' }] });
    const [hit] = await api.find('emoji', { filter: { documents: [document.id] } });
    expect(document.text.slice(hit?.start, hit?.end)).toBe(hit?.text);
    const json = await taken(
      'nul.json',
      '{"a\\u0000":"x\\u0000y \\ud800 z", "deep": [{"k\\udfff": "\\ud83d"}]}',
    );
    expect(json.text).toContain('xy \ufffd z');
    await taken('surrogates.html', '<title>&#0;t&#xD800;</title><p>&#0;p&#xD800; and \0 more</p>');
    await taken('surrogates.xlsx', rawXlsx('<row><c t="inlineStr"><is><t>a&#0;b&#xD800;</t></is></c></row>'));
  });
});

describe('huge text', () => {
  test('of one word, or of ever new ones, is cut into chunks that the index takes', async () => {
    // Together more than a tsvector may hold.
    const words = Array.from({ length: 27_000 }, (_, index) => index.toString(36).padStart(39, 'q'));
    const { latest } = await taken('long.txt', `${'a'.repeat(50_000)} ${words.join(' ')}`);
    expect(latest.chunks).toBeGreaterThan(50);
  });

  test('beyond the limit fails', () =>
    refused('INGEST_TEXT_TOO_LARGE', 'long.txt', 'word '.repeat(1_000_000)));
});

describe('vectors', () => {
  const numbers = (...first: unknown[]) => [...first, ...Array(64 - first.length).fill(0.1)];
  test.each([
    ['not numbers', [{ index: 0, embedding: numbers('NaN') }]],
    ['nothing', [{ index: 0, embedding: numbers(null) }]],
    ['of the wrong dimension', [{ index: 0, embedding: [1, 2, 3] }]],
    ['too few', []],
    ['too many', [0, 1].map((index) => ({ index, embedding: numbers() }))],
    ['without a direction', [{ index: 0, embedding: Array(64).fill(0) }]],
  ])('that are %s are refused before they reach the database', async (what, data) => {
    service.answer = vectors(data);
    await refused('INGEST_EMBED_INVALID', `${what}.txt`, `poison: vectors that are ${what}`);
  });

  test('that half precision cannot hold are scaled to what it can', async () => {
    service.answer = vectors([{ index: 0, embedding: numbers(1e30, -1e30) }]);
    await taken('overflow.txt', 'poison: numbers beyond half precision');
  });
});

describe('what asks for more than a document may have', () => {
  test.each<[PipelineErrorCode, string, () => Uint8Array | string | Promise<Uint8Array>]>([
    ['INGEST_INFLATED_TOO_LARGE', 'bomb.zip', () => overlappingZip(100, 5 * MiB)],
    ['INGEST_INFLATED_TOO_LARGE', 'zipped bomb.zip', () => makeZip({ 'a.zip': overlappingZip(50, 9 * MiB) })],
    ['INGEST_INFLATED_TOO_LARGE', 'bomb.docx', () => rawDocx('', { 'word/styles.xml': zeros(8 * MiB) })],
    ['INGEST_INFLATED_TOO_LARGE', 'bomb.xlsx', () => rawXlsx('', { 'xl/sharedStrings.xml': zeros(8 * MiB) })],
    ['INGEST_INFLATED_TOO_LARGE', 'text.docx', () => rawDocx(' '.repeat(5 * MiB))],
    [
      'INGEST_TOO_MANY_ENTRIES',
      'parts.zip',
      () => makeZip(Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`${at}.txt`, 'x']))),
    ],
    ['INGEST_TOO_DEEP', 'nested.zip', () => nestedZip(9, { 'a.txt': 'deep' })],
    ['INGEST_TOO_DEEP', 'deep.json', () => `${'['.repeat(1000)}${']'.repeat(1000)}`],
    ['INGEST_TOO_MANY_PAGES', 'pages.pdf', () => makePdf(Array.from({ length: 21 }, () => 'x'))],
    ['INGEST_TIME_LIMIT', 'slow.docx', () => rawDocx('<w:p><w:r><w:t>word</w:t></w:r></w:p>'.repeat(40_000))],
    [
      'INGEST_MEMORY_LIMIT',
      'heavy.json',
      () => JSON.stringify(Array.from({ length: 400_000 }, (_, id) => ({ id, text: `value ${id}` }))),
    ],
  ])('fails once with %s: %s', async (code, name, make) => {
    await refused(code, name, await make());
  });
});

describe('names', () => {
  test('with paths in them are shown, and are never paths', async () => {
    const document = await taken('../../etc/pass\0wd.txt', 'nothing to see');
    expect(document.name).toBe('etc/passwd.txt');
    const climbing = await taken(
      'climbing.zip',
      makeZip({ '../../../tmp/evil.txt': 'a climbing ibex', 'C:\\windows\\y.txt': 'another ibex' }),
    );
    const hits = await api.find('ibex', { filter: { documents: [climbing.id] } });
    expect(hits.map(({ file }) => file[0]).toSorted()).toEqual(['tmp/evil.txt', 'windows/y.txt']);
    const kept: string[] = [];
    for await (const { hash } of stack.storage.kept(new Date(Date.now() + 60_000)))
      kept.push(hash.toString('hex'));
    expect(kept).toEqual(expect.arrayContaining([document.latest.sha256, climbing.latest.sha256]));
  });
});

describe('documents that act', () => {
  const relations = (target: string) => ({
    'word/_rels/document.xml.rels': strToU8(
      `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="${target}" TargetMode="External"/></Relationships>`,
    ),
  });
  const picture =
    '<w:p><w:r><w:t>beside a picture</w:t><w:drawing><wp:inline><a:graphic><a:graphicData><pic:pic><pic:blipFill><a:blip r:link="rId9"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>';

  test('reach nothing: pictures and entities from elsewhere, scripts and actions of a PDF', async () => {
    for (const target of [outside.url, 'file:///etc/hostname']) {
      const { text } = await taken('picture.docx', rawDocx(picture, relations(target)));
      expect(text).toContain('beside a picture');
    }
    const pdf = await taken('active.pdf', await activePdf('what the page says', outside.url));
    expect(pdf.text).toContain('what the page says');
    await taken('drawing itself.pdf', selfDrawingPdf());
    const entities = `<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname"><!ENTITY u SYSTEM "${outside.url}">]>`;
    await refused(
      'INGEST_MALFORMED',
      'entities.docx',
      rawDocx('<w:p><w:r><w:t>&f;&u;</w:t></w:r></w:p>', {}, entities),
    );
    expect(outside.asked).toBe(0);
  });
});

describe('damaged and closed files', () => {
  test.each<[PipelineErrorCode, string, () => Uint8Array | string]>([
    ['INGEST_MALFORMED', 'broken.pdf', () => '%PDF-1.7\nnothing of a PDF follows'],
    [
      'INGEST_MALFORMED',
      'circle.pdf',
      () => rawPdf(['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 10 >>']),
    ],
    ['INGEST_MALFORMED', 'cut.docx', () => zipSync({ 'word/nothing.xml': strToU8('<x/>') }).subarray(0, 60)],
    ['INGEST_ENCRYPTED', 'locked.pdf', encryptedPdf],
    ['INGEST_ENCRYPTED', 'locked.zip', encryptedZip],
  ])('fail once with %s: %s', async (code, name, make) => {
    await refused(code, name, make());
  });
});

describe('files that are not what they say', () => {
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );

  test('are read for what they are, or refused for it', async () => {
    expect((await taken('picture.png', '# Really markdown\n\ntext')).latest.mediaType).toMatch(/^text\//);
    expect((await taken('report.txt', await makePdf(['really a PDF']))).latest.format).toBe('pdf');
    expect((await taken('sheet.docx', makeZip({ 'a.txt': 'really an archive' }))).latest.format).toBe('zip');
    await refused('INGEST_UNSUPPORTED_TYPE', 'letter.txt', png);
    await refused('INGEST_UNSUPPORTED_TYPE', 'pixel.pdf', png);
  });

  test('or are empty, are ready without passages', async () => {
    for (const [name, content] of [
      ['empty.txt', ''],
      ['empty.pdf', ''],
      ['blank.md', ' \n\t\n '],
    ] as const) {
      const { latest } = await taken(name, content);
      expect(latest).toMatchObject({ chunks: 0 });
      expect(latest.notes).not.toEqual([]);
    }
  });

  test('or are of another encoding, are read in it', async () => {
    expect((await taken('latin.txt', Buffer.from('caf\xe9 cr\xe8me', 'latin1'))).text).toBe('café crème');
    await taken('cut.txt', Buffer.from('half a 😀').subarray(0, -2));
  });
});

test('what was given up fails the same way again, and is off the list when it is deleted', async () => {
  const document = await refused('INGEST_MALFORMED', 'dead.pdf', '%PDF-1.4 dead on arrival');
  const dead = async () =>
    (await api.call('/v1/dead-letters')).body.deadLetters.filter(
      (letter: { documentId: string }) => letter.documentId === document.id,
    );
  const [{ id }] = await dead();
  expect((await api.post('/v1/dead-letters/redrive', { ids: [id] })).body).toEqual({ redriven: 1 });
  expect((await api.settled(document.id)).latest.status).toBe('failed');
  await api.call(`/v1/documents/${document.id}`, { method: 'DELETE' });
  expect(await dead()).toEqual([]);
});

test('nothing unforeseen happened', () => {
  expect(stack.errors).toEqual([]);
});
