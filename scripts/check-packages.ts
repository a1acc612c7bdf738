// only: template
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { $ } from 'zx';
import type { Manifest, PublishedPackage } from './published-packages.ts';

/** Packs each package as it would be published. @returns the paths of the tarballs, in the order of the packages */
export async function pack(
  root: string,
  packages: readonly PublishedPackage[],
  folder: string,
): Promise<readonly string[]> {
  const tarballs: string[] = [];
  for (const { directory, name, manifest } of packages) {
    await $({ cwd: directory, quiet: true })`${join(root, 'pnpmw')} pack --pack-destination ${folder}`;
    tarballs.push(join(folder, `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`));
  }
  return tarballs;
}

/** Everything that is wrong with the tarballs, a line each: what publint and attw say, and what a release promises. */
export async function faultsOf(tarballs: readonly string[]): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const tarball of tarballs) {
    const found = [
      ...(await contentFaults(tarball)),
      ...(await publintFaults(tarball)),
      ...(await attwFaults(tarball)),
    ];
    faults.push(...found.map((fault) => `${basename(tarball)}: ${fault}`));
  }
  return faults;
}

async function contentFaults(tarball: string): Promise<string[]> {
  const { stdout } = await $({ quiet: true })`tar -tzf ${tarball}`;
  const files = stdout.trim().split('\n');
  const manifest = (await $({ quiet: true })`tar -xzOf ${tarball} package/package.json`).stdout;
  return fileFaults(files, manifest);
}

/** What the list of files and the package.json of a tarball have that a release must not have, or lack. */
export function fileFaults(files: readonly string[], manifest: string): string[] {
  const { exports = {}, bin = {} } = JSON.parse(manifest) as Manifest;
  const targets = [...Object.values(exports), ...Object.values(bin)].map((path) =>
    path.replace(/^\./, 'package'),
  );
  return [
    ...['package/README.md', 'package/LICENSE']
      .filter((file) => !files.includes(file))
      .map((file) => `${file} is missing`),
    ...targets
      .flatMap((path) => (path.endsWith('.json') ? [path] : [path, path.replace(/\.js$/, '.d.ts')]))
      .filter((path) => !files.includes(path))
      .map((path) => `${path} is missing`),
    ...files.filter((file) => isSource(file)).map((file) => `${file} is a source`),
    ...(/"(?:workspace|catalog|link|file):/.test(manifest)
      ? ['package.json names versions of this workspace']
      : []),
  ];
}

/** What is carried as data (`template/`) may be anything. */
function isSource(file: string): boolean {
  if (file.startsWith('package/template/')) return false;
  return /^package\/src\/|\.test\.|(?<!\.d)\.ts$|\.tsbuildinfo$/.test(file);
}

async function publintFaults(tarball: string): Promise<string[]> {
  const bytes = await readFile(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
    strict: true,
  });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`);
}

const attw = fileURLToPath(
  new URL('dist/index.js', import.meta.resolve('@arethetypeswrong/cli/package.json')),
);

async function attwFaults(tarball: string): Promise<string[]> {
  const shell = $({ quiet: true, nothrow: true });
  const output =
    await shell`${process.execPath} ${attw} ${tarball} --profile esm-only --format ascii --no-color --no-emoji`;
  return output.exitCode === 0 ? [] : [`attw:\n${output.stdout}${output.stderr}`];
}
