import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ExternalPackages } from './external-packages.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'external packages '));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An npm that only writes down how it was called. */
function fakeNpm(exitCode: number): Record<string, string> {
  const npm = path.join(folder, 'npm');
  writeFileSync(
    npm,
    `#!/bin/sh\nprintf '%s\\n' "$@" >> '${folder}/calls'\nmkdir -p node_modules\nexit ${exitCode}\n`,
  );
  chmodSync(npm, 0o755);
  return { PATH: `${folder}${path.delimiter}${process.env.PATH}` };
}

test('packages that the working folder lacks are installed once, in the wanted versions', async () => {
  const packages = new ExternalPackages(path.join(folder, 'root'), fakeNpm(0));
  const wanted = [{ name: 'no-such-package-here', version: '1.2.3' }];
  const first = await packages.prepare(wanted);
  expect(await packages.prepare(wanted)).toBe(first);
  expect(existsSync(first)).toBe(true);
  const calls = readFileSync(path.join(folder, 'calls'), 'utf8');
  expect(calls.match(/^install$/gm)).toHaveLength(1);
  expect(calls).toContain('--ignore-scripts');
  expect(calls).toContain('no-such-package-here@1.2.3');
});

test('a failed installation leaves nothing behind', async () => {
  const packages = new ExternalPackages(path.join(folder, 'root'), fakeNpm(1));
  await expect(packages.prepare([{ name: 'no-such-package-here', version: '1.2.3' }])).rejects.toThrow();
  await expect(packages.prepare([{ name: 'no-such-package-here', version: '1.2.3' }])).rejects.toThrow();
  expect(readFileSync(path.join(folder, 'calls'), 'utf8').match(/^install$/gm)).toHaveLength(2);
});

test('packages that the working folder has in the wanted version are linked', async () => {
  const { version } = JSON.parse(
    readFileSync(new URL('../../node_modules/vitest/package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  const packages = new ExternalPackages(path.join(folder, 'root'), fakeNpm(1));
  const modules = await packages.prepare([{ name: 'vitest', version }]);
  expect(existsSync(path.join(modules, 'vitest', 'package.json'))).toBe(true);
});
