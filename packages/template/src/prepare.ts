import { checkNames, type Names, namesError } from './names.ts';
import { type Pruned, prune } from './prune.ts';
import { formatRecord, readRecord, recordFile, type TemplateRecord } from './record.ts';
import { clashesOf, renamer, renameTree } from './rename.ts';
import { type Selection, select } from './selection.ts';
import { entryOf, type Tree, textOf } from './tree.ts';
import { type PackageJson, readManifests, takenNames } from './workspace.ts';

/** What a person chose for a project. */
export interface Choice extends Names {
  readonly keep: readonly string[];
}

export interface Prepared {
  /** The project, before it is formatted and its generated files are made anew. */
  readonly tree: Tree;
  readonly selection: Selection;
  /** Of each file of the template that the project does not have, the reason. */
  readonly removed: ReadonlyMap<string, string>;
  /** What a path of the template is called in the project. */
  readonly rename: (path: string) => string;
}

/** The project that a choice makes of a template: pure, so that an upgrade can make it again. */
export function prepare(template: Tree, choice: Choice): Prepared {
  const selection = select(template, choice.keep);
  return rename(template, choice, selection, prune(template, selection));
}

/** The same for a project that is new: refuses names that cannot be. */
export function prepareNew(template: Tree, choice: Choice): Prepared {
  checkNames(choice, takenNames(template));
  const selection = select(template, choice.keep);
  const pruned = prune(template, selection);
  const clashes = clashesOf(pruned.tree, readRecord(template).template, choice);
  if (clashes.length > 0) {
    throw namesError([`${choice.name} is taken: the code has ${clashes.slice(0, 3).join(', ')} already`]);
  }
  return rename(template, choice, selection, pruned);
}

function rename(template: Tree, choice: Choice, selection: Selection, { tree, removed }: Pruned): Prepared {
  const record = readRecord(template);
  const files = new Map(renameTree(withoutRecord(tree), record.template, choice));
  const root = JSON.parse(textOf(files.get('package.json')) ?? '{}') as PackageJson;
  root.name = choice.name === root.name ? root.name : `${choice.name}-monorepo`;
  root.description = choice.title;
  files.set('package.json', entryOf(`${JSON.stringify(root, undefined, 2)}\n`));
  files.set(recordFile, entryOf(formatRecord(recordOf(template, record, choice, selection))));
  return { tree: files, selection, removed, rename: renamer(record.template, choice) };
}

function recordOf(
  template: Tree,
  record: TemplateRecord,
  choice: Choice,
  selection: Selection,
): TemplateRecord {
  const carrier = readManifests(template).find(({ name }) => name === record.template.package);
  const version = carrier?.json.version ?? record.template.version ?? '0.0.0';
  const { name, scope, title } = choice;
  return {
    template: { ...record.template, version },
    project: { name, scope, title, keep: selection.kept },
  };
}

function withoutRecord(tree: Tree): Tree {
  return new Map([...tree].filter(([file]) => file !== recordFile));
}
