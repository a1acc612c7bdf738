import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from './commands.ts';
import { TemplateError } from './template-error.ts';
import { isCheckout, type Tree, textOf } from './tree.ts';

/** Whether a checkout holds changes that are in no commit; never so for a copy without git. */
export function isDirty(root: string): boolean {
  return isCheckout(root) && git(root, 'status', '--porcelain', '--untracked-files=normal') !== '';
}

export function git(root: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 }).trim();
}

/** Commits everything as it is now; with `init`, into a repository that is new. */
export async function commitAll(root: string, message: string, { init = false } = {}): Promise<void> {
  try {
    if (init) await run('git', ['init', '--quiet', '--initial-branch=main'], { cwd: root });
    await run('git', ['add', '--all'], { cwd: root });
    await run('git', ['commit', '--quiet', '--message', message], { cwd: root });
  } catch (cause) {
    throw new TemplateError('TEMPLATE_COMMIT', 'the project is complete, but git made no commit of it', {
      details: cause instanceof TemplateError ? cause.details : [],
      hint: 'do what git asks for (a name and an address?), or install it, then: git add --all && git commit',
      cause,
    });
  }
}

/**
 * A commit that holds a tree, on no branch. Texts have the line ends that git keeps them with.
 *
 * @returns its hash
 */
export function commitOf(root: string, tree: Tree, message: string, parent?: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'template-'));
  const given = (input: string, env: Record<string, string>, ...args: string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', input, env: { ...process.env, ...env } }).trim();
  try {
    const files = [...tree].map(([file, entry], number) => {
      const text = textOf(entry)?.replaceAll('\r\n', '\n');
      const blob = path.join(folder, String(number));
      writeFileSync(blob, text ?? entry.content);
      return { file, blob, mode: entry.executable ? '100755' : '100644' };
    });
    const blobs = files.map(({ blob }) => `${blob}\n`).join('');
    const hashes = given(blobs, {}, 'hash-object', '-w', '--no-filters', '--stdin-paths').split('\n');
    const index = { GIT_INDEX_FILE: path.join(folder, 'index') };
    const entries = files.map(({ file, mode }, number) => `${mode} ${hashes[number]}\t${file}\n`).join('');
    given(entries, index, 'update-index', '--add', '--index-info');
    const written = given('', index, 'write-tree');
    const author = { GIT_AUTHOR_NAME: 'template', GIT_AUTHOR_EMAIL: 'template@localhost' };
    const committer = { GIT_COMMITTER_NAME: 'template', GIT_COMMITTER_EMAIL: 'template@localhost' };
    const ancestry = parent === undefined ? [] : ['-p', parent];
    return given(message, { ...author, ...committer }, 'commit-tree', written, ...ancestry);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
