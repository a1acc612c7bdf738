import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { makeDocx, makeEml, makePdf, makePptx, makeXlsx, makeZip, prose } from '../../../test/documents.ts';
import { defaultChunkOptions, defaultLimits } from '../defaults.ts';
import { Budget } from '../extract/budget.ts';
import { fromBytes } from '../extract/byte-source.ts';
import { extract } from '../extract/extract.ts';
import type { Chunk, ChunkOptions, ExtractedDocument } from '../types.ts';
import { chunk } from './chunk.ts';

async function cut(name: string, text: string | Uint8Array, options: Partial<ChunkOptions> = {}) {
  const document = await extract(
    fromBytes(typeof text === 'string' ? Buffer.from(text) : text),
    { name },
    { budget: new Budget(defaultLimits) },
  );
  return { document, chunks: chunk(document, { ...defaultChunkOptions, ...options }, 'seed') };
}

/** What must hold for every document. */
function check(
  { document, chunks }: { document: ExtractedDocument; chunks: Chunk[] },
  options = defaultChunkOptions,
) {
  const covered = new Uint8Array(document.text.length);
  for (const [index, each] of chunks.entries()) {
    expect(each.index).toBe(index);
    expect(each.text).toBe(document.text.slice(each.start, each.end));
    expect(each.text.trim()).toBe(each.text);
    expect(each.text.isWellFormed()).toBe(true);
    expect(each.tokens).toBeLessThanOrEqual(options.maxTokens);
    expect(Buffer.byteLength((each.context ?? '') + each.text)).toBeLessThanOrEqual(options.maxBytes);
    covered.fill(1, each.start, each.end);
  }
  // Nothing that a reader can see is lost.
  for (const { start, end } of document.segments)
    for (let at = start; at < end; at++) if (!covered[at]) expect(document.text[at]).toMatch(/\s/);
  expect(new Set(chunks.map((each) => each.id)).size).toBe(chunks.length);
}

const html = readFileSync(new URL('../extract/html.ts', import.meta.url), 'utf8');
const table = `name,city,note\n${Array.from({ length: 300 }, (_, at) => `person ${at},"Graz, Austria","line\nbreak ${at}"`).join('\n')}`;

