import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Queryable } from '../database.ts';
import { diagram } from './diagram.ts';
import { html, markdown } from './dictionary.ts';
import { readModel } from './model.ts';

/** Where the documentation of the schema lies. */
export const DOCS = fileURLToPath(new URL('../../docs/schema', import.meta.url));

/**
 * Every file of the documentation, by its path below the folder; made from the catalog alone. Laying out a picture
 * takes a while: one in `reuse` that was made of the same tables is taken as it is.
 */
export async function documentation(
  db: Queryable,
  options: { readonly reuse?: string } = {},
): Promise<Map<string, string>> {
  const domains = await readModel(db);
  const files = new Map<string, string>([['dictionary.html', html(domains)]]);
  for (const domain of domains) {
    files.set(`dictionary/${domain.name}.md`, markdown(domain));
    if (domain.tables.length === 0) continue;
    const name = `diagrams/${domain.name}.svg`;
    const mark = `<!-- of ${createHash('sha256').update(JSON.stringify(domain.tables)).digest('hex')} -->\n`;
    const before = options.reuse && (await readFile(join(options.reuse, name), 'utf8').catch(() => ''));
    files.set(name, before?.endsWith(mark) ? before : `${await diagram(domain)}${mark}`);
  }
  return files;
}

/** Files that are missing, differ or should not be there. */
export async function drift(expected: ReadonlyMap<string, string>, folder = DOCS): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const names = found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  const stale = names.filter((name) => !expected.has(name));
  for (const [name, text] of expected) {
    const now = await readFile(join(folder, name), 'utf8').catch(() => undefined);
    if (now !== text) stale.push(name);
  }
  return stale.sort();
}

/** Writes the documentation, and removes what is no longer part of it. */
export async function writeDocumentation(files: ReadonlyMap<string, string>, folder = DOCS): Promise<void> {
  for (const name of await drift(files, folder)) if (!files.has(name)) await rm(join(folder, name));
  for (const [name, text] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}
