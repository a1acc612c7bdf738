import { once } from 'node:events';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8 } from 'fflate';
import { describe, expect, test } from 'vitest';
import { makeZip, rawDocx, rawXlsx, selfDrawingPdf } from '../../test/documents.ts';
import { hostileReader, MiB } from '../../test/hostile.ts';
import { openExtractor } from './index.ts';

const { extractor, read, refuses } = hostileReader();

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
