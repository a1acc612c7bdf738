import { withoutMentions } from './markdown.ts';
import { importsOf, isCode, packageOf, resolveSpecifier, withoutImports } from './modules.ts';
import { resolveRegions, withoutDoubleBlanks } from './regions.ts';
import { keepsOf, removalReason, type Selection, unneededWorkspaces } from './selection.ts';
import { type Entry, entryOf, type Tree, textOf } from './tree.ts';
import { dependencyFields, type Manifest, type PackageJson, readManifests } from './workspace.ts';

/** A tree and why it is no longer what it was. */
export interface Pruned {
  readonly tree: Tree;
  /** Of each file that went, the reason. */
  readonly removed: ReadonlyMap<string, string>;
}

/** The tree with what the selection keeps, still under the template's names. */
export function prune(tree: Tree, selection: Selection): Pruned {
  const files = new Map(tree);
  const removed = new Map<string, string>();
  const remove = (reasonOf: (file: string) => string | undefined) => {
    for (const file of [...files.keys()]) {
      const reason = reasonOf(file);
      if (reason === undefined) continue;
      files.delete(file);
      removed.set(file, reason);
    }
  };
  remove(removalReason(tree, selection));
  const goneWords = new Set([...selection.pruned, ...selection.prunedEngines]);
  edit(files, (_, text) => resolveRegions(text, keepsOf(selection)));
  // A package that goes takes imports with it, and those may have been the last that needed another package.
  for (let before = -1; before !== removed.size; ) {
    before = removed.size;
    edit(files, (file, text) => (isCode(file) ? withoutImports(text, goneFrom(file, tree, files)) : text));
    for (const manifest of readManifests(files)) {
      const entry = files.get(join(manifest.folder, 'package.json'))!;
      files.set(
        join(manifest.folder, 'package.json'),
        pruneManifest(manifest, entry, tree, files, goneWords),
      );
    }
    const folders = unneededWorkspaces(readManifests(files));
    remove((file) =>
      folders.some((folder) => file.startsWith(`${folder}/`)) ? 'nothing needs it any more' : undefined,
    );
  }
  pruneTexts(files, tree, selection);
  return { tree: files, removed };
}

/** Pages, recipes and the catalog, which mention what has gone. */
function pruneTexts(files: Map<string, Entry>, before: Tree, selection: Selection): void {
  const folders = folderDifference(before, files);
  const [example = ''] = selection.kept;
  const used = new Set(
    readManifests(files).flatMap(({ json }) =>
      dependencyFields.flatMap((field) =>
        Object.entries(json[field] ?? {}).flatMap(([name, range]) => (range === 'catalog:' ? name : [])),
      ),
    ),
  );
  const goneNames = [...selection.pruned, ...selection.prunedEngines].map((name) => mention(name, 'i'));
  const keptNames = selection.kept.map((name) => mention(name, 'i'));
  const codes = codesIn(files);
  const goneCodes = new Set([...codesIn(before)].filter((code) => !codes.has(code)));
  const goneLinks = [...before.keys()].filter((file) => file.endsWith('.md') && !files.has(file));
  edit(files, (file, text) => {
    const own = /^apps\/[^/]+\//.test(file);
    if (file === 'pnpm-lock.yaml') return text;
    if (file === 'pnpm-workspace.yaml') return pruneCatalog(text, used);
    if (/(^|\/)Dockerfile/.test(file))
      return withoutLines(text, (line) =>
        folders.some((folder) => line.startsWith('COPY ') && line.includes(`${folder}/`)),
      );
    let result = text;
    if (file.endsWith('.md') && !own) {
      result = withoutMentions(result, (line) => {
        const link = goneLinks.some((page) => line.includes(`](${page})`));
        const code = /^\| `(\w+)` +\|/.exec(line)?.[1];
        return (
          link ||
          (code !== undefined && goneCodes.has(code)) ||
          (goneNames.some((name) => name.test(line)) && !keptNames.some((name) => name.test(line)))
        );
      });
    }
    // What is left are examples: commands that work with any variant.
    for (const name of selection.pruned) result = result.replaceAll(mention(name, 'g'), example);
    return result;
  });
}

/** A name as a word of its own: `mail` is none of `mail-queue`, nor of `MailQueue`. */
function mention(name: string, flags: string): RegExp {
  return new RegExp(`(?<![\\w-])${name}(?![\\w-])`, flags);
}

/** Constants in capitals that sources write as strings or keys: error codes among them. */
function codesIn(tree: Tree): Set<string> {
  return new Set(
    [...tree].flatMap(([file, entry]) =>
      isCode(file) && !file.includes('.test.')
        ? [...(textOf(entry) ?? '').matchAll(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/g)].map(([code]) => code)
        : [],
    ),
  );
}

function edit(files: Map<string, Entry>, change: (file: string, text: string) => string): void {
  for (const [file, entry] of files) {
    const text = textOf(entry);
    if (text === undefined) continue;
    const changed = change(file, text);
    if (changed !== text) files.set(file, entryOf(changed, entry.executable));
  }
}

/** Whether a specifier of this file led somewhere before, and leads nowhere now. */
function goneFrom(file: string, before: Tree, files: Tree): (specifier: string) => boolean {
  const names = new Set(readManifests(files).map(({ name }) => name));
  const old = new Set(readManifests(before).map(({ name }) => name));
  return (specifier) => {
    const target = resolveSpecifier(file, specifier);
    if (target !== undefined) return before.has(target) && !files.has(target);
    const name = packageOf(specifier);
    return name !== undefined && old.has(name) && !names.has(name);
  };
}

function pruneManifest(
  manifest: Manifest,
  entry: Entry,
  before: Tree,
  files: Tree,
  goneWords: ReadonlySet<string>,
): Entry {
  const { folder } = manifest;
  const json = structuredClone(manifest.json) as PackageJson;
  const workspaces = new Set(readManifests(files).map(({ name }) => name));
  const was = new Set(readManifests(before).map(({ name }) => name));
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
    (was.has(name) && !workspaces.has(name)) ||
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
  const text = `${JSON.stringify(json, undefined, 2)}\n`;
  return JSON.stringify(json) === JSON.stringify(manifest.json) ? entry : entryOf(text);
}

function without<Value>(
  record: Record<string, Value>,
  isGone: (key: string) => boolean,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !isGone(key)));
}

/** `pnpm-workspace.yaml` with the versions that somebody still asks for. */
function pruneCatalog(text: string, used: ReadonlySet<string>): string {
  return text.replace(/^catalog:\n(?: {2}.*\n)+/m, (catalog) =>
    withoutLines(catalog, (line) => {
      const name = /^ {2}"?([^":]+)"?: /.exec(line)?.[1];
      return name !== undefined && !used.has(name);
    }),
  );
}

function withoutLines(text: string, isGone: (line: string) => boolean): string {
  return withoutDoubleBlanks(
    text,
    text
      .split('\n')
      .filter((line) => !isGone(line))
      .join('\n'),
  );
}

/** Folders of workspaces that were there before and have gone. */
function folderDifference(before: Tree, files: Tree): string[] {
  const now = new Set(readManifests(files).map(({ folder }) => folder));
  return readManifests(before)
    .map(({ folder }) => folder)
    .filter((folder) => folder !== '' && !now.has(folder));
}

function join(folder: string, file: string): string {
  return folder === '' ? file : `${folder}/${file}`;
}
