import { expect, test } from 'vitest';
import { checkNames, formsOf, nameProblem, scopeProblem, titleOf, titleProblem } from './names.ts';

const taken = new Set(['shop', 'vitest', 'test']);

test('a name is written as each kind of text writes it', () => {
  expect(formsOf('acme-shop2')).toEqual({
    kebab: 'acme-shop2',
    snake: 'acme_shop2',
    upper: 'ACME_SHOP2',
    camel: 'acmeShop2',
    pascal: 'AcmeShop2',
  });
  expect(titleOf('acme-shop')).toBe('Acme Shop');
});

test.each(['acme', 'a', 'acme-shop', 'a1-2b'])('%s is a name', (name) => {
  expect(nameProblem(name, taken)).toBeUndefined();
});

test.each([
  ['', 'needs a name'],
  ['Acme', 'is no name'],
  ['2048', 'is no name'],
  ['acme--shop', 'is no name'],
  ['acme-', 'is no name'],
  ['.acme', 'is no name'],
  ['_acme', 'is no name'],
  ['acme shop', 'is no name'],
  ['../acme', 'is no name'],
  ['äcme', 'is no name'],
  ['a'.repeat(33), 'longer than 32'],
  ['node_modules', 'is no name'],
  ['http', 'of Node itself'],
  ['npm', 'of npm'],
  ['docker', 'of the system'],
  ['con', 'of the system'],
  ['vitest', 'is taken'],
  ['shop', 'is taken'],
  ['store', 'is a command of pnpm'],
  ['etc', 'of the system'],
])('%j is refused as a name', (name, problem) => {
  expect(nameProblem(name, taken)).toContain(problem);
});

test.each(['acme', 'acme.shop', '0acme', 'a_b-c'])('@%s is a scope', (scope) => {
  expect(scopeProblem(scope)).toBeUndefined();
});

test.each(['', '@acme', 'Acme', '.acme', '_acme', 'a/b', 'ac me', 'types', 'a'.repeat(101)])(
  '%j is refused as a scope',
  (scope) => {
    expect(scopeProblem(scope)).toBeDefined();
  },
);

test.each(['', ' Acme', "Acme's", 'A\nB', '<b>', '`x`'])('%j is refused as a title', (title) => {
  expect(titleProblem(title)).toBeDefined();
});

test('a scope that is only the name is no problem of its own', () => {
  expect(() => checkNames({ name: 'Acme', scope: 'Acme', title: 'Acme' }, taken)).toThrow(
    expect.objectContaining({ details: [expect.stringContaining('"Acme" is no name')] }),
  );
});

test('all problems are told at once, and what would do', () => {
  expect(() => checkNames({ name: 'Acme', scope: '@acme', title: 'Acme' }, taken)).toThrow(
    expect.objectContaining({
      code: 'TEMPLATE_NAMES',
      exitCode: 2,
      details: [expect.stringContaining('"Acme"'), expect.stringContaining('"@acme"')],
      hint: expect.stringContaining('--name acme-shop'),
    }),
  );
});
