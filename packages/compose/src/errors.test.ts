import { expect, test } from 'vitest';
import { ComposeError } from './errors.ts';

test('an error shows all its problems with their places and hints, and has the code of the first', () => {
  const cause = new Error('below');
  const error = new ComposeError(
    [
      { code: 'COMPOSE_TYPE', message: 'one', hint: 'do this', file: 'compose.yaml', line: 3 },
      { code: 'COMPOSE_VALUE', message: 'two', hint: 'do that' },
    ],
    { cause },
  );
  expect(error).toMatchObject({ name: 'ComposeError', code: 'COMPOSE_TYPE', hint: 'do this', cause });
  expect(error.message).toBe('compose.yaml:3: one (do this)\ntwo (do that)');
});
