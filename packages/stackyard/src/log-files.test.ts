import { appendFileSync, closeSync, mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { follow, followNames, listLogs, logFile, openLog, tail } from './log-files.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'stackyard logs '));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, text: string): void {
  const log = openLog(directory, name);
  writeSync(log, text);
  closeSync(log);
}

test('the last lines of a log, and none of one that does not exist', () => {
  write('api', 'one\ntwo\nthree\n');
  expect(tail(logFile(directory, 'api'), 2)).toEqual(['two', 'three']);
  expect(tail(logFile(directory, 'none'), 2)).toEqual([]);
  expect(listLogs(directory)).toEqual(['api']);
});

test('a restart begins a new log and keeps the one before', () => {
  write('api', 'first\n');
  write('api', 'second\n');
  expect(tail(logFile(directory, 'api'), 9)).toEqual(['second']);
  expect(tail(`${logFile(directory, 'api')}.1`, 9)).toEqual(['first']);
});

test('following gives old lines, then new ones, also of the log after a restart', async () => {
  const abort = new AbortController();
  const lines: string[] = [];
  write('api', 'old\n');
  follow(logFile(directory, 'api'), 5, (line) => lines.push(line), abort.signal);
  appendFileSync(logFile(directory, 'api'), 'half ');
  appendFileSync(logFile(directory, 'api'), 'a line\n');
  await vi.waitFor(() => expect(lines).toEqual(['old', 'half a line']));
  write('api', 'after the restart\n');
  await vi.waitFor(() => expect(lines.at(-1)).toBe('after the restart'), { timeout: 20_000 });
  abort.abort();
});

test('a character that two reads share stays whole', async () => {
  const abort = new AbortController();
  const lines: string[] = [];
  write('api', '');
  follow(logFile(directory, 'api'), 5, (line) => lines.push(line), abort.signal);
  const long = `a${'é'.repeat(50_000)}`;
  appendFileSync(logFile(directory, 'api'), `${long}\n`);
  await vi.waitFor(() => expect(lines).toHaveLength(1), { timeout: 20_000 });
  abort.abort();
  expect(lines[0] === long).toBe(true);
});

test('logs that begin later are named when they do', async () => {
  const abort = new AbortController();
  const names: string[] = [];
  followNames(directory, (name) => names.push(name), abort.signal);
  write('api', '');
  await vi.waitFor(() => expect(names).toEqual(['api']), { timeout: 20_000 });
  abort.abort();
});
