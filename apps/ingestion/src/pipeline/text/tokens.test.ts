import { readFileSync } from 'node:fs';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, test } from 'vitest';
import { prose } from '../../../test/documents.ts';
import { countBytes, countTokens } from './tokens.ts';

const source = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');

/** Text of one kind, and between which factors of the real count the estimate must lie. */
const kinds: [kind: string, text: string, low: number, high: number][] = [
  [
    'English',
    `${prose(4000)} It wasn't the first time that she had gone there; nor, I suspect, the last.`,
    0.95,
    1.35,
  ],
  ['TypeScript', source('./clean.ts'), 0.9, 1.4],
  ['more TypeScript', source('../extract/html.ts'), 0.9, 1.4],
  [
    'German',
    'Die Verordnung über die Prüfung der Flurstücksgrenzen tritt am ersten Tag des Monats in Kraft. '.repeat(
      20,
    ),
    0.8,
    1.3,
  ],
  ['Russian', 'Все люди рождаются свободными и равными в своём достоинстве и правах. '.repeat(20), 0.8, 1.8],
  ['Chinese', '人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。'.repeat(20), 0.9, 2],
  [
    'Japanese',
    'すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。'.repeat(20),
    0.9,
    2,
  ],
  ['Arabic', 'يولد جميع الناس أحراراً متساوين في الكرامة والحقوق. '.repeat(20), 0.8, 2],
  [
    'numbers',
    Array.from({ length: 300 }, (_, at) => `${at * 7919},${at},2026-03-${at % 28}`).join('\n'),
    0.8,
    1.3,
  ],
  [
    'JSON',
    JSON.stringify(
      Array.from({ length: 60 }, (_, id) => ({ id, name: `Person ${id}`, tags: ['a', 'b'] })),
      null,
      2,
    ),
    0.8,
    1.5,
  ],
  [
    'hexadecimal',
    Array.from({ length: 100 }, (_, at) => (((at + 1) * 2654435761) % 2 ** 32).toString(16)).join(' '),
    0.65,
    1.5,
  ],
];

test.each(kinds)('the estimate for %s is near the count of a real tokenizer', (_, text, low, high) => {
  const ratio = countTokens(text) / encode(text).length;
  expect(ratio).toBeGreaterThan(low);
  expect(ratio).toBeLessThan(high);
});

test('bytes are those of UTF-8', () => {
  const text = 'aä字😀\n';
  expect(countBytes(text)).toBe(Buffer.byteLength(text));
  expect(countBytes(text, 1, 3)).toBe(5);
});
