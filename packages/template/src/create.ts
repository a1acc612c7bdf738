import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { commitAll, git } from './checkout.ts';
import { pnpmw } from './commands.ts';
import { finishTree, type InitOptions } from './init.ts';
import { checkNames } from './names.ts';
import { type Operation, planOf } from './plan.ts';
import { type Choice, prepare } from './prepare.ts';
import { readRecord } from './record.ts';
import { TemplateError } from './template-error.ts';
import { type Tree, writeTree } from './tree.ts';
import { takenNames } from './workspace.ts';

/** What `create` would do; refuses names and variants that cannot be. */
export function planCreate(template: Tree, choice: Choice): Operation[] {
  checkNames(choice, takenNames(template));
  return planOf(template, prepare(template, choice), choice);
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
  checkNames(choice, takenNames(template));
  checkTarget(target);
  const { tree } = prepare(template, choice);
  mkdirSync(path.dirname(target), { recursive: true });
  const stage = mkdtempSync(path.join(path.dirname(target), `.${choice.name}-`));
  try {
    const root = path.join(stage, choice.name);
    writeTree(root, tree);
    await finishTree(root, say, signal);
    if (existsSync(target)) rmdirSync(target);
    renameSync(root, target);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
  await pnpmw(target, ['install', '--prefer-offline', '--frozen-lockfile'], signal);
  if (!commit) return;
  const { package: carrier, version } = readRecord(tree).template;
  git(target, 'init', '--quiet', '--initial-branch=main');
  await commitAll(target, `chore: start from ${carrier} ${version}`);
}
