import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { commitAll } from './checkout.ts';
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
  const parent = path.dirname(target);
  const stage = makeStage(parent, `.${choice.name}-${process.pid}-`);
  const placed: string[] = [];
  const place = (from: string, to: string) => {
    renameSync(from, to);
    placed.push(to);
  };
  try {
    const root = path.join(stage, choice.name);
    writeTree(root, tree);
    await finishTree(root, say, signal);
    // An empty folder stays the one it is: somebody may be in it.
    if (!existsSync(target)) place(root, target);
    else for (const entry of readdirSync(root)) place(path.join(root, entry), path.join(target, entry));
    // What is installed knows its place.
    await pnpmw(target, ['install', '--prefer-offline', '--frozen-lockfile'], signal);
  } catch (error) {
    for (const each of placed) rmSync(each, removal);
    throw error;
  } finally {
    rmSync(stage, removal);
    removeAbandoned(parent, choice.name);
  }
  if (!commit) return;
  const { package: carrier, version } = readRecord(tree).template;
  await commitAll(target, `chore: start from ${carrier} ${version}`, { init: true });
}

const removal = { recursive: true, force: true, maxRetries: 5 } as const;

function makeStage(parent: string, prefix: string): string {
  try {
    mkdirSync(parent, { recursive: true });
    return mkdtempSync(path.join(parent, prefix));
  } catch (cause) {
    throw new TemplateError(
      'TEMPLATE_TARGET',
      `nothing can be made in ${parent}: ${(cause as Error).message}`,
      {
        hint: 'name a folder in a place that you can write to',
        exitCode: 2,
        cause,
      },
    );
  }
}

/**
 * Removes what runs have left that were killed: the names of their folders tell the processes, which are gone. A program
 * that such a run had started may have gone on for a while, so this comes late; where it still goes on, the next run
 * succeeds.
 */
function removeAbandoned(parent: string, name: string): void {
  const pattern = new RegExp(`^\\.${name}-(\\d+)-\\w{6}$`);
  for (const entry of readdirSync(parent)) {
    const pid = pattern.exec(entry)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    try {
      rmSync(path.join(parent, entry), removal);
    } catch {}
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
