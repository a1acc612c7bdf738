import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identify, isAlive } from './processes.ts';
import { acquireLock, lockHolder, readJson, writeJson } from './state.ts';

let directory: string;
let lock: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'stackyard state '));
  lock = path.join(directory, 'owner.lock');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('a lock has one holder, and the next after its release', () => {
  const first = acquireLock(lock);
  expect(acquireLock(lock)).toMatchObject({ holder: { pid: process.pid } });
  if ('release' in first) first.release();
  expect(lockHolder(lock)).toBeUndefined();
  expect(acquireLock(lock)).toHaveProperty('release');
  expect(readdirSync(directory)).toEqual(['owner.lock']);
});

test('the lock of a dead process is taken over', async () => {
  const child = spawn(process.execPath, ['-e', '0']);
  writeJson(lock, identify(child.pid!));
  await new Promise((resolve) => child.once('exit', resolve));
  expect(acquireLock(lock)).toHaveProperty('release');
});

test('a pid that another process has by now is not the same process', () => {
  const self = identify(process.pid)!;
  expect(isAlive(self)).toBe(true);
  expect(isAlive({ ...self, startTime: '1' })).toBe(false);
  expect(isAlive({ ...self, bootId: 'another boot' })).toBe(false);
  writeJson(lock, { ...self, startTime: '1' });
  expect(acquireLock(lock)).toHaveProperty('release');
});

test('a lock that was cut short by a crash is taken over', () => {
  writeFileSync(lock, '{"pid": 1');
  expect(acquireLock(lock)).toHaveProperty('release');
});

test('an unreadable state file is as good as none', () => {
  const file = path.join(directory, 'state.json');
  expect(readJson(file)).toBeUndefined();
  writeFileSync(file, '{');
  expect(readJson(file)).toBeUndefined();
});
