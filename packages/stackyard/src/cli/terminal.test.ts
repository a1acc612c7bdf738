import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { formatTable, ProgressDisplay, painter, prefixer } from './terminal.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

function output(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 60, written, write: (text: string) => written.push(text) };
}

test('what takes less than half a second is not mentioned', () => {
  const out = output(false);
  using display = new ProgressDisplay(out, (_, line) => line);
  display.progress('postgres', 'starting');
  vi.advanceTimersByTime(450);
  display.done('postgres');
  vi.advanceTimersByTime(2000);
  expect(out.written).toEqual([]);
});

test('a program gets one plain line for each step that takes longer', () => {
  const out = output(false);
  using display = new ProgressDisplay(out, (_, line) => line);
  display.progress('postgres', 'creating the data directory');
  vi.advanceTimersByTime(1500);
  display.progress('postgres', 'waiting until it is healthy');
  vi.advanceTimersByTime(1500);
  expect(out.written).toEqual([
    'postgres: creating the data directory (500 ms so far)\n',
    'postgres: waiting until it is healthy (1.6 s so far)\n',
  ]);
});

test('a terminal gets one line that is kept up to date, and is clean for other output', () => {
  const out = output(true);
  using display = new ProgressDisplay(out, (name, line) => `${name} | ${line}`);
  display.progress('postgres', 'starting');
  vi.advanceTimersByTime(600);
  display.output('setup', 'hello');
  display.done('postgres');
  expect(out.written).toEqual([
    '\r\u001b[Kpostgres: starting (500 ms)',
    '\r\u001b[Kpostgres: starting (600 ms)',
    '\r\u001b[K',
    'setup | hello\n',
  ]);
});

test('colours are for terminals, unless NO_COLOR is set', () => {
  expect(painter(output(true), {})('red', 'x')).toBe('\u001b[31mx\u001b[0m');
  expect(painter(output(true), { NO_COLOR: '1' })('red', 'x')).toBe('x');
  expect(painter(output(false), {})('red', 'x')).toBe('x');
});

test('colours of other programs reach terminals only', () => {
  const [terminal, file] = [output(true), output(false)];
  for (const out of [terminal, file])
    new ProgressDisplay(out, (_, line) => line).output('web', '\u001b[32mok\u001b[0m');
  expect([terminal.written, file.written]).toEqual([['\u001b[32mok\u001b[0m\n'], ['ok\n']]);
});

test('prefixes and tables are aligned, without blanks at line ends', () => {
  const format = prefixer(['api', 'worker'], (_, text) => text);
  expect([format('api', 'a'), format('worker', 'b')]).toEqual(['api    | a', 'worker | b']);
  expect(
    formatTable([
      ['NAME', 'STATE'],
      ['x', ''],
      ['long name', 'up'],
    ]),
  ).toEqual(['NAME       STATE', 'x', 'long name  up']);
});
