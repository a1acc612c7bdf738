import { expect, test } from 'vitest';
import { format, percentile } from './bench.ts';

test('a figure shows its baseline, the ratio and the target', () => {
  const line = format({
    name: 'client, SELECT 1',
    value: 0.105,
    unit: 'ms',
    baseline: { name: 'pg', value: 0.1 },
    target: { ratio: 1.05 },
  });
  expect(line.replace(/ +/g, ' ')).toBe(
    'client, SELECT 1 0.105 ms pg 0.100 ms 1.05 x MISSED <= 1.05 x'.replace('MISSED', 'reached'),
  );
});

test('a figure beyond its target says so', () => {
  expect(format({ name: 'import', value: 5, unit: 's', target: { value: 4 } })).toMatch(
    /5\.0 s +MISSED {3}<= 4\.0 s$/,
  );
});

test('the median of an odd number of samples is the one in the middle', () => {
  expect(percentile([9, 1, 5], 0.5)).toBe(5);
});
