import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

/** One file of a tree. */
export interface Entry {
  readonly content: Buffer;
  readonly executable: boolean;
}

/** Files by their path, relative to the root and with `/`. Small enough to be held in memory as a whole. */
export type Tree = ReadonlyMap<string, Entry>;

/** Whether `root` is the top of a git checkout, and git is there to be asked. */
export function isCheckout(root: string): boolean {
  return existsSync(path.join(root, '.git')) && gitAnswers(root);
}

/** Every file that belongs to the checkout or copy at `root`: not what `.gitignore` names. */
export function readTree(root: string): Tree {
  return isCheckout(root) ? readFiles(root, trackedFiles(root)) : walkTree(root);
}

/** Every file below `root` that its `.gitignore` does not name, whether git knows it or not. */
export function walkTree(root: string): Tree {
  return readFiles(root, walk(root, ignoredBy(root)));
}

function readFiles(root: string, files: string[]): Tree {
  return new Map(
    files.sort().map((file) => {
      const absolute = path.join(root, file);
      const executable = (statSync(absolute).mode & 0o100) !== 0;
      return [file, { content: withoutCarriageReturns(file, readFileSync(absolute)), executable }];
    }),
  );
}

/** Writes a tree into a folder, which is made where it is missing. */
export function writeTree(root: string, tree: Tree): void {
  for (const [file, { content, executable }] of tree) {
    const absolute = path.join(root, file);
    mkdirSync(path.dirname(absolute), { recursive: true });
    writeFileSync(absolute, content);
    if (executable) chmodSync(absolute, 0o755);
  }
}

/** The text of a file, or undefined for what is none. */
export function textOf(entry: Entry | undefined): string | undefined {
  if (!entry || entry.content.subarray(0, 8000).includes(0)) return undefined;
  const text = entry.content.toString('utf8');
  return text.includes('\uFFFD') ? undefined : text;
}

export function entryOf(text: string, executable = false): Entry {
  return { content: Buffer.from(text), executable };
}

/** As git keeps texts; a copy that came another way than by git may have the line ends of Windows. */
function withoutCarriageReturns(file: string, content: Buffer): Buffer {
  if (file.endsWith('.cmd') || !content.includes('\r\n') || content.subarray(0, 8000).includes(0))
    return content;
  const text = content.toString('utf8');
  return text.includes('\uFFFD') ? content : Buffer.from(text.replaceAll('\r\n', '\n'));
}

function gitAnswers(root: string): boolean {
  try {
    execFileSync('git', ['rev-parse', '--git-dir'], { cwd: root, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Links and submodules are nobody's texts: they stay where they are. */
function trackedFiles(root: string): string[] {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, maxBuffer: 64 << 20 });
  return listed
    .toString()
    .split('\0')
    .filter((file) => file !== '' && lstatSync(path.join(root, file), { throwIfNoEntry: false })?.isFile());
}

/** The patterns of `.gitignore` that a copy without git needs: names, each anywhere in the tree. */
function ignoredBy(root: string): (name: string) => boolean {
  const file = path.join(root, '.gitignore');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split(/\r?\n/) : [];
  const patterns = lines
    .map((line) => line.trim().replace(/\/$/, ''))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => new RegExp(`^${line.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}$`));
  return (name) => name === '.git' || patterns.some((pattern) => pattern.test(name));
}

function walk(root: string, ignored: (name: string) => boolean, folder = ''): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (ignored(entry.name)) return [];
    const relative = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return walk(root, ignored, relative);
    return entry.isFile() ? [relative] : [];
  });
}
