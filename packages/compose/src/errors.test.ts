import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COMPOSE_ERROR_CODES, ComposeError } from './errors.ts';

test('the readme lists every code with its meaning, and no other', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| `(COMPOSE_\w+)`\s*\| (.*?)\s*\|$/gm)].map(([, code, meaning]) => [
    code,
    meaning,
  ]);
  expect(rows).toEqual(Object.entries(COMPOSE_ERROR_CODES));
});

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
