import { strToU8 } from 'fflate';
import { describe, expect, test } from 'vitest';
import {
  encryptedPdf,
  encryptedZip,
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
import { hostileReader, MiB } from '../../test/hostile.ts';

const { extractor, read, refuses } = hostileReader();

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
