import { expect, test } from 'vitest';
import { resolveRegions, wholeFileWords } from './regions.ts';

// Spelled so that this very file has no region.
const only = 'only';
const keeps = (word: string) => word === 'mail' || word === 'news';
const resolve = (...lines: string[]) => resolveRegions('a.ts', lines.join('\n'), keeps);

test.each([
  ['//', ''],
  ['#', ''],
  ['--', ''],
  ['<!--', ' -->'],
  ['/*', ' */'],
])('regions in comments that begin with %s stay or go, and their marks always go', (begin, end) => {
  const region = (words: string, line: string) => [
    `${begin} ${only}: ${words}${end}`,
    line,
    `${begin} /${only}${end}`,
  ];
  expect(resolve('a', ...region('mail', 'b'), ...region('fax', 'c'), ...region('fax, news', 'd'), 'e')).toBe(
    'a\nb\nd\ne',
  );
  expect(resolve('a', `b ${begin} ${only}: mail${end}`, `c ${begin} ${only}: fax${end}`)).toBe('a\nb');
});

test('a region inside one that goes, goes', () => {
  expect(resolve('a', `# ${only}: fax`, `# ${only}: mail`, 'b', `# /${only}`, `# /${only}`, 'c')).toBe(
    'a\nc',
  );
});

test('what only projects show is shown, and no two blank lines are left behind', () => {
  expect(resolve('a', '', `<!-- ${only}: fax -->`, 'b', `<!-- /${only} -->`, '', 'c')).toBe('a\n\nc');
  expect(resolve('a', `<!-- ${only}: project`, 'b', '-->')).toBe('a\nb');
});

test('a mark in the first line that nothing closes stands for the file', () => {
  expect(wholeFileWords(`// ${only}: fax, mail\na\n`)).toEqual(['fax', 'mail']);
  expect(wholeFileWords(`// ${only}: fax\na\n// /${only}\n`)).toBeUndefined();
  expect(resolve(`// ${only}: mail`, 'a')).toBe('a');
});

test('a region without an end is refused by the name of its file', () => {
  expect(() => resolve('a', `// ${only}: mail`, 'b')).toThrow(
    expect.objectContaining({ code: 'TEMPLATE_REGION', message: 'a region of a.ts has no end' }),
  );
});
