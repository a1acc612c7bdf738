import { existsSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createVariant, planVariant, replaceText } from '../src/index.ts';
import { checkout } from './checkout.ts';

test('each variant gets a block of ports of its own', () => {
  using tree = checkout('shop', 'mill');
  tree.write('apps/other/compose.yaml', 'services:\n  x:\n    image: y\n    ports: ["4325-4331:80"]\n');
  expect(planVariant(tree.root, 'farm').port).toBe(4340);
  expect(tree.read('apps/shop/compose.yaml')).toContain('SHOP_API_PORT:-4300');
  expect(tree.read('apps/mill/compose.yaml')).toContain('MILL_API_PORT:-4310');
});

test.each([
  ['Shop', ['"Shop" is no name', 'shop has the variable SHOP_API_PORT already']],
  ['shop', ['shop is taken', 'apps/shop is there already', 'SHOP_API_PORT']],
  ['http', ['http is a name of npm, of Node itself or of the system']],
  ['vitest', ['vitest is taken']],
  [`9${'x'.repeat(40)}`, ['longer than 32', 'is no name']],
  ['../shop', ['is no name']],
  ['', ['is no name']],
])('%j is refused with everything that is wrong with it', (name, problems) => {
  using tree = checkout('shop');
  expect(() => planVariant(tree.root, name)).toThrow(
    expect.objectContaining({
      code: 'TEMPLATE_VARIANT_NAME',
      exitCode: 2,
      details: problems.map((problem) => expect.stringContaining(problem)),
      hint: expect.stringContaining('acme-shop'),
    }),
  );
});

test('a variant that cannot be installed leaves nothing behind', async () => {
  using tree = checkout('shop');
  tree.write('.env.example', 'before\n');
  tree.write('pnpm-lock.yaml', 'before\n');
  tree.write(
    'pnpmw',
    '#!/bin/sh\necho after > .env.example\necho after > pnpm-lock.yaml\necho no space >&2\nexit 1\n',
  );
  tree.executable('pnpmw');
  await expect(createVariant(tree.root, planVariant(tree.root, 'mill'))).rejects.toMatchObject({
    code: 'TEMPLATE_STEP',
    details: ['no space'],
  });
  expect(readdirSync(tree.file('apps'))).toEqual(['shop']);
  expect(tree.read('.env.example') + tree.read('pnpm-lock.yaml')).toBe('before\nbefore\n');
  expect(existsSync(tree.file('.stackyard/new-mill'))).toBe(false);
});

test('so does an interruption, and a Compose file keeps its text when what follows fails', async () => {
  using tree = checkout('shop');
  tree.write('package.json', '{ "scripts": { "env:example": "" } }\n');
  tree.write('pnpmw', '#!/bin/sh\nexec sleep 60\n');
  tree.executable('pnpmw');
  const signal = AbortSignal.timeout(200);
  await expect(createVariant(tree.root, planVariant(tree.root, 'mill'), { signal })).rejects.toThrow();
  expect(readdirSync(tree.file('apps'))).toEqual(['shop']);
  const before = tree.read('apps/shop/compose.yaml');
  await expect(
    replaceText(tree.root, 'apps/shop/compose.yaml', 'services: {}\n', { signal: AbortSignal.timeout(200) }),
  ).rejects.toThrow();
  expect(tree.read('apps/shop/compose.yaml')).toBe(before);
  expect(readdirSync(tree.file('apps/shop'))).toEqual(
    [...planVariant(tree.root, 'x').files.keys()]
      .map((file) => file.split('/')[2])
      .filter(unique)
      .sort(),
  );
});

const unique = <T>(value: T, index: number, all: readonly T[]) => all.indexOf(value) === index;
