// only: template
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { $ } from 'zx';
import { faultsOf, fileFaults } from './check-packages.ts';
import { publishedPackages } from './published-packages.ts';

const root = resolve(import.meta.dirname, '..');

test('what is published is what development uses, built', async () => {
  const packages = await publishedPackages(root);
  expect(packages.map(({ name }) => name)).toContain('stackyard');
  for (const { name, manifest, directory } of packages) {
    const { exports, bin, publishConfig, ...rest } = manifest;
    expect({ name, exports: publishConfig?.exports }).toEqual({ name, exports: built(exports) });
    expect({ name, bin: publishConfig?.bin }).toEqual({ name, bin: built(bin) });
    expect({ name, access: publishConfig?.access }).toEqual({ name, access: 'public' });
    expect(rest, directory).toMatchObject({
      description: expect.any(String),
      keywords: expect.arrayContaining([expect.any(String)]),
      license: 'MIT',
      type: 'module',
      engines: { node: expect.stringMatching(/^>=\d+$/) },
      files: expect.arrayContaining(['dist']),
    });
  }
});

test('packages come after those that they use', async () => {
  const order: string[] = [];
  for (const { name, uses } of await publishedPackages(root)) {
    expect(order).toEqual(expect.arrayContaining([...uses]));
    order.push(name);
  }
});

test('sources, missing files and versions of the workspace are faults', () => {
  const manifest = {
    exports: { '.': './dist/index.js', './other': './dist/other.js' },
    bin: { x: './dist/x.js' },
    dependencies: { y: 'workspace:*' },
  };
  const files = ['README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/x.js', 'dist/x.d.ts', 'src/index.ts'];
  expect(
    fileFaults(
      files.map((file) => `package/${file}`),
      JSON.stringify(manifest),
    ),
  ).toEqual([
    'package/LICENSE is missing',
    'package/dist/other.js is missing',
    'package/dist/other.d.ts is missing',
    'package/src/index.ts is a source',
    'package.json names versions of this workspace',
  ]);
});

test('publint and attw are asked, and their answers are faults', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stackyard-faults-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await writeFile(join(folder, 'README.md'), '# broken\n');
  await writeFile(join(folder, 'index.js'), 'module.exports = 1;\n');
  await writeFile(
    join(folder, 'index.d.ts'),
    "export { a } from './nowhere.js';\nexport declare const b: 1;\n",
  );
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'broken', version: '1.0.0', type: 'module', exports: { '.': './index.js' } }),
  );
  await $({ cwd: folder, quiet: true })`npm pack --ignore-scripts`;
  const faults = await faultsOf([join(folder, 'broken-1.0.0.tgz')]);
  expect(faults.some((fault) => /publint: .*index\.js/.test(fault))).toBe(true);
  expect(faults.some((fault) => /attw:.*internal resolution/is.test(fault))).toBe(true);
});

function built(paths: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  if (paths === undefined) return undefined;
  const entries = Object.entries(paths);
  return Object.fromEntries(
    entries.map(([key, path]) => [key, path.replace('./src/', './dist/').replace(/\.ts$/, '.js')]),
  );
}
