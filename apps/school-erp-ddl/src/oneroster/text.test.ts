import { expect, test } from 'vitest';
import { CsvReader } from './csv.ts';
import { textOf } from './text.ts';
import { parserOf } from './values.ts';

/** Reads bytes in pieces of three, so that characters and line ends are cut. */
async function read(bytes: Buffer, lenient = true): Promise<{ text: string; faults: string[] }> {
  const faults: string[] = [];
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += 3) yield bytes.subarray(at, at + 3);
  }
  let text = '';
  const fault = (code: string, message: string) => faults.push(`${code}: ${message}`);
  for await (const part of textOf(pieces(), { lenient, fault })) text += part;
  return { text, faults };
}

const TEXT = 'name,学校\r\n"東京",é\r\n';
const SHIFT_JIS = Buffer.from('6e616d652c8a778d5a0d0a', 'hex');

test('UTF-8 is read with and without a byte order mark', async () => {
  expect(await read(Buffer.from(TEXT), false)).toEqual({ text: TEXT, faults: [] });
  expect(await read(Buffer.from(`\uFEFF${TEXT}`), false)).toEqual({ text: TEXT, faults: [] });
});

test('UTF-16 is known by its mark, and is a fault', async () => {
  const little = Buffer.from(`\uFEFF${TEXT}`, 'utf16le');
  for (const [bytes, name] of [
    [little, 'utf-16le'],
    [Buffer.from(little).swap16(), 'utf-16be'],
  ] as const)
    expect(await read(bytes, false)).toEqual({
      text: TEXT,
      faults: [`ENCODING: the file is not UTF-8; read as ${name}`],
    });
});

test('other encodings are guessed by a lenient import, and named with their place by a strict one', async () => {
  expect((await read(SHIFT_JIS)).text).toBe('name,学校\r\n');
  expect((await read(Buffer.from('Jos\xe9,Garc\xeda\n', 'latin1'))).text).toBe('José,García\n');
  expect(await read(SHIFT_JIS, false)).toMatchObject({
    text: expect.stringContaining('\uFFFD'),
    faults: [],
  });
});

test('a file in UTF-8 with one broken letter stays UTF-8', async () => {
  const broken = Buffer.concat([Buffer.from('学校,東京,'), Buffer.from([0xff])]);
  expect((await read(broken)).text).toBe('学校,東京,\uFFFD');
});

test('lines may end with CR alone', async () => {
  expect(await read(Buffer.from('a,b\rc,d\r'))).toEqual({
    text: 'a,b\nc,d\n',
    faults: ['CSV_SYNTAX: lines end with CR alone'],
  });
});

test.each([';', '\t', '|'])('fields may be separated by %j, which is one fault', (separator) => {
  const records: string[][] = [];
  const faults: string[] = [];
  const reader = new CsvReader(
    { record: (fields) => records.push([...fields]), fault: (_, message) => faults.push(message) },
    'orgs.csv',
  );
  reader.write(`sourcedId${separator}na`);
  reader.write(`me\r\n1${separator}"a, b${separator}c"\r\n`);
  reader.end();
  expect(records).toEqual([
    ['sourcedId', 'name'],
    ['1', `a, b${separator}c`],
  ]);
  expect(faults).toHaveLength(1);
});

test.each([
  ['31/12/2010', '2010-12-31'],
  ['12/31/2010', '2010-12-31'],
  ['5/5/2010', '2010-05-05'],
  ['3.4.2010', '2010-04-03'],
  ['03-04-2010', '2010-04-03'],
  ['2010-04-03T00:00:00Z', '2010-04-03'],
  ['03/04/2010', undefined],
  ['31/31/2010', undefined],
  ['3.4-2010', undefined],
])('the date %s is taken for %s', (text, instead) => {
  expect(parserOf({ kind: 'date' }, '1.2')(text)).toMatchObject({ instead });
});
