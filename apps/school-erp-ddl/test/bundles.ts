import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { bundleFiles } from '../src/generate/bundle.ts';
import { type DistrictOptions, makeDistrict } from '../src/generate/district.ts';
import type { Version } from '../src/oneroster/spec.ts';
import { writeBundle } from '../src/oneroster/write.ts';

/** A folder that goes when the test ends. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'erp test '));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const SMALL: DistrictOptions = { schools: 2, students: 40, seed: 3 };

/** A small generated bundle as a folder. */
export async function generated(
  version: Version,
  options: Partial<DistrictOptions> & { lineItems?: number } = {},
): Promise<string> {
  const path = join(await folder(), 'bundle');
  const district = makeDistrict({ ...SMALL, ...options });
  await writeBundle(path, bundleFiles(district, { version, lineItems: options.lineItems ?? 0 }));
  return path;
}

/** Changes one file of a bundle, line by line or as a whole. */
export async function edit(path: string, file: string, change: (text: string) => string): Promise<void> {
  await writeFile(join(path, file), change(await readFile(join(path, file), 'utf8')));
}

/** The contents of a bundle folder, by file. */
export async function contents(path: string): Promise<Record<string, string>> {
  const names = (await readdir(path)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(path, name), 'utf8')] as const)),
  );
}

/** A bundle of exactly these files. */
export async function written(files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const path = join(await folder(), 'bundle');
  await mkdir(path);
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}
