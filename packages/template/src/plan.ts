import type { Choice, Prepared } from './prepare.ts';
import { recordFile } from './record.ts';
import type { Tree } from './tree.ts';

/** One change, with its reason: `--dry-run` prints exactly these. */
export type Operation =
  | { readonly kind: 'delete'; readonly path: string; readonly reason: string }
  | { readonly kind: 'move'; readonly path: string; readonly to: string; readonly reason: string }
  | { readonly kind: 'edit' | 'write'; readonly path: string; readonly reason: string }
  | { readonly kind: 'run'; readonly command: string; readonly reason: string };

/** What follows once the files are there; each runs in the new tree. */
export const finishingSteps = [
  {
    args: ['install', '--prefer-offline', '--no-frozen-lockfile'],
    reason: 'the lockfile loses what nobody needs',
  },
  {
    args: ['biome', 'lint', '--write', '--unsafe', '--only=correctness/noUnusedImports', '.'],
    reason: 'imports whose last use was pruned',
  },
  { args: ['biome', 'check', '--write', '.'], reason: 'other names sort and wrap otherwise' },
  { args: ['env:example'], reason: '.env.example lists what is left to set' },
] as const;

/** The changes that turn the template into the project. */
export function planOf(template: Tree, prepared: Prepared, choice: Choice): Operation[] {
  const { tree, removed, rename } = prepared;
  const operations: Operation[] = [...removed].map(([path, reason]) => ({ kind: 'delete', path, reason }));
  for (const [path, entry] of template) {
    if (removed.has(path)) continue;
    const to = rename(path);
    if (to !== path) operations.push({ kind: 'move', path, to, reason: `is called ${choice.name} now` });
    else if (path === recordFile) {
      operations.push({ kind: 'write', path, reason: 'what an upgrade has to know' });
    } else if (!entry.content.equals(tree.get(path)?.content ?? Buffer.alloc(0))) {
      operations.push({ kind: 'edit', path, reason: 'mentions what is pruned or renamed' });
    }
  }
  for (const { args, reason } of finishingSteps) {
    operations.push({ kind: 'run', command: `./pnpmw ${args.join(' ')}`, reason });
  }
  return operations;
}

/** The plan as lines: one for each kind, folder and reason. */
export function formatPlan(operations: readonly Operation[]): string[] {
  const groups = new Map<
    string,
    { kind: string; what: string; whole: string; files: number; reason: string }
  >();
  for (const operation of operations) {
    const what = 'path' in operation ? describePath(operation) : operation.command;
    const key = `${operation.kind} ${what} ${operation.reason}`;
    const whole = 'path' in operation ? operation.path : what;
    const group = groups.get(key) ?? {
      kind: operation.kind,
      what,
      whole,
      files: 0,
      reason: operation.reason,
    };
    groups.set(key, { ...group, files: group.files + 1 });
  }
  const rows = [...groups.values()].map(({ kind, what, whole, files, reason }) => {
    return { kind, what: files > 1 ? `${what} (${files} files)` : whole, reason };
  });
  const width = Math.max(0, ...rows.filter(({ kind }) => kind !== 'run').map(({ what }) => what.length));
  return rows.map(({ kind, what, reason }) => `  ${kind.padEnd(6)}  ${what.padEnd(width)}  ${reason}`);
}

function describePath(operation: Extract<Operation, { path: string }>): string {
  const folder = folderOf(operation.path);
  return operation.kind === 'move' ? `${folder} -> ${folderOf(operation.to)}` : folder;
}

/** Apps, packages and the like are one line each; a file at the top is its own. */
function folderOf(path: string): string {
  const segments = path.split('/');
  if (segments.length === 1) return path;
  const depth = ['apps', 'packages'].includes(segments[0]!) ? 2 : 1;
  return `${segments.slice(0, Math.min(depth, segments.length - 1)).join('/')}/`;
}
