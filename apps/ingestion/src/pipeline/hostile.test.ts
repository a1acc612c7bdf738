import { once } from 'node:events';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8 } from 'fflate';
import { afterAll, describe, expect, test, vi } from 'vitest';
import {
  encryptedPdf,
  makeDocx,
  makeEml,
  makePdf,
  makeXlsx,
  makeZip,
  nestedZip,
  rawDocx,
  rawPdf,
  rawXlsx,
  zeros,
} from '../../test/documents.ts';
import { openExtractor, PipelineError, type PipelineErrorCode } from './index.ts';

// A busy machine may take its time; what must not take time has a limit of its own.
vi.setConfig({ testTimeout: 60_000 });

// What comes from outside, through the isolated reader, with limits that a test can reach.
const MiB = 1024 * 1024;
const extractor = openExtractor({
  processes: 1,
  limits: {
    inflatedBytes: 2 * MiB,
    textLength: 4 * MiB,
    entries: 500,
    pages: 50,
    timeMs: 15_000,
    memoryBytes: 512 * MiB,
  },
});
afterAll(() => extractor[Symbol.asyncDispose]());

async function read(name: string, content: string | Uint8Array, declaredType?: string) {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return extractor.process({ name, declaredType, source: { bytes } }, { seed: 'x' });
}

/** The document fails for good with this code, says what to do, and the next document is read as if nothing was. */
async function refuses(
  code: PipelineErrorCode,
  name: string,
  content: string | Uint8Array,
  declaredType?: string,
) {
  const error = await read(name, content, declaredType).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(PipelineError);
  expect(error).toMatchObject({ code, retryable: false, hint: expect.stringMatching(/\w/) });
  expect((await read('next.txt', 'next')).document.text).toBe('next');
}

describe('compressed content', () => {
  test.each([
    ['archive', 'bomb.zip', () => makeZip({ 'zeros.txt': zeros(4 * MiB) })],
    ['Word document', 'bomb.docx', () => rawDocx('', { 'word/styles.xml': zeros(4 * MiB) })],
    ['workbook', 'bomb.xlsx', () => rawXlsx('', { 'xl/sharedStrings.xml': zeros(4 * MiB) })],
    ['archive of archives', 'bomb.zip', () => makeZip({ 'a.zip': makeZip({ 'b.txt': zeros(4 * MiB) }) })],
    [
      'many small parts together',
      'bomb.zip',
      () => makeZip(Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`${at}.txt`, zeros(MiB)]))),
    ],
  ])('that grows without end is stopped while it grows: %s', async (_, name, make) => {
    await refuses('INGEST_INFLATED_TOO_LARGE', name, make());
  });

  test('is measured by what comes out, not by what headers claim', async () => {
    const honest = Buffer.from(makeZip({ 'a.txt': zeros(4 * MiB) }));
    // Both places that state the size: 22 bytes into the local header, 24 into the central one.
    const central = honest.indexOf('PK\u0001\u0002', 0, 'latin1');
    honest.writeUInt32LE(10, 22);
    honest.writeUInt32LE(10, central + 24);
    const result = await read('lies.zip', honest);
    expect(result.document.text).toBe('');
    expect(result.document.notes).toMatchObject([{ code: 'PART_SKIPPED' }, { code: 'NO_TEXT' }]);
  });

  test('with more parts than allowed is refused', async () => {
    await refuses(
      'INGEST_TOO_MANY_ENTRIES',
      'many.zip',
      makeZip(Object.fromEntries(Array.from({ length: 501 }, (_, at) => [`${at}.txt`, 'x']))),
    );
  });

  test('inside itself is refused at the limit and read up to it', async () => {
    await refuses('INGEST_TOO_DEEP', 'deep.zip', nestedZip(6, { 'a.txt': 'deep' }));
    const { document } = await read('nested.zip', nestedZip(4, { 'a.txt': 'deep' }));
    expect(document.text).toBe('deep');
    expect(document.segments[0]!.file).toEqual(['inner.zip', 'inner.zip', 'inner.zip', 'a.txt']);
  });

  test('with names that climb out of it is read, and the names are labels', async () => {
    const { document } = await read(
      'traversal.zip',
      makeZip({
        '../../etc/passwd.txt': 'one',
        '/root/x.txt': 'two',
        'C:\\windows\\y.txt': 'three',
        'a\u202etxt.exe.md': 'four',
      }),
    );
    expect(document.segments.map((segment) => segment.file)).toEqual([
      ['etc/passwd.txt'],
      ['root/x.txt'],
      ['windows/y.txt'],
      ['atxt.exe.md'],
    ]);
  });
});

