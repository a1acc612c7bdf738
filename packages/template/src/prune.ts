import { withoutMentions } from './markdown.ts';
import { isCode, packageOf, resolveSpecifier, withoutImports } from './modules.ts';
import { goneNames, join, pruneManifest } from './prune-manifest.ts';
import { resolveRegions, withoutDoubleBlanks } from './regions.ts';
import { keepsOf, removalReason, type Selection, unneededWorkspaces } from './selection.ts';
import { type Entry, entryOf, type Tree, textOf } from './tree.ts';
import { dependencyFields, readManifests } from './workspace.ts';

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
  edit(files, (file, text) => resolveRegions(file, text, keepsOf(selection)));
  // What nothing needed in the first place is somebody's own, and may not be in use yet.
  const idle = new Set(unneededWorkspaces(readManifests(tree)));
  // A package that goes takes imports with it, and those may have been the last that needed another package.
  for (let before = -1; before !== removed.size; ) {
    before = removed.size;
    const gone = goneNames(tree, files);
    edit(files, (file, text) => {
      if (!isCode(file)) return text;
      return withoutImports(text, (specifier) => {
        const target = resolveSpecifier(file, specifier);
        return target === undefined
          ? gone.has(packageOf(specifier) ?? '')
          : tree.has(target) && !files.has(target);
      });
    });
    for (const manifest of readManifests(files)) {
      const json = pruneManifest(manifest, tree, files, goneWords);
      if (json) files.set(join(manifest.folder, 'package.json'), entryOf(json));
    }
    const folders = unneededWorkspaces(readManifests(files), idle);
    remove((file) =>
      folders.some((folder) => file.startsWith(`${folder}/`)) ? 'nothing needs it any more' : undefined,
    );
  }
  pruneTexts(files, tree, selection);
  return { tree: files, removed };
}

/** Pages, recipes and the catalog, which mention what has gone. */
function pruneTexts(files: Map<string, Entry>, before: Tree, selection: Selection): void {
  const goneWorkspaces = goneNames(before, files);
  const folders = readManifests(before).flatMap(({ name, folder }) =>
    goneWorkspaces.has(name) ? [folder] : [],
  );
  const [example = ''] = selection.kept;
  const used = new Set(
    readManifests(files).flatMap(({ json }) =>
      dependencyFields.flatMap((field) =>
        Object.entries(json[field] ?? {}).flatMap(([name, range]) => (range === 'catalog:' ? name : [])),
      ),
    ),
  );
  // A variant that somebody has added may be called by any word, and texts do not speak of it when they have that word.
  const introduction = textOf(before.get('README.md')) ?? '';
  const known = selection.pruned.filter((name) => introduction.includes(`\`${name}\``));
  // The name may be a word of the language too: it means the variant as code, or in front of a heading's colon.
  const ofVariant = (name: string) => new RegExp(`\`${name}\`|^#+ ${name}: `);
  const goneMentions = [
    ...known.map(ofVariant),
    ...selection.prunedEngines.map((name) => mention(name, 'i')),
  ];
  const keptNames = selection.kept.map((name) => mention(name, 'i'));
  const codes = codesIn(files);
  const goneCodes = new Set([...codesIn(before)].filter((code) => !codes.has(code)));
  const goneLinks = [...before.keys()].filter((file) => file.endsWith('.md') && !files.has(file));
  edit(files, (file, text) => {
    const own = /^apps\/[^/]+\//.test(file);
    if (file === 'pnpm-lock.yaml') return text;
    if (file === '.changeset/config.json') return withoutValues(text, goneWorkspaces);
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
          (goneMentions.some((name) => name.test(line)) && !keptNames.some((name) => name.test(line)))
        );
      });
    }
    // What is left are examples: commands that work with any variant.
    for (const name of known) result = result.replaceAll(argument(name), example);
    return result;
  });
}

/** A name as a word of its own: `mail` is none of `mail-queue`, nor of `MailQueue`. */
function mention(name: string, flags: string): RegExp {
  return new RegExp(`(?<![\\w-])${name}(?![\\w-])`, flags);
}

/** A variant where commands take one: as an argument, or as part of a path. */
function argument(name: string): RegExp {
  return new RegExp(`(?<=--filter |-p |\\bapps/|pnpmw \\S+ (?:dev|up) )${name}(?![\\w-])`, 'g');
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

/** `pnpm-workspace.yaml` with the versions that somebody still asks for. */
function pruneCatalog(text: string, used: ReadonlySet<string>): string {
  return text.replace(/^catalog:\n(?: {2}.*\n)+/m, (catalog) =>
    withoutLines(catalog, (line) => {
      const name = /^ {2}"?([^":]+)"?: /.exec(line)?.[1];
      return name !== undefined && !used.has(name);
    }),
  );
}

/** A JSON text without the strings that name something that is gone. */
function withoutValues(text: string, gone: ReadonlySet<string>): string {
  const filter = (_: string, value: unknown) =>
    Array.isArray(value) ? value.filter((entry) => !gone.has(entry)) : value;
  return `${JSON.stringify(JSON.parse(text, filter), undefined, 2)}\n`;
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
