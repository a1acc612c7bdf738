import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { describeError, formatError, reviveError, StackyardError, UsageError } from './errors.ts';

const codesIn = (text: string): string[] => [...new Set(text.match(/\bSTACKYARD_[A-Z_]+(?=['`])/g))].sort();

test('the README explains every error code, and no other', () => {
  const sources = globSync('**/*.ts', {
    cwd: import.meta.dirname,
    exclude: (name) => name.endsWith('.test.ts'),
  });
  const thrown = sources.flatMap((file) =>
    codesIn(readFileSync(path.join(import.meta.dirname, file), 'utf8').replaceAll(/`[^`]*`/g, '')),
  );
  const readme = readFileSync(path.join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const explained = codesIn(readme.slice(readme.indexOf('## Errors')));
  expect(explained).toEqual([...new Set(thrown)].sort());
});

test('an error is one block: code, message, details, next step', () => {
  const error = new StackyardError('STACKYARD_PLAN', 'it cannot be done', {
    details: ['here', 'there'],
    hint: 'stop',
  });
  expect(formatError(error)).toBe('error STACKYARD_PLAN: it cannot be done\n  here\n  there\nnext: stop');
});

test('an error survives the way from one process to another', () => {
  const error = new UsageError('no such thing', { hint: 'look again', details: ['a'] });
  const revived = reviveError(JSON.parse(JSON.stringify(describeError(error))));
  expect(revived).toMatchObject({ code: 'STACKYARD_USAGE', hint: 'look again', details: ['a'], exitCode: 2 });
  expect(formatError(revived)).toBe(formatError(error));
});

test('a full disk and a foreign file are explained, whoever ran into them', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    path: '/x/state.json',
  });
  expect(formatError(full)).toMatch(/^error STACKYARD_DISK_FULL: .*\nnext: free some space/);
  const foreign = Object.assign(new Error("EACCES: permission denied, open '/x'"), {
    code: 'EACCES',
    path: '/x',
  });
  expect(formatError(foreign)).toMatch(/^error STACKYARD_NOT_PERMITTED: .*\/x.*\nnext: /);
});

test('an error that nobody planned for keeps its stack', () => {
  expect(formatError(new TypeError('x is not a function'))).toMatch(
    /^error STACKYARD_INTERNAL: x is not a function\n +at .*errors\.test\.ts/,
  );
});
