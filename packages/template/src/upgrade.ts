import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readTemplate } from './archive.ts';
import { commitOf, git, isDirty } from './checkout.ts';
import { pnpmw, run } from './commands.ts';
import { prepare } from './prepare.ts';
import { readRecord, type TemplateRecord } from './record.ts';
import { TemplateError } from './template-error.ts';
import { isCheckout, readTree, type Tree, walkTree, writeTree } from './tree.ts';
import { readManifests, readVariants } from './workspace.ts';

export interface UpgradeOptions {
  /** Version or tag of the template's package; `latest` where absent. */
  readonly to?: string | undefined;
  /** A checkout or an archive in place of what the registry has: of the later release, and of the recorded one. */
  readonly from?: string | undefined;
  readonly base?: string | undefined;
  /** Tells what would happen, in a copy of the checkout. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly say?: (line: string) => void;
}

/** What an upgrade did, or would do; paths are relative to the root, sorted. */
export interface Upgraded {
  readonly from: string;
  readonly to: string;
  readonly merged: readonly string[];
  readonly conflicts: readonly string[];
  /** Files that the template changed and the project has deleted: they stay deleted. */
  readonly deleted: readonly string[];
}

/** Made anew from what is there, so never merged. */
const generated = ['pnpm-lock.yaml', '.env.example'];

/**
 * Merges what the template has changed since the recorded release into the project, file by file and three-way: the
 * two releases, each pruned, renamed and formatted as the project was, become two commits, and git applies the
 * difference between them. Nothing is committed to the project's branch.
 */
export async function upgradeProject(root: string, options: UpgradeOptions = {}): Promise<Upgraded> {
  const { say = () => {}, signal } = options;
  const { template, project } = checkProject(root);
  if (!options.base || !options.from) say(`fetching ${template.package}`);
  const base = options.base
    ? readTemplate(options.base)
    : await fetchTemplate(template.package, template.version ?? 'latest', '--base', signal);
  const later = options.from
    ? readTemplate(options.from)
    : await fetchTemplate(template.package, options.to ?? 'latest', '--from', signal);
  const [before, whole] = (await Promise.all(
    [base, later].map((tree) => prepareAgain(root, tree, project, signal)),
  )) as [Tree, Tree];
  const [after, unwanted] = withoutDeleted(before, whole, readTree(root));
  const [from, to] = [before, after].map((tree) => readRecord(tree).template.version ?? '') as [
    string,
    string,
  ];
  const start = commitOf(root, before, `${template.package} ${from}`);
  const end = commitOf(root, after, `${template.package} ${to}`, start);
  const mergeIn = async (folder: string) => {
    const { merged, conflicts, deleted } = await merge(folder, start, end);
    return { from, to, merged, conflicts, deleted: [...deleted, ...unwanted].sort() };
  };
  if (options.dryRun) return await inCopy(root, mergeIn);
  say(`merging ${from} -> ${to}`);
  const result = await mergeIn(root);
  if (result.conflicts.length === 0 && result.merged.length > 0) {
    say('installing');
    const hint =
      'everything is merged: ./pnpmw install && ./pnpmw env:example; git reset --hard takes it back';
    for (const args of [['install', '--prefer-offline', '--no-frozen-lockfile'], ['env:example']]) {
      await pnpmw(root, args, undefined, hint);
    }
    git(root, 'add', '--all');
  }
  return result;
}

/** A release without what is new in the workspaces that the project has deleted, and what that is. */
function withoutDeleted(before: Tree, after: Tree, project: Tree): [Tree, string[]] {
  const gone = readManifests(before).flatMap(({ folder }) =>
    folder === '' || project.has(`${folder}/package.json`) ? [] : `${folder}/`,
  );
  const unwanted = [...after.keys()].filter(
    (file) => !before.has(file) && gone.some((folder) => file.startsWith(folder)),
  );
  return [new Map([...after].filter(([file]) => !unwanted.includes(file))), unwanted];
}

function checkProject(root: string): Required<TemplateRecord> {
  if (!isCheckout(root)) {
    throw new TemplateError('TEMPLATE_NO_GIT', `${root} is no git checkout, and an upgrade is a merge`, {
      hint: 'git init && git add --all && git commit, then run this again',
    });
  }
  const { template, project } = readRecord(readTree(root));
  if (!project) {
    throw new TemplateError('TEMPLATE_NO_PROJECT', 'this is the template itself', {
      hint: 'get its changes with git pull; init makes a project of it',
    });
  }
  if (isDirty(root)) {
    throw new TemplateError('TEMPLATE_DIRTY', 'the checkout has changes that are not committed', {
      hint: 'commit them (they are kept) or take them back, then run this again',
    });
  }
  return { template, project };
}

/** A release as it would be in this project. */
async function prepareAgain(
  root: string,
  template: Tree,
  project: Required<TemplateRecord>['project'],
  signal?: AbortSignal,
): Promise<Tree> {
  const variants = readVariants(template).map(({ name }) => name);
  const keep = project.keep.filter((name) => variants.includes(name));
  const { tree } = prepare(template, { ...project, keep });
  const folder = mkdtempSync(path.join(tmpdir(), 'template-'));
  try {
    writeTree(folder, new Map([...tree].filter(([file]) => !generated.includes(file))));
    await format(root, folder, signal);
    return walkTree(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Formats a folder as the project is formatted: by its own Biome, where it still has one. */
async function format(root: string, folder: string, signal?: AbortSignal): Promise<void> {
  const biome = path.join(root, 'node_modules/.bin/biome');
  if (!existsSync(biome)) return;
  const fixes = ['lint', '--write', '--unsafe', '--only=correctness/noUnusedImports'];
  for (const args of [fixes, ['check', '--write']]) {
    // What it cannot mend is no matter of the merge.
    await run(biome, [...args, '.'], { cwd: folder, signal }).catch((error) => {
      if (signal?.aborted) throw error;
    });
  }
}

async function fetchTemplate(
  name: string,
  version: string,
  instead: '--base' | '--from',
  signal?: AbortSignal,
): Promise<Tree> {
  const folder = mkdtempSync(path.join(tmpdir(), 'template-'));
  const quiet = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  try {
    await run('npm', ['install', '--prefix', folder, ...quiet, `${name}@${version}`], {
      cwd: folder,
      signal,
    });
    return readTemplate(path.join(folder, 'node_modules', name));
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new TemplateError('TEMPLATE_FETCH', `${name}@${version} could not be had`, {
      details: cause instanceof TemplateError ? cause.details : [],
      hint: `check the network and the registry that npm is configured for, or name a checkout of that version: ${instead}`,
      cause,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function merge(root: string, start: string, end: string): Promise<Omit<Upgraded, 'from' | 'to'>> {
  if (git(root, 'rev-parse', `${start}^{tree}`) === git(root, 'rev-parse', `${end}^{tree}`)) {
    return { merged: [], conflicts: [], deleted: [] };
  }
  const settings = ['-c', 'merge.directoryRenames=false', '-c', 'core.quotePath=false'];
  // Texts that came into the project with the line ends of Windows have not been changed by that.
  const pick = ['cherry-pick', '--no-commit', '--strategy-option=ignore-cr-at-eol', end];
  await run('git', [...settings, ...pick], { cwd: root }).catch((error) => {
    if (unmerged(root).size === 0) throw error;
  });
  const deleted = [...unmerged(root)].flatMap(([file, stages]) => (stages.has(2) ? [] : [file]));
  for (const file of deleted) git(root, 'rm', '--quiet', '--force', '--', file);
  const conflicts = [...unmerged(root).keys()];
  const changed = git(root, 'diff', '--cached', '--name-only', '-z', '--no-renames').split('\0');
  const merged = changed.filter((file) => file !== '' && !conflicts.includes(file));
  return { merged, conflicts, deleted };
}

/** The files that git could not merge, with the stages it has of each: 1 the base, 2 the project's, 3 the template's. */
function unmerged(root: string): Map<string, Set<number>> {
  const files = new Map<string, Set<number>>();
  for (const line of git(root, 'ls-files', '--unmerged', '-z').split('\0')) {
    const [, stage, file] = /^\d+ \w+ (\d)\t(.+)$/s.exec(line) ?? [];
    if (file) files.set(file, (files.get(file) ?? new Set()).add(Number(stage)));
  }
  return files;
}

async function inCopy<Result>(root: string, work: (copy: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), 'template-'));
  const copy = path.join(folder, 'copy');
  try {
    git(root, 'worktree', 'add', '--quiet', '--detach', copy, 'HEAD');
    return await work(copy);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    git(root, 'worktree', 'prune');
  }
}
