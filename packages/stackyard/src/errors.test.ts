import { expect, test } from 'vitest';
import { describeError, formatError, reviveError, StackyardError, UsageError } from './errors.ts';

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
