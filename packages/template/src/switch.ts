import { spawn } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { TemplateError } from './template-error.ts';
import type { Tree } from './tree.ts';
import { readManifests } from './workspace.ts';

/** What changes in a tree when the one that was made beside it takes its place; all paths are relative to the root. */
export interface Journal {
  /** Folder that holds the files to be moved in. */
  readonly stage: string;
  readonly deletes: readonly string[];
  readonly writes: readonly string[];
  /** Folders of workspaces that are gone: what was installed or built in them goes too. */
  readonly folders: readonly string[];
  /** The folder of state, under its old and its new name; whole, or only the tools in it. */
  readonly state: { readonly from: string; readonly to: string; readonly whole: boolean };
}

export function journalOf(before: Tree, after: Tree, stage: string, state: Journal['state']): Journal {
  const kept = new Set(readManifests(after).map(({ folder }) => folder));
  // The wrapper comes last: until then it finishes a switch that was cut off.
  const isWrapper = (file: string) => file.startsWith('pnpmw');
  const writes = [...after]
    .filter(([file, entry]) => {
      const old = before.get(file);
      return !old?.content.equals(entry.content) || old.executable !== entry.executable;
    })
    .map(([file]) => file);
  return {
    stage,
    deletes: [...before.keys()].filter((file) => !after.has(file)),
    writes: [...writes.filter((file) => !isWrapper(file)), ...writes.filter(isWrapper)],
    folders: readManifests(before)
      .map(({ folder }) => folder)
      .filter((folder) => folder !== '' && !kept.has(folder)),
    state,
  };
}

/** Writes a journal into `folder`, below the root's. From then on the change goes forward only. */
export function writeJournal(folder: string, journal: Journal): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'journal.part'), JSON.stringify(journal));
  writeFileSync(path.join(folder, 'switch.part'), program);
  renameSync(path.join(folder, 'journal.part'), path.join(folder, 'journal.json'));
  renameSync(path.join(folder, 'switch.part'), path.join(folder, switchFile));
}

/**
 * Carries out a journal in a process of its own, which no signal to this one reaches. Where that one is killed too,
 * `./pnpmw` with any command finishes it.
 */
export async function switchTrees(root: string, folder: string): Promise<void> {
  const child = spawn(process.execPath, [path.join(folder, switchFile), root], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code === 0) return;
  throw new TemplateError('TEMPLATE_SWITCH', 'the new files could not all be put in place', {
    details: output.trim().split('\n').slice(-5),
    hint: 'free the way (space, permissions, programs that hold files), then ./pnpmw install finishes it',
  });
}

const switchFile = 'switch.mjs';

/** Complete in itself, since the packages move under it. Every step can be done again. */
const program = `// Finishes the change of this tree into the project. Run by ./pnpmw when it was cut off.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = process.argv[2] ?? join(import.meta.dirname, '../..');
const { stage, deletes, writes, folders, state } = JSON.parse(readFileSync(join(import.meta.dirname, 'journal.json'), 'utf8'));
for (const file of deletes) rmSync(join(root, file), { force: true });
for (const folder of folders) {
  for (const made of ['node_modules', 'dist', '.turbo']) rmSync(join(root, folder, made), { recursive: true, force: true });
}
const last = writes.filter((file) => file.startsWith('pnpmw'));
for (const file of writes.filter((file) => !last.includes(file))) move(file);
for (const file of deletes) removeEmpty(dirname(file));
for (const folder of folders) removeEmpty(folder);
const old = join(root, state.from);
for (const entry of existsSync(old) ? readdirSync(old) : []) {
  if (entry === 'init') continue;
  const to = join(root, state.to, entry);
  if ((state.whole || entry === 'toolchain') && !existsSync(to)) {
    mkdirSync(dirname(to), { recursive: true });
    renameSync(join(old, entry), to);
  } else rmSync(join(old, entry), { recursive: true, force: true });
}
const staged = join(root, stage);
for (const entry of existsSync(staged) ? readdirSync(staged) : []) {
  if (!last.includes(entry)) rmSync(join(staged, entry), { recursive: true, force: true });
}
for (const file of last) move(file);
// What is left to do now lies where the new wrapper looks, and git does not.
const now = join(root, state.to, 'init');
if (existsSync(join(old, 'init'))) {
  mkdirSync(dirname(now), { recursive: true });
  renameSync(join(old, 'init'), now);
}
removeEmpty(state.from);
rmSync(join(now, 'switch.mjs'), { force: true });
rmSync(now, { recursive: true, force: true });

function move(file) {
  const from = join(root, stage, file);
  if (!existsSync(from)) return;
  mkdirSync(dirname(join(root, file)), { recursive: true });
  renameSync(from, join(root, file));
}

function removeEmpty(folder) {
  if (folder === '.' || !existsSync(join(root, folder)) || readdirSync(join(root, folder)).length > 0) return;
  rmdirSync(join(root, folder));
  removeEmpty(dirname(folder));
}
`;
