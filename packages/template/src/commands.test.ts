import { expect, test } from 'vitest';
import { quoted } from './commands.ts';

test.each([
  ['C:\\my copy\\pnpmw.cmd', '"C:\\my copy\\pnpmw.cmd"'],
  ['create-stackyard@0.1.0', 'create-stackyard@0.1.0'],
  ['--only=correctness/noUnusedImports', '--only=correctness/noUnusedImports'],
  ['chore: start & go', '"chore: start & go"'],
  ['say "yes"', '"say ""yes"""'],
  ['', '""'],
])('%j is one word for the shell of Windows', (word, expected) => {
  expect(quoted(word)).toBe(expected);
});
