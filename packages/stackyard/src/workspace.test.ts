import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findWorkspace, selectVariant } from './workspace.ts';

let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(path.join(tmpdir(), 'stackyard workspace ')));
  write('infra/compose.yaml');
  write('apps/shop/compose.yaml');
  write('apps/shop/src/deep/file');
  write('apps/bank/compose.yaml');
  write('apps/library/package.json');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(file: string, text = ''): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

test('a folder of apps with a compose.yaml is a variant', () => {
  expect(findWorkspace(root)).toEqual({ root, variants: ['bank', 'shop'], current: undefined });
});

test('a command inside a variant means that one, however deep', () => {
  const inside = findWorkspace(path.join(root, 'apps/shop/src/deep'));
  expect(inside).toMatchObject({ root, current: 'shop' });
  expect(selectVariant(inside).name).toBe('shop');
  expect(selectVariant(inside, 'bank').name).toBe('bank');
});

test('without a name, outside of every variant, all of them are offered', () => {
  expect(() => selectVariant(findWorkspace(path.join(root, 'apps/library')))).toThrow(
    expect.objectContaining({
      code: 'STACKYARD_USAGE',
      exitCode: 2,
      hint: expect.stringContaining('bank, shop'),
    }),
  );
});

test('a name that is none is refused with those that are', () => {
  expect(() => selectVariant(findWorkspace(root), '../shop')).toThrow(
    expect.objectContaining({
      message: 'there is no variant "../shop"',
      hint: expect.stringContaining('bank, shop'),
    }),
  );
});

test('a folder that is no checkout is said to be none', () => {
  expect(() => findWorkspace(tmpdir())).toThrow(expect.objectContaining({ code: 'STACKYARD_USAGE' }));
});

test('scripts and commands come from the package.json of the variant, which has to be JSON', () => {
  write(
    'apps/shop/package.json',
    JSON.stringify({ name: '@acme/shop', scripts: { 'dev:api': 'x' }, bin: './cli.js' }),
  );
  expect(selectVariant(findWorkspace(root), 'shop')).toMatchObject({
    scripts: { 'dev:api': 'x' },
    commands: { shop: path.join(root, 'apps/shop/cli.js') },
  });
  write('apps/shop/package.json', '{');
  expect(() => selectVariant(findWorkspace(root), 'shop')).toThrow(
    expect.objectContaining({ code: 'STACKYARD_PACKAGE_JSON' }),
  );
});