describe('text', () => {
  test('loses its NULs and keeps true offsets', async () => {
    const { document, chunks } = await read('a.txt', 'one\0two\n\nthree\0four');
    expect(document.text).toBe('onetwo\n\nthreefour');
    expect(document.notes.map((note) => note.code)).toEqual(['CHARACTERS_REMOVED']);
    for (const chunk of chunks) expect(chunk.text).toBe(document.text.slice(chunk.start, chunk.end));
  });

  test('has no NUL and no lone surrogate at any depth, wherever they come from', async () => {
    const hostile = '\ud800 \0 \udfff';
    const results = await Promise.all([
      read('a.json', '{"a\\u0000\\ud800": "x\\u0000y\\udc00", "deep": [{"k": "\\ud83d"}]}'),
      read(
        'a.html',
        '<title>&#0;t&#xD800;</title><meta name="author" content="a&#0;&#xDFFF;b"><p>&#0;p&#xD800;</p>',
      ),
      read('a.md', `---\ntitle: "a\\0b"\nlist: ["\\uD800", {"k\\0": "v\\0"}]\n---\n# h\0\ntext`),
      read('a.xlsx', rawXlsx('<row><c t="inlineStr"><is><t>a&#0;b&#xD800;</t></is></c></row>')),
      read(`${hostile}.zip`, makeZip({ 'a\0\u0001.txt': 'x' })),
      read('a.eml', 'From: a@b.c\nTo: d@e.f\nSubject: =?utf-8?B?AGEA?=\n\n\0body'),
    ]);
    const walk = (value: unknown): string[] =>
      typeof value === 'string'
        ? [value]
        : typeof value === 'object' && value !== null
          ? Object.entries(value).flatMap(([key, item]) => [key, ...walk(item)])
          : [];
    for (const result of results) {
      expect(result.document.text).not.toBe('');
      for (const text of walk(result)) expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
    }
  });

  test('longer than the limit is refused before and after decoding', async () => {
    await refuses('INGEST_TEXT_TOO_LARGE', 'a.txt', Buffer.alloc(5 * MiB, 'word '));
    await refuses('INGEST_TEXT_TOO_LARGE', 'a.csv', Buffer.alloc(17 * MiB, 'a,b\n'));
  });

  test('within the limit never makes a chunk near the limit of a tsvector', async () => {
    for (const unit of ['x', ' ', '\n', '字', '😀', 'a ', '"', '{', '|']) {
      for (const name of ['a.txt', 'a.md', 'a.csv', 'a.ts', 'a.json', 'a.html']) {
        const { document, chunks } = await read(name, unit.repeat(40_000 / unit.length));
        for (const chunk of chunks) {
          expect(Buffer.byteLength(`${chunk.context ?? ''}${chunk.text}`)).toBeLessThanOrEqual(16_384);
          expect(chunk.text).toBe(document.text.slice(chunk.start, chunk.end));
          expect(chunk.text.isWellFormed()).toBe(true);
        }
      }
    }
  });

  test.each([
    ['page.html', '<div>'.repeat(200_000)],
    ['feed.xml', '<a>'.repeat(200_000)],
    ['deep.json', `${'['.repeat(100_000)}1${']'.repeat(100_000)}`],
    ['deep.json', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['deep.docx', rawDocx(`${'<w:ins>'.repeat(20_000)}<w:p/>${'</w:ins>'.repeat(20_000)}`)],
    ['deep.xlsx', rawXlsx('<row>'.repeat(20_000))],
  ])('nested beyond reason is refused: %s', async (name, content) => {
    await refuses('INGEST_TOO_DEEP', name, content);
  });

  test.each([
    ['a.csv', `a,"b\n${'x,y\n'.repeat(50_000)}`],
    ['a.csv', `${'"'.repeat(200_001)}\n${'","\n'.repeat(50_000)}`],
    ['a.csv', ','.repeat(1_000_000)],
    [
      'a.md',
      `${'#'.repeat(100_000)} x\n${'`'.repeat(100_000)}\n${'- '.repeat(100_000)}\n${'|'.repeat(100_000)}`,
    ],
    ['a.md', `${'[a]('.repeat(100_000)}${'*a_ '.repeat(100_000)}`],
    ['a.md', `---\n${'a: &a [*a,*a]\n'.repeat(200)}---\nx`],
    ['a.txt', `${' '.repeat(500_000)}x${'\n \t'.repeat(100_000)}`],
    ['a.txt', `${'a'.repeat(1_000_000)}!${'aA1 '.repeat(200_000)}`],
    ['a.ts', `${'/*'.repeat(100_000)}${'\\"'.repeat(100_000)}${'{\n'.repeat(100_000)}`],
    ['a.py', Array.from({ length: 30_000 }, (_, at) => `${' '.repeat(at % 100)}x`).join('\n')],
    ['a.html', `<p ${'a="'.repeat(200_000)}`],
    ['a.html', `${'<!--'.repeat(200_000)}${'<table><tr><td>'.repeat(3000)}${'&amp'.repeat(100_000)}`],
    [
      'a.eml',
      `From: a@b.c\nTo: ${'<a@b.c>,'.repeat(50_000)}\nSubject: ${'=?utf-8?Q?=41?= '.repeat(20_000)}\n\nbody`,
    ],
    ['a.json', `[${'{"a":[]},'.repeat(100_000)}1]`],
    ['a.json', '{"a": "cut off'],
    ['a.csv', 'a,b,c\n'.repeat(300_000)],
    ['a.pdf', selfDrawingPdf()],
  ])('made to stall a parser is read in time: %s (%#)', async (name, content) => {
    const { document, chunks } = await read(name, content);
    for (const chunk of chunks) expect(chunk.text).toBe(document.text.slice(chunk.start, chunk.end));
  });
});

describe('references to the outside', () => {
  test('are not followed: images, stylesheets, entities and files', async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked++;
      response.end('SECRET');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const folder = await mkdtemp(join(tmpdir(), 'outside-'));
    try {
      const secret = join(folder, 'secret.txt');
      await writeFile(secret, 'SECRET');
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
      const entity = `<!DOCTYPE a [<!ENTITY f SYSTEM "file://${secret}"><!ENTITY u SYSTEM "${url}">]>`;
      const image = (target: string) => ({
        'word/_rels/document.xml.rels': strToU8(
          `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="${target}" TargetMode="External"/></Relationships>`,
        ),
      });
      const picture =
        '<w:p><w:r><w:t>text</w:t><w:drawing><wp:inline><a:graphic><a:graphicData><pic:pic><pic:blipFill><a:blip r:link="rId9"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>';
      const results = await Promise.allSettled([
        read('a.docx', rawDocx(picture, image(url))),
        read('a.docx', rawDocx(picture, image(`file://${secret}`))),
        read('a.docx', rawDocx('<w:p><w:r><w:t>&f;&u;</w:t></w:r></w:p>', {}, entity)),
        read('a.xlsx', rawXlsx('<row><c t="inlineStr"><is><t>text &f;&u;</t></is></c></row>', {}, entity)),
        read('a.xml', `<?xml version="1.0"?>${entity}<a>text &f;&u;</a>`),
        read(
          'a.html',
          `<link rel="stylesheet" href="${url}"><img src="${url}"><iframe src="${url}"></iframe><p>text</p>`,
        ),
        read('a.md', `![x](${url})\n\ntext`),
      ]);
      expect(asked).toBe(0);
      expect(JSON.stringify(results)).not.toContain('SECRET');
      expect(results.filter((result) => result.status === 'fulfilled').length).toBe(5);
      for (const result of results)
        if (result.status === 'fulfilled') expect(result.value.document.text).toContain('text');
    } finally {
      server.close();
      await rm(folder, { recursive: true });
    }
  });

  test('to entities that grow are not expanded', async () => {
    const levels = Array.from(
      { length: 10 },
      (_, at) => `<!ENTITY e${at + 1} "${`&e${at};`.repeat(10)}">`,
    ).join('');
    const bomb = `<!DOCTYPE a [<!ENTITY e0 "lol">${levels}]>`;
    const xml = await read('a.xml', `<?xml version="1.0"?>${bomb}<a>text &e10;</a>`);
    expect(xml.document.text).toBe('text &e10;\n');
    await refuses('INGEST_MALFORMED', 'a.xlsx', rawXlsx('<row/>', {}, bomb));
    await refuses('INGEST_MALFORMED', 'a.docx', rawDocx('<w:p><w:r><w:t>&e10;</w:t></w:r></w:p>', {}, bomb));
  });
});

