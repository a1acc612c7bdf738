import { expect, test } from 'vitest';
import { CsvReader, csvLine, joinList, splitList } from './csv.ts';

function read(text: string, size = text.length): { records: [number, string[]][]; faults: string[] } {
  const records: [number, string[]][] = [];
  const faults: string[] = [];
  const reader = new CsvReader({
    record: (fields, line) => records.push([line, [...fields]]),
    fault: (line, message) => faults.push(`${line}: ${message}`),
  });
  for (let at = 0; at < text.length; at += size) reader.write(text.slice(at, at + size));
  reader.end();
  return { records, faults };
}

const text = 'a,b,c\r\n"x ""y""","1\r\n2",\r\nlast,"",end';

test.each([1, 2, 3, 7, 1000])('records are the same in chunks of %i', (size) => {
  expect(read(text, size)).toEqual({
    records: [
      [1, ['a', 'b', 'c']],
      [2, ['x "y"', '1\r\n2', '']],
      [4, ['last', '', 'end']],
    ],
    faults: [],
  });
});

test('stray quotes are reported with their line and read as they stand', () => {
  expect(read('a,b\nx"y,z\n"q"r,s\n')).toEqual({
    records: [
      [1, ['a', 'b']],
      [2, ['x"y', 'z']],
      [3, ['qr', 's']],
    ],
    faults: ['2: field 1 holds a quote but is not quoted', '3: field 1 goes on after its closing quote'],
  });
});

test('a quote that is never closed ends with the file', () => {
  expect(read('a\n"b\nc\n').faults).toEqual(['2: field 1 opens a quote that is never closed']);
});

test('empty lines are no records', () => {
  expect(read('a\n\nb\n').records).toEqual([
    [1, ['a']],
    [3, ['b']],
  ]);
});

test('what is written is read back', () => {
  const fields = ['plain', 'with, comma', 'with "quotes"', 'two\r\nlines', ''];
  expect(read(csvLine(fields)).records).toEqual([[1, fields]]);
  const items = ['one', 'two, three', 'say "four"'];
  expect(splitList(joinList(items))).toEqual(items);
});
