import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { commitAll, isDirty } from './checkout.ts';
import { pnpmw } from './commands.ts';
import { finishingSteps, type Operation, planOf } from './plan.ts';
import { type Choice, prepareNew } from './prepare.ts';
import { readRecord, type TemplateRecord } from './record.ts';
import { journalOf, switchTrees, writeJournal } from './switch.ts';
import { TemplateError } from './template-error.ts';
import { isCheckout, readTree, type Tree, walkTree, writeTree } from './tree.ts';
import { readVariants, takenNames } from './workspace.ts';

/** A tree that can still become a project, and what there is to choose. */
export interface Template {
  readonly root: string;
  readonly tree: Tree;
  readonly record: TemplateRecord;
  readonly variants: readonly string[];
  readonly taken: ReadonlySet<string>;
}

export interface InitOptions {
  readonly commit?: boolean;
  readonly signal?: AbortSignal;
  /** Told what is being done, a line each. */
  readonly say?: (line: string) => void;
}

export function openTemplate(root: string): Template {
  const tree = readTree(root);
  return {
    root,
    tree,
    record: readRecord(tree),
    variants: readVariants(tree).map(({ name }) => name),
    taken: takenNames(tree),
  };
}

/** What `init` would do; refuses names and variants that cannot be. */
export function planInit(template: Template, choice: Choice): Operation[] {
  return planOf(template.tree, prepareNew(template.tree, choice), choice);
}

/**
 * Makes the project out of the tree at `template.root`. The new tree is built and finished beside the old one; only
 * then do they change places, so that a failure or an interruption leaves either of them whole.
 *
 * @returns whether a commit was made
 */
export async function initProject(
  template: Template,
  choice: Choice,
  options: InitOptions = {},
): Promise<boolean> {
  const { root, tree } = template;
  const { say = () => {}, signal } = options;
  const prepared = prepareNew(tree, choice);
  if (isDirty(root)) {
    throw new TemplateError('TEMPLATE_DIRTY', 'the checkout has changes that are not committed', {
      hint: 'commit them (they are kept) or take them back, then run this again',
    });
  }
  const state = { from: `.${template.record.template.name}`, to: `.${choice.name}` };
  const folder = path.join(root, state.from, 'init');
  const stage = path.join(folder, 'tree');
  rmSync(folder, { recursive: true, force: true });
  try {
    mkdirSync(stage, { recursive: true });
    writeTree(stage, prepared.tree);
    await finishTree(stage, say, signal);
    // The secrets of data that are there already have to stay with them.
    const whole = hasEntries(path.join(root, 'data'));
    const journal = journalOf(tree, walkTree(stage), path.relative(root, stage), { ...state, whole });
    say('putting the new files in place');
    writeJournal(folder, journal);
    await switchTrees(root, folder);
  } catch (error) {
    if (!existsSync(path.join(folder, 'journal.json'))) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  say('installing');
  const hint = 'this is the project now, and only its packages are missing: ./pnpmw install';
  await pnpmw(root, ['install', '--prefer-offline'], undefined, hint);
  if (!options.commit || !isCheckout(root)) return false;
  const { package: carrier, version } = readRecord(readTree(root)).template;
  await commitAll(root, `chore: start from ${carrier} ${version}`);
  return true;
}

/** Formats a new tree and makes its generated files, with the tools of that tree. */
export async function finishTree(
  root: string,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  for (const { args } of finishingSteps) {
    say(`./pnpmw ${args.join(' ')}`);
    await pnpmw(root, args, signal);
  }
}

function hasEntries(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length > 0;
}