describe('damaged and closed files', () => {
  test.each([
    ['a.pdf', () => encryptedPdf()],
    [
      'a.docx',
      () =>
        Buffer.concat([
          Buffer.from('d0cf11e0a1b11ae1', 'hex'),
          Buffer.alloc(1000),
          Buffer.from('EncryptedPackage', 'utf16le'),
        ]),
    ],
    ['a.zip', () => encryptedZip()],
  ])('ask for a password: %s', async (name, make) => {
    await refuses('INGEST_ENCRYPTED', name, make());
  });

  test.each([
    ['a.pdf', async () => '%PDF-1.7\nnothing of the kind'],
    ['a.pdf', async () => rawPdf(['<< /Type /Catalog >>'])],
    [
      'a.pdf',
      async () =>
        rawPdf(['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 10 >>']),
    ],
    ['a.docx', async () => (await makeDocx()).slice(0, 2000)],
    ['a.xlsx', async () => (await makeXlsx()).slice(0, -30)],
    ['a.zip', async () => makeZip({ 'a.txt': 'x' }).slice(0, 25)],
    ['a.docx', async () => rawDocx('<w:p><w:r>')],
  ])('are damage, once and for all: %s (%#)', async (name, make) => {
    await refuses('INGEST_MALFORMED', name, await make());
  });

  test('of many kinds, cut off anywhere, end with a result or a clear code', async () => {
    const whole = [
      ['a.pdf', await makePdf(['one', 'two'])],
      ['a.docx', await makeDocx()],
      ['a.xlsx', await makeXlsx()],
      ['a.eml', makeEml({ name: 'a.pdf', type: 'application/pdf', bytes: await makePdf(['x']) })],
    ] as const;
    for (const [name, bytes] of whole)
      for (const part of [0.1, 0.4, 0.7, 0.95, 0.999]) {
        const outcome = await read(name, bytes.slice(0, Math.floor(bytes.length * part))).catch(
          (error: unknown) => error,
        );
        if (outcome instanceof Error)
          expect(outcome).toMatchObject({
            code: expect.stringMatching(/^INGEST_(?:MALFORMED|UNSUPPORTED_TYPE)$/),
          });
      }
  });

  test('with flipped bytes never bring the reader down', async () => {
    const whole = [
      ['a.pdf', await makePdf(['one', 'two'])],
      ['a.docx', await makeDocx()],
      ['a.xlsx', await makeXlsx()],
    ] as const;
    for (const [name, bytes] of whole)
      for (let round = 0; round < 12; round++) {
        const copy = Uint8Array.from(bytes);
        for (let at = round * 7 + 20; at < copy.length; at += 97 + round * 31)
          copy[at] = (copy[at]! ^ (1 << (at % 8))) & 0xff;
        const outcome = await read(name, copy).catch((error: unknown) => error);
        if (outcome instanceof Error)
          expect(outcome).toMatchObject({
            retryable: false,
            code: expect.not.stringMatching(/CRASHED|LOST|TIME/),
          });
      }
  });

  test('that hold no text are refused by what they are', async () => {
    const png = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(100)]);
    await refuses('INGEST_UNSUPPORTED_TYPE', 'photo.txt', png, 'text/plain');
    await refuses('INGEST_UNSUPPORTED_TYPE', 'a.doc', '{\\rtf1 text}');
    await refuses('INGEST_UNSUPPORTED_TYPE', 'a.docx', Buffer.from('d0cf11e0a1b11ae1', 'hex'));
    await refuses(
      'INGEST_UNSUPPORTED_TYPE',
      'program',
      Buffer.concat([Buffer.from('7f454c46', 'hex'), Buffer.alloc(500, 1)]),
    );
  });

  test('with too many pages are refused, unless a range is asked for', async () => {
    const bytes = await makePdf(Array.from({ length: 60 }, (_, at) => `page ${at + 1}`));
    await refuses('INGEST_TOO_MANY_PAGES', 'long.pdf', bytes);
    const part = await extractor.process(
      { name: 'long.pdf', source: { bytes } },
      { seed: 'x', pageRange: [51, 60] },
    );
    expect(part.document.text).toMatch(/^page 51\n\n.*page 60$/s);
  });

  test('that show one long string in every cell are refused', async () => {
    const strings = {
      'xl/sharedStrings.xml': strToU8(`<sst><si><t>${'x'.repeat(1_000_000)}</t></si></sst>`),
    };
    const row = `<row>${'<c t="s"><v>0</v></c>'.repeat(10_000)}</row>`;
    await refuses('INGEST_TEXT_TOO_LARGE', 'shared.xlsx', rawXlsx(row, strings));
  });

  test('that claim a cell in the last corner cost nothing', async () => {
    const { document } = await read(
      'far.xlsx',
      rawXlsx('<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row>'),
    );
    expect(document.text.trim()).toBe('far');
  });
});

