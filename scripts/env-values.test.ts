import { parseEnvFile } from '@stackyard/compose';
import { quoteValue } from '@stackyard/env';
import { expect, test } from 'vitest';

test.each([
  'plain',
  '',
  'with blanks  inside ',
  '# no comment',
  'a#b',
  `$HOME and \${HOME}`,
  "it's",
  'say "hi"',
  '`id`',
  'back\\slash \\n',
  `every one of ' " $ \` \\ #`,
  'two\nlines',
])('a value that the example writes is read back by the env file parser unchanged: %j', (value) => {
  expect(parseEnvFile(`A=${quoteValue(value)}\n`, { env: { HOME: '/wrong' } })).toEqual({ A: value });
});
