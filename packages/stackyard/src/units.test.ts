import { expect, test } from 'vitest';
import { healthTimeout } from './health-timeout.ts';
import { formatBytes, formatDuration, parseDuration } from './units.ts';

test.each([
  ['1s', 1000],
  ['1m30s', 90_000],
  ['500ms', 500],
  ['1h0m0.5s', 3_600_500],
  ['250us', 0.25],
  ['0', 0],
  ['10', undefined],
  ['soon', undefined],
  [undefined, undefined],
])('the duration %s', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test('durations and sizes read well', () => {
  expect([12.4, 999, 2440, 185_000].map(formatDuration)).toEqual(['12 ms', '999 ms', '2.4 s', '3 min 5 s']);
  expect([0, 999, 48_200_000, 7e15].map(formatBytes)).toEqual(['0 B', '999 B', '48.2 MB', '7000.0 TB']);
});

test('a health check gives a service its start period, and each retry its interval', () => {
  expect(healthTimeout({ healthcheck: { interval: '1s', timeout: '3s', retries: 60 } })).toBe(63_000);
  expect(
    healthTimeout({ healthcheck: { interval: '1s', timeout: '1s', retries: 2, start_period: '10s' } }),
  ).toBe(13_000);
  expect(healthTimeout({ healthcheck: {} })).toBe(120_000);
  expect(healthTimeout({})).toBe(60_000);
});
