import { importsOf, isCode, packageOf } from './modules.ts';
import { type Tree, textOf } from './tree.ts';
import { dependencyFields, type Manifest, type PackageJson, readManifests } from './workspace.ts';

/** Names of the workspaces that were there before and are gone. */
export function goneNames(before: Tree, files: Tree): ReadonlySet<string> {
  const names = new Set(readManifests(files).map(({ name }) => name));
  return new Set(readManifests(before).flatMap(({ name }) => (names.has(name) ? [] : [name])));
}

/**
 * What a `package.json` says once files and workspaces have gone: without dependencies that nothing imports any more,
 * and without exports and scripts that lead nowhere. Undefined when it says the same.
 */
export function pruneManifest(
  manifest: Manifest,
  before: Tree,
  files: Tree,
  goneWords: ReadonlySet<string>,
): string | undefined {
  const { folder } = manifest;
  const json = structuredClone(manifest.json) as PackageJson;
  const workspaces = goneNames(before, files);
  const imported = (tree: Tree) =>
    new Set(
      [...tree].flatMap(([file, content]) =>
        folder !== '' && file.startsWith(`${folder}/`) && isCode(file)
          ? importsOf(textOf(content) ?? '').map(packageOf)
          : [],
      ),
    );
  const [then, now] = [imported(before), imported(files)];
  const isGone = (name: string): boolean =>
    workspaces.has(name) ||
    (then.has(name) && !now.has(name)) ||
    (name.startsWith('@types/') && isGone(name.slice('@types/'.length)));
  for (const field of dependencyFields) {
    if (json[field]) json[field] = without(json[field], isGone);
  }
  const target = (value: unknown) =>
    typeof value === 'string' ? join(folder, value.replace(/^\.\//, '')) : '';
  const goneExports = Object.keys(json.exports ?? {}).filter((name) => {
    const file = target(json.exports?.[name]);
    return before.has(file) && !files.has(file);
  });
  for (const holder of [json, json.publishConfig]) {
    if (holder?.exports) holder.exports = without(holder.exports, (name) => goneExports.includes(name));
  }
  if (json.keywords) json.keywords = json.keywords.filter((word) => !goneWords.has(word));
  if (json.scripts) {
    json.scripts = without(json.scripts, (name) =>
      (json.scripts?.[name] ?? '').split(' ').some((word) => {
        const file = target(word);
        return before.has(file) && !files.has(file);
      }),
    );
  }
  const text = JSON.stringify(json, undefined, 2);
  return text === JSON.stringify(manifest.json, undefined, 2) ? undefined : `${text}\n`;
}

function without<Value>(
  record: Record<string, Value>,
  isGone: (key: string) => boolean,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !isGone(key)));
}

export function join(folder: string, file: string): string {
  return folder === '' ? file : `${folder}/${file}`;
}
