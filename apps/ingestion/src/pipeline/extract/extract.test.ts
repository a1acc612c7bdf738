import { describe, expect, test } from 'vitest';
import { makeDocx, makeEml, makePdf, makePptx, makeXlsx, makeZip, rawPdf } from '../../../test/documents.ts';
import { defaultLimits } from '../defaults.ts';
import type { ExtractedDocument, Limits } from '../types.ts';
import { Budget } from './budget.ts';
import { fromBytes } from './byte-source.ts';
import { type ExtractOptions, extract } from './extract.ts';

/** Reads in this process; what hostile documents need is tested through the isolated extractor. */
function read(
  name: string,
  content: string | Uint8Array,
  { limits, ...options }: Partial<ExtractOptions> & { declaredType?: string; limits?: Partial<Limits> } = {},
): Promise<ExtractedDocument> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const budget = new Budget({ ...defaultLimits, ...limits });
  return extract(fromBytes(bytes), { name, ...options }, { budget, ...options });
}

const slices = (document: ExtractedDocument) =>
  document.segments.map((segment) => document.text.slice(segment.start, segment.end).trim());

describe('PDF', () => {
  test('gives each page its own segment, and paragraphs an empty line', async () => {
    const document = await read(
      'a.pdf',
      await makePdf(['First line\nsecond line\n\n\nNew paragraph', 'Second page'], { title: 'A title' }),
    );
    expect(document.title).toBe('A title');
    expect(document.metadata.created).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(document.pages).toBe(2);
    expect(slices(document)).toEqual(['First line\nsecond line\n\nNew paragraph', 'Second page']);
    expect(document.segments.map((segment) => segment.page)).toEqual([1, 2]);
  });

  test('can be read in ranges of pages', async () => {
    const document = await read('a.pdf', await makePdf(['one', 'two', 'three', 'four']), {
      pageRange: [2, 3],
    });
    expect(slices(document)).toEqual(['two', 'three']);
    expect(document.segments.map((segment) => segment.page)).toEqual([2, 3]);
    expect(document.pages).toBe(4);
  });

  test('in Japanese is read by the tables that its fonts name', async () => {
    const content = 'BT /F 12 Tf 50 700 Td <93fa967b8cea> Tj ET';
    const bytes = rawPdf([
      '<< /Type /Catalog /Pages 2 0 R >>',
      '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
      '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>',
      `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
      '<< /Type /Font /Subtype /Type0 /BaseFont /Ryumin-Light /Encoding /90ms-RKSJ-H /DescendantFonts [6 0 R] >>',
      '<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Ryumin-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> /FontDescriptor 7 0 R >>',
      '<< /Type /FontDescriptor /FontName /Ryumin-Light /Flags 4 /FontBBox [0 0 1 1] /ItalicAngle 0 /Ascent 1 /Descent 0 /CapHeight 1 /StemV 1 >>',
    ]);
    expect((await read('a.pdf', bytes)).text).toBe('日本語');
  });

  test('without text is no failure but says so', async () => {
    const document = await read('scan.pdf', await makePdf(['']));
    expect(document.text).toBe('');
    expect(document.notes.map((note) => note.code)).toEqual(['NO_TEXT']);
  });
});

describe('Office', () => {
  test('Word documents keep their headings as a path, and tables as rows', async () => {
    const document = await read('policy.docx', await makeDocx());
    expect(document.text).toContain('Take the night train.');
    expect(document.text).toContain('Class | Price\nSecond | 40');
    expect(document.title).toBe('Travel policy');
    expect(document.metadata.author).toBe('Ada');
    const refunds = document.segments.find((segment) =>
      document.text.slice(segment.start, segment.end).includes('ten days'),
    );
    expect(refunds?.headings).toEqual(['Trains', 'Refunds']);
  });

  test('presentations keep slides, titles, tables and notes', async () => {
    const document = await read('deck.pptx', await makePptx());
    expect(document.pages).toBe(2);
    expect(document.segments.map((segment) => segment.slide)).toEqual([1, 2]);
    expect(slices(document)[0]).toMatch(/Numbers\nSales went up\nNotes:\nMention the new shop/);
    expect(document.segments[0]!.headings).toEqual(['Numbers']);
    expect(slices(document)[1]).toBe('City | Shops\nGraz | 3');
  });

  test('workbooks keep sheets, header rows and dates', async () => {
    const document = await read('book.xlsx', await makeXlsx());
    expect(document.segments.map((segment) => segment.sheet)).toEqual(['People', 'More']);
    const [people] = document.segments;
    expect(document.text.slice(people!.start, people!.headerEnd)).toBe('Name\tBorn\tPoints\n');
    expect(document.text).toContain('Person 2\t1990-01-02\t1.5\n');
  });
});

describe('HTML', () => {
  test('gives the visible text by sections', async () => {
    const document = await read(
      'page.html',
      `<!doctype html><html lang="de"><head><title> The &amp; title </title><style>p{}</style>
       <meta name="description" content="About"></head>
       <body><script>alert(1)</script><h1>One</h1><p>First   <b>bold</b> text.</p><ul><li>a<li>b</ul>
       <h2>Two</h2><table><tr><th>K</th><th>V</th></tr><tr><td>x</td><td></td></tr><tr><td></td><td>y</td></tr></table><pre>a
  b</pre></body></html>`,
    );
    expect(document.text).toBe('One\n\nFirst bold text.\n\n- a\n- b\n\nTwo\n\nK | V\nx | \n | y\n\na\n  b');
    expect(document.title).toBe('The & title');
    expect(document.metadata).toEqual({ language: 'de', description: 'About' });
    expect(document.segments.map((segment) => segment.headings)).toEqual([['One'], ['One', 'Two']]);
  });

  test('makes a long table a segment with its header', async () => {
    const rows = Array.from(
      { length: 100 },
      (_, at) => `<tr><td>name ${at}</td><td>value ${at}</td></tr>`,
    ).join('');
    const document = await read(
      't.html',
      `<p>before</p><table><tr><th>Name</th><th>Value</th></tr>${rows}</table><p>after</p>`,
    );
    const table = document.segments.find((segment) => segment.kind === 'table')!;
    expect(document.text.slice(table.start, table.headerEnd)).toBe('Name | Value\n');
    expect(slices(document).at(0)).toBe('before');
    expect(slices(document).at(-1)).toBe('after');
  });
});

describe('text', () => {
  test('Markdown stays as it is written, in sections', async () => {
    const source =
      '---\ntitle: From the matter\ntags: [a, b]\n---\n# Top\nintro\n\n## Sub #\n\n```sh\n# no heading\n```\nUnder\n-----\nlast';
    const document = await read('a.md', source);
    expect(document.text).toBe(source);
    expect(document.title).toBe('From the matter');
    expect(document.metadata).toEqual({ frontMatter: { title: 'From the matter', tags: ['a', 'b'] } });
    expect(document.segments.map((segment) => segment.headings)).toEqual([
      ['Top'],
      ['Top', 'Sub'],
      ['Top', 'Under'],
    ]);
    expect(slices(document)[2]).toBe('Under\n-----\nlast');
  });

  test('XML gives the content of its elements', async () => {
    const document = await read(
      'a.xml',
      '<?xml version="1.0"?><a><b>one &lt; two</b><c><![CDATA[three]]></c></a>',
    );
    expect(document.text).toBe('one < two\nthree\n');
  });

  test('CSV stays as it is, with the header row marked', async () => {
    const document = await read('a.csv', 'name,note\nAda,"two\nlines"\nBob,x\n');
    expect(document.segments).toEqual([{ kind: 'table', quoted: true, start: 0, end: 32, headerEnd: 10 }]);
  });

  test('JSON becomes one line per value, with escapes resolved', async () => {
    const document = await read(
      'a.json',
      JSON.stringify({ user: { name: 'Zoë', tags: ['x', 'y'] }, count: 2, none: null }),
    );
    expect(document.text).toBe('user.name: Zoë\nuser.tags[0]: x\nuser.tags[1]: y\ncount: 2\n');
    expect(document.segments[0]!.headings).toEqual(['user']);
  });

  test('JSON by lines is read value by value', async () => {
    const document = await read('a.jsonl', '{"a":1}\n{"a":2}\n');
    expect(document.text).toBe('[0].a: 1\n[1].a: 2\n');
  });

  test('source code knows its language', async () => {
    const document = await read('src/main.rs', 'fn main() {}\n');
    expect(document.segments).toEqual([{ kind: 'code', language: 'rust', start: 0, end: 13 }]);
    expect(document.mediaType).toBe('text/x-rust');
  });

  test.each([
    ['a byte order mark', Buffer.from('\ufeffGrüße'), undefined, []],
    ['UTF-16 with a mark', Buffer.from('\ufeffGrüße', 'utf16le'), undefined, []],
    [
      'UTF-16 without a mark',
      Buffer.from('Hello, plain old text', 'utf16le'),
      undefined,
      ['ENCODING_GUESSED'],
    ],
    [
      'a declared charset',
      Buffer.from([0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2]),
      'text/plain; charset=windows-1251',
      [],
    ],
    ['old Latin text', Buffer.from('Grüße aus Köln', 'latin1'), undefined, ['ENCODING_GUESSED']],
    [
      'a few broken bytes',
      Buffer.concat([Buffer.from('äöü äöü äöü'), Buffer.from([0xff])]),
      undefined,
      ['INVALID_ENCODING'],
    ],
  ])('is decoded with %s', async (_, bytes, declaredType, notes) => {
    const document = await read('a.txt', bytes, declaredType ? { declaredType } : {});
    expect(document.text).toMatch(
      /^(?:Grüße|Hello, plain old text|Привет|Grüße aus Köln|äöü äöü äöü\ufffd)$/,
    );
    expect(document.notes.map((note) => note.code)).toEqual(notes);
  });

  test('that turns out not to be UTF-8 late is still decoded right', async () => {
    const document = await read('a.txt', Buffer.from(`${'a'.repeat(70_000)} Köln`, 'latin1'));
    expect(document.text.endsWith('Köln')).toBe(true);
  });
});

describe('parts', () => {
  test('an archive becomes one text, each part with its name and its own positions', async () => {
    const document = await read(
      'all.zip',
      makeZip({
        'docs/a.md': '# Head\ntext',
        '__MACOSX/docs/._a.md': 'x',
        'b.pdf': await makePdf(['page']),
        'photo.png': Uint8Array.from([
          0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6,
        ]),
      }),
    );
    expect(slices(document)).toEqual(['# Head\ntext', 'page']);
    expect(document).toMatchObject({ title: undefined, pages: undefined });
    expect(document.segments).toMatchObject([
      { file: ['docs/a.md'], headings: ['Head'] },
      { file: ['b.pdf'], page: 1 },
    ]);
    expect(document.notes).toMatchObject([
      { code: 'PART_SKIPPED', message: expect.stringContaining('photo.png') },
    ]);
  });

  test('a message has its headers, its body and its attachments', async () => {
    const document = await read(
      'm.eml',
      makeEml({ name: 'r.csv', type: 'text/csv', bytes: Buffer.from('k,v\na,1\n') }),
    );
    expect(document.title).toBe('Grüße');
    expect(slices(document)[0]).toBe(
      'Subject: Grüße\nFrom: Ada <ada@example.org>\nTo: Bob <bob@example.org>\nDate: 2026-03-06T10:00:00.000Z\n\nThe report is attached.',
    );
    expect(document.segments[1]).toMatchObject({ kind: 'table', file: ['r.csv'] });
  });
});

describe('what a document is', () => {
  test.each([
    ['report.txt', 'application/pdf', 'just text', 'text', 'text/plain'],
    ['report.pdf', undefined, '<!doctype html><p>x</p>', 'html', 'text/html'],
    ['a.md', 'application/json', '# x', 'markdown', 'text/markdown'],
  ])(
    '%s announced as %s is what its content says',
    async (name, declaredType, content, format, mediaType) => {
      const document = await read(name, content, declaredType ? { declaredType } : {});
      expect(document).toMatchObject({ format, mediaType });
      expect(document.notes).toMatchObject([{ code: 'TYPE_MISMATCH' }]);
    },
  );

  test.each([
    ['noname', '{"a": 1}', 'json'],
    ['noname', '<?xml version="1.0"?><a>x</a>', 'xml'],
    ['noname', 'From: a@b.c\nTo: d@e.f\nSubject: hi\n\nbody', 'eml'],
    ['noname', 'To: be or not\n', 'text'],
    ['noname', 'A PDF begins with %PDF-1.7 and a line break.', 'text'],
    ['Dockerfile', 'FROM scratch', 'code'],
  ])('%s with %j is recognised without a claim', async (name, content, format) => {
    const document = await read(name, content);
    expect(document.format).toBe(format);
    expect(document.notes).toEqual([]);
  });

  test('octet-stream and text/plain claim nothing', async () => {
    for (const declaredType of ['application/octet-stream', 'text/plain'])
      expect((await read('a.md', '# x', { declaredType })).notes).toEqual([]);
  });

  test('an empty document is no failure, whatever it is called', async () => {
    for (const name of ['a.txt', 'a.pdf', 'a.docx', 'a']) {
      const document = await read(name, '');
      expect(document).toMatchObject({ text: '', segments: [], notes: [{ code: 'EMPTY' }] });
    }
  });
});
