// only: template
/**
 * Publishes every package whose version the registry does not have yet.
 *
 *   ./pnpmw release            builds, checks, publishes; options after `--` go to `pnpm publish`
 *   ./pnpmw release --check    stops before it publishes
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { $, argv } from 'zx';
import { build } from './build.ts';
import { faultsOf, pack } from './check-packages.ts';

/** Builds and checks the packages of the checkout at `root`. @throws with everything that is wrong with them */
async function check(root: string): Promise<readonly string[]> {
  const packages = await build(root);
  const folder = await mkdtemp(join(tmpdir(), 'stackyard-packages-'));
  try {
    const faults = await faultsOf(await pack(root, packages, folder));
    if (faults.length > 0) throw new Error(`The packages are not fit to be published:\n${faults.join('\n')}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return packages.map(({ name, manifest }) => `${name}@${manifest.version}`);
}

async function main(): Promise<void> {
  const root = resolve(import.meta.dirname, '..');
  const checked = await check(root);
  console.log(`Fit to be published:\n  ${checked.join('\n  ')}`);
  if (argv.check) return;
  const filters = checked.flatMap((id) => ['--filter', id.slice(0, id.lastIndexOf('@'))]);
  const options = argv._.map(String);
  await $({ cwd: root, stdio: 'inherit' })`${join(root, 'pnpmw')} ${filters} -r publish ${options}`;
}

if (import.meta.main) await main();
