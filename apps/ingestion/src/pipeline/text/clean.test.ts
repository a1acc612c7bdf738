import { expect, test } from 'vitest';
import { cleanMetadata, cleanRecord, cleanText, displayName } from './clean.ts';

test('text loses NULs, and lone surrogates become replacement characters', () => {
  expect(cleanText('a\0b\ud800c😀')).toBe('ab\ufffdc😀');
});

test('metadata is cleaned at every depth, keys too, and is always JSON', () => {
  const cycle: Record<string, unknown> = { name: 'a\0' };
  cycle.self = cycle;
  const clean = cleanMetadata({
    'k\0': ['v\0', { deep: '\udc00' }],
    when: new Date(0),
    never: new Date(Number.NaN),
    big: 12n,
    nan: Number.NaN,
    call: () => 1,
    none: undefined,
    cycle,
  });
  expect(clean).toMatchObject({
    k: ['v', { deep: '\ufffd' }],
    when: '1970-01-01T00:00:00.000Z',
    never: null,
    big: '12',
    nan: null,
  });
  expect(JSON.stringify(clean)).not.toMatch(/\\u0000|call|none/);
});

test('metadata has bounds', () => {
  const wide = cleanRecord(
    Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`k${at}`, 'x'.repeat(10_000)])),
  );
  expect(Object.keys(wide)).toHaveLength(200);
  expect(wide.k0).toHaveLength(4096);
});

test('a key named __proto__ is a key', () => {
  const clean = cleanRecord(JSON.parse('{"__proto__": {"polluted": true}}'));
  expect(Object.keys(clean)).toEqual(['__proto__']);
  expect(Object.getPrototypeOf(clean)).toBe(Object.prototype);
});

test.each([
  ['../../etc/passwd', 'etc/passwd'],
  ['C:\\Users\\a\\b.txt', 'Users/a/b.txt'],
  ['/abs/./x//y', 'abs/x/y'],
  ['a\u202efdp.exe\0\n', 'afdp.exe'],
  ['..', 'unnamed'],
  ['', 'unnamed'],
])('%j is shown as %s', (name, shown) => {
  expect(displayName(name)).toBe(shown);
});

test('a long name is shortened without tearing a character', () => {
  const shown = displayName('😀'.repeat(400));
  expect(shown.length).toBeLessThanOrEqual(255);
  expect(shown.isWellFormed()).toBe(true);
});