describe('resources', () => {
  test('memory: the reader ends, the document fails for good, the next one is read', async () => {
    await using small = openExtractor({
      processes: 1,
      limits: { memoryBytes: 160 * MiB, textLength: 200 * MiB, timeMs: 60_000 },
    });
    const value = JSON.stringify(
      Array.from({ length: 400_000 }, (_, at) => ({ id: at, text: `value ${at}` })),
    );
    const failed = small.process({ name: 'a.json', source: { bytes: Buffer.from(value) } }, { seed: 'x' });
    await expect(failed.then(() => 'read')).rejects.toMatchObject({
      code: 'INGEST_MEMORY_LIMIT',
      retryable: false,
    });
    const next = await small.process(
      { name: 'b.txt', source: { bytes: Buffer.from('fine') } },
      { seed: 'x' },
    );
    expect(next.document.text).toBe('fine');
  });

  test('memory that is not of the heap counts as well', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'large-'));
    await using small = openExtractor({
      processes: 1,
      limits: { memoryBytes: 200 * MiB, textLength: 400 * MiB, timeMs: 60_000 },
    });
    try {
      const path = join(folder, 'large.eml');
      await writeFile(path, `From: a@b.c\nTo: d@e.f\nSubject: x\n\n${'line\n'.repeat(20_000)}`);
      // The rest takes no place on the disk, but does in memory.
      await truncate(path, 600 * MiB);
      const failed = small.process({ name: 'large.eml', source: { path } }, { seed: 'x' });
      await expect(failed.then(() => 'read')).rejects.toMatchObject({ code: 'INGEST_MEMORY_LIMIT' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('time: a parser that looks at no clock is stopped from outside', async () => {
    const slow = rawDocx('<w:p><w:r><w:t>word</w:t></w:r></w:p>'.repeat(40_000));
    const settings = { seed: 'x', limits: { timeMs: 300 } };
    const started = performance.now();
    const failed = extractor.process({ name: 'a.docx', source: { bytes: slow } }, settings);
    await expect(failed.then(() => 'read')).rejects.toMatchObject({
      code: 'INGEST_TIME_LIMIT',
      retryable: false,
    });
    expect(performance.now() - started).toBeLessThan(15_000);
    expect((await read('next.txt', 'next')).document.text).toBe('next');
  });
});

/** The flag that says "encrypted", in both headers of a plain archive. */
function encryptedZip(): Uint8Array {
  const zip = Buffer.from(makeZip({ 'a.txt': 'closed' }));
  const central = zip.indexOf('PK\u0001\u0002', 0, 'latin1');
  zip[6]! |= 1;
  zip[central + 8]! |= 1;
  return zip;
}

/** A page that draws a form that draws itself, twice. */
function selfDrawingPdf(): Uint8Array {
  const stream = (content: string, entries = '') =>
    `<< ${entries} /Length ${content.length} >>\nstream\n${content}\nendstream`;
  const itself = '/Resources << /XObject << /X 5 0 R >> >>';
  return rawPdf([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R ${itself} >>`,
    stream('/X Do'),
    stream('/X Do /X Do', `/Type /XObject /Subtype /Form /BBox [0 0 1 1] ${itself}`),
  ]);
}