describe('every document', () => {
  test.each([
    ['a.txt', prose(30_000)],
    ['a.txt', prose(30_000).replaceAll('\n', ' ')],
    ['a.txt', '字'.repeat(5000)],
    ['a.txt', 'emoji 😀'.repeat(3000)],
    ['a.txt', `\ufeff${prose(9000).replaceAll('\n', '\r\n')}`],
    ['a.txt', 'e\u0301a\u0308 👩‍👩‍👧‍👦 🏳️‍🌈 '.repeat(800)],
    ['a.txt', 'שלום עולם. مرحبا بالعالم، كيف الحال؟ '.repeat(400)],
    ['a.csv', `\ufeffשם,名前\r\n${'"a\r\nb",😀\r\n'.repeat(900)}`],
    ['a.md', `# 見出し\r\n\r\n${'本文は続く。'.repeat(900)}\r\n\r\n## الفصل\r\n\r\n${'نص '.repeat(900)}`],
    ['a.txt', `${'word'.repeat(5000)} ${' '.repeat(9000)}x`],
    [
      'a.md',
      `# One\n\n${prose(3000)}\n\n## Two\n\n- a\n- b\n\n${'```ts\n'}${html.slice(0, 5000)}\n${'```'}\n\n${prose(500)}`,
    ],
    ['a.ts', html],
    ['a.py', 'class A:\n    def f(self):\n        return 1\n\n'.repeat(200)],
    ['a.csv', table],
    ['a.json', JSON.stringify(Array.from({ length: 300 }, (_, id) => ({ id, text: prose(80, id) })))],
    [
      'a.html',
      `<h1>Head</h1><p>${prose(5000).replaceAll('\n\n', '<p>')}<table>${'<tr><td>a</td><td>b</td></tr>'.repeat(400)}</table>`,
    ],
  ])('is cut within the limits, with true offsets and nothing lost: %s (%#)', async (name, text) => {
    check(await cut(name, text));
    const tight: ChunkOptions = { maxTokens: 60, minTokens: 10, overlapTokens: 15, maxBytes: 400 };
    check(await cut(name, text, tight), tight);
  });

  test.each([
    [
      'a.pdf',
      () =>
        makePdf(
          Array.from(
            { length: 8 },
            (_, page) => `Page ${page}\n${prose(1500, page).replace(/.{80} /g, '$&\n')}`,
          ),
        ),
    ],
    ['a.docx', makeDocx],
    ['a.pptx', makePptx],
    ['a.xlsx', makeXlsx],
    [
      'a.eml',
      async () => makeEml({ name: 'b.csv', type: 'text/csv', bytes: Buffer.from('a,b\r\nä,😀\r\n') }),
    ],
    [
      'a.zip',
      async () => makeZip({ 'ä/b.md': `# Ä\r\n\r\n${'😀 '.repeat(900)}`, 'c.json': '{"é": "\u0065\u0301"}' }),
    ],
  ])('of any format is cut so, and knows where it stands: %s', async (name, make) => {
    for (const options of [
      defaultChunkOptions,
      { maxTokens: 60, minTokens: 10, overlapTokens: 15, maxBytes: 400 },
    ]) {
      const found = await cut(name, await make(), options);
      check(found, options);
      const { document, chunks } = found;
      for (const each of chunks) {
        const segment = document.segments.find(({ start, end }) => start <= each.start && each.start < end);
        const { page, slide, sheet, file } = segment ?? {};
        expect(each).toMatchObject(
          Object.fromEntries(
            Object.entries({ page, slide, sheet, file }).filter(([, value]) => value !== undefined),
          ),
        );
      }
    }
  });

  test('gets the same ids again, and others for another seed or text', async () => {
    const { document, chunks } = await cut('a.txt', prose(5000));
    const ids = (seed: string, from = document) =>
      chunk(from, defaultChunkOptions, seed).map((each) => each.id);
    expect(ids('seed')).toEqual(chunks.map((each) => each.id));
    expect(ids('other')).not.toContain(chunks[0]!.id);
    expect(ids('seed', { ...document, text: `X${document.text.slice(1)}` })[0]).not.toBe(chunks[0]!.id);
    expect(chunks[0]!.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

describe('prose', () => {
  test('breaks at sentences, and the next chunk repeats the last ones', async () => {
    const { chunks } = await cut('a.txt', prose(20_000).replaceAll('\n', ' '));
    for (const [at, each] of chunks.entries()) {
      if (at < chunks.length - 1) expect(each.text).toMatch(/\.$/);
      expect(each.text).toMatch(/^[A-Z]/);
      const next = chunks[at + 1];
      if (next) {
        expect(next.start).toBeLessThan(each.end);
        expect(next.start).toBeGreaterThan(each.end - 400);
      }
    }
  });

  test('runs over pages and knows both', () => {
    const pages = [1, 2, 3].map((page) => `Page ${page} ${'word '.repeat(80)}end.`);
    const text = pages.join('\n\n');
    let start = 0;
    const segments = pages.map((page, at) => {
      const segment = { kind: 'prose' as const, start, end: start + page.length, page: at + 1 };
      start = segment.end + 2;
      return segment;
    });
    const document: ExtractedDocument = {
      format: 'pdf',
      mediaType: 'application/pdf',
      text,
      segments,
      metadata: {},
      notes: [],
    };
    const chunks = chunk(document, { ...defaultChunkOptions, maxTokens: 200, overlapTokens: 0 }, 'seed');
    expect(chunks[0]).toMatchObject({ page: 1, pageEnd: 2 });
    expect(chunks.at(-1)).toMatchObject({ page: 3 });
    expect(chunks.at(-1)!.pageEnd).toBeUndefined();
  });
});

describe('Markdown', () => {
  test('does not mix sections, and names the headings above', async () => {
    const { chunks } = await cut('a.md', `# Guide\n\n${prose(2500, 1)}\n\n## Setup\n\n${prose(2500, 2)}\n`);
    const setup = chunks.filter((each) => each.headings?.includes('Setup'));
    expect(setup[0]).toMatchObject({ headings: ['Guide', 'Setup'], context: 'Guide' });
    expect(setup[0]!.text).toMatch(/^## Setup\n/);
    expect(setup[1]!.context).toBe('Guide > Setup');
    expect(chunks.some((each) => each.text.includes('## Setup') && !each.text.startsWith('## Setup'))).toBe(
      false,
    );
  });

  test('joins sections that are too small to be found alone', async () => {
    const { chunks } = await cut('a.md', '# A\n\n## B\n\nshort\n\n## C\n\nshort too\n');
    expect(chunks).toHaveLength(1);
  });
});

describe('tables', () => {
  test('are cut between rows, and every chunk after the first has the header as context', async () => {
    const { chunks } = await cut('a.csv', table);
    expect(chunks.length).toBeGreaterThan(5);
    expect(chunks[0]!.context).toBeUndefined();
    for (const each of chunks.slice(1)) {
      expect(each.context).toBe('name,city,note');
      expect(each.text).toMatch(/^person \d+,[\s\S]*break \d+"$/);
    }
  });

  test('with a quote that never closes are still cut by lines', async () => {
    const { chunks } = await cut('a.csv', `a,b\n"x,1\n${'y,2\n'.repeat(2000)}`);
    for (const each of chunks) expect(each.text).toMatch(/(?:^|\n)[^\n]+,[^\n]$/);
  });
});

describe('code', () => {
  const method = (name: string, lines: number) =>
    `  ${name}() {\n${Array.from({ length: lines }, (_, at) => `    call('}', ${at}); // }\n`).join('')}  }\n`;

  test('is cut between functions, whatever braces their strings hold', async () => {
    const text = `class A {\n${['one', 'two', 'three', 'four'].map((name) => method(name, 15)).join('\n')}}\n`;
    const { chunks } = await cut('a.ts', text, { maxTokens: 300 });
    for (const each of chunks.slice(1)) {
      expect(each.text).toMatch(/^\w+\(\) \{/);
      expect(each.context).toBe('class A {');
    }
  });

  test('of Python is cut between definitions', async () => {
    const body = Array.from({ length: 12 }, (_, at) => `    value_${at} = compute(${at})\n`).join('');
    const text = Array.from({ length: 12 }, (_, at) => `def function_${at}(a):\n${body}\n\n`).join('');
    const { chunks } = await cut('a.py', text);
    for (const each of chunks) expect(each.text).toMatch(/^def function_/);
  });
});
