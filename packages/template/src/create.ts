import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { commitAll, git } from './checkout.ts';
import { pnpmw } from './commands.ts';
import { finishTree, type InitOptions } from './init.ts';
import { type Operation, planOf } from './plan.ts';
import { type Choice, prepareNew } from './prepare.ts';
import { readRecord } from './record.ts';
import { TemplateError } from './template-error.ts';
import { type Tree, writeTree } from './tree.ts';

/** What `create` would do; refuses names and variants that cannot be. */
export function planCreate(template: Tree, choice: Choice): Operation[] {
  return planOf(template, prepareNew(template, choice), choice);
}

/** Refuses a folder that holds something. */
export function checkTarget(target: string): void {
  if (!existsSync(target)) return;
  const entries = statSync(target).isDirectory() ? readdirSync(target) : [path.basename(target)];
  if (entries.length === 0) return;
  throw new TemplateError('TEMPLATE_TARGET', `${target} is not empty: ${entries.slice(0, 5).join(', ')}`, {
    hint: 'name a folder that does not exist yet, or an empty one',
    exitCode: 2,
  });
}

/** Makes a new project in `target`. It is built beside it and gets its name once it is complete. */
export async function createProject(
  template: Tree,
  target: string,
  choice: Choice,
  options: InitOptions = {},
): Promise<void> {
  const { say = () => {}, signal, commit = false } = options;
  checkTarget(target);
  const { tree } = prepareNew(template, choice);
  mkdirSync(path.dirname(target), { recursive: true });
  const stage = mkdtempSync(path.join(path.dirname(target), `.${choice.name}-`));
  try {
    const root = path.join(stage, choice.name);
    writeTree(root, tree);
    await finishTree(root, say, signal);
    // An empty folder stays the one it is: somebody may be in it.
    if (!existsSync(target)) renameSync(root, target);
    else for (const entry of readdirSync(root)) renameSync(path.join(root, entry), path.join(target, entry));
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
  await pnpmw(target, ['install', '--prefer-offline', '--frozen-lockfile'], signal);
  if (!commit) return;
  const { package: carrier, version } = readRecord(tree).template;
  git(target, 'init', '--quiet', '--initial-branch=main');
  await commitAll(target, `chore: start from ${carrier} ${version}`);
}
