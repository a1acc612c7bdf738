import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { createProject } from '../src/create.ts';
import { initProject, openTemplate } from '../src/init.ts';
import { prepare } from '../src/prepare.ts';
import { journalOf, switchTrees, writeJournal } from '../src/switch.ts';
import { type Tree, walkTree, writeTree } from '../src/tree.ts';
import { checkoutOf, commit, git, sampleTemplate, temporaryFolder } from './sample.ts';

const choice = { name: 'acme-shop', scope: 'acme', title: 'Acme Shop', keep: ['shop'] };
const project = (template: Tree) => contents(prepare(template, choice).tree);

function contents(tree: Tree): Record<string, string> {
  return Object.fromEntries([...tree].map(([file, entry]) => [file, entry.content.toString()]).sort());
}

test('a checkout becomes the project, and the commit holds all of it', async () => {
  const template = sampleTemplate();
  const root = checkoutOf(template);
  mkdirSync(path.join(root, '.yard/toolchain'), { recursive: true });
  mkdirSync(path.join(root, '.yard/secrets'));
  mkdirSync(path.join(root, 'packages/mail-local/node_modules'));
  writeFileSync(path.join(root, '.env'), 'MINE=1\n');
  expect(await initProject(openTemplate(root), choice, { commit: true })).toBe(true);
  expect(contents(walkTree(root))).toEqual(project(template));
  expect(git(root, 'log', '--format=%s').split('\n')[0]).toBe('chore: start from create-yard 1.0.0');
  expect(git(root, 'status', '--porcelain')).toBe('');
  expect(existsSync(path.join(root, '.acme-shop/toolchain'))).toBe(true);
  expect(existsSync(path.join(root, '.acme-shop/secrets'))).toBe(false);
  expect(existsSync(path.join(root, '.yard'))).toBe(false);
  expect(existsSync(path.join(root, 'packages/mail-local'))).toBe(false);
  expect(readFileSync(path.join(root, '.env'), 'utf8')).toBe('MINE=1\n');
});

test('data that are there keep the secrets that they were made with', async () => {
  const root = checkoutOf(sampleTemplate());
  mkdirSync(path.join(root, '.yard/secrets'), { recursive: true });
  mkdirSync(path.join(root, 'data/shop'), { recursive: true });
  await initProject(openTemplate(root), choice);
  expect(existsSync(path.join(root, '.acme-shop/secrets'))).toBe(true);
});

test('a copy without git becomes the project too, and no commit is made', async () => {
  const template = sampleTemplate();
  const root = checkoutOf(template, { git: false });
  expect(await initProject(openTemplate(root), choice, { commit: true })).toBe(false);
  expect(contents(walkTree(root))).toEqual(project(template));
});

test('what was committed before is kept', async () => {
  const root = checkoutOf(sampleTemplate());
  writeFileSync(path.join(root, 'infra/compose.yaml'), 'services:\n  postgres:\n    image: postgres:18\n');
  writeFileSync(path.join(root, 'apps/shop/notes.md'), 'About Yard.\n');
  symlinkSync('../docs', path.join(root, 'apps/pages'));
  commit(root, 'mine');
  await initProject(openTemplate(root), choice);
  expect(readFileSync(path.join(root, 'infra/compose.yaml'), 'utf8')).toContain('postgres:18');
  expect(readFileSync(path.join(root, 'apps/shop/notes.md'), 'utf8')).toBe('About Acme Shop.\n');
  expect(readlinkSync(path.join(root, 'apps/pages'))).toBe('../docs');
});

test('a copy with the line ends of Windows becomes the same project', async () => {
  const template = sampleTemplate();
  const windows = new Map(
    [...template].map(([file, entry]) => {
      const content = Buffer.from(entry.content.toString().replaceAll('\n', '\r\n'));
      return [file, file === 'pnpmw' ? entry : { ...entry, content }];
    }),
  );
  const root = checkoutOf(windows, { git: false });
  await initProject(openTemplate(root), choice);
  expect(contents(walkTree(root))).toEqual(project(template));
});

test('changes in no commit, and names that are taken, are refused; nothing changes', async () => {
  const root = checkoutOf(sampleTemplate());
  const before = contents(walkTree(root));
  await expect(initProject(openTemplate(root), { ...choice, name: 'news' })).rejects.toMatchObject({
    code: 'TEMPLATE_NAMES',
    details: [expect.stringContaining('news is taken')],
  });
  writeFileSync(path.join(root, 'notes.txt'), 'mine');
  git(root, 'config', 'status.showUntrackedFiles', 'no');
  await expect(initProject(openTemplate(root), choice)).rejects.toMatchObject({ code: 'TEMPLATE_DIRTY' });
  expect(contents(walkTree(root))).toEqual({ ...before, 'notes.txt': 'mine' });
});

test('a step that fails leaves the tree as it was, and says what it said', async () => {
  const root = checkoutOf(sampleTemplate({}, 'echo "no network" >&2; exit 3'));
  const before = contents(walkTree(root));
  await expect(initProject(openTemplate(root), choice)).rejects.toMatchObject({
    code: 'TEMPLATE_STEP',
    details: ['no network'],
  });
  expect(contents(walkTree(root))).toEqual(before);
  expect(existsSync(path.join(root, '.yard/init'))).toBe(false);
});

/** A wrapper that tells that it runs, and then waits to be killed. */
const waits = 'echo $$ > "$0.runs"\nwhile :; do sleep 0.05; done';

test.each(['SIGINT', 'SIGKILL'] as const)(
  'a run ended by %s leaves the tree as it was; the next one succeeds',
  async (signal) => {
    const template = sampleTemplate({}, waits);
    const root = checkoutOf(template);
    const before = contents(walkTree(root));
    const source = path.resolve(import.meta.dirname, '../src/init.ts');
    const program = `
    const { initProject, openTemplate } = await import(${JSON.stringify(source)});
    const stop = new AbortController();
    process.on('SIGINT', () => stop.abort());
    await initProject(openTemplate(${JSON.stringify(root)}), ${JSON.stringify(choice)}, { signal: stop.signal }).catch(() => process.exit(130));`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' });
    const ended = once(child, 'exit');
    const wrapper = await vi.waitUntil(() => pidIn(path.join(root, '.yard/init/tree/pnpmw.runs')), {
      timeout: 20_000,
    });
    child.kill(signal);
    await ended;
    if (signal === 'SIGKILL') process.kill(-wrapper, 'SIGKILL');
    else expect(existsSync(path.join(root, '.yard/init'))).toBe(false);
    expect(contents(walkTree(root))).toEqual(before);
    const quick = sampleTemplate();
    writeFileSync(path.join(root, 'pnpmw'), quick.get('pnpmw')!.content);
    commit(root, 'quick');
    await initProject(openTemplate(root), choice);
    expect(contents(walkTree(root))).toEqual(project(quick));
  },
);

test('a switch that is killed anywhere is finished by the next command', async () => {
  const template = sampleTemplate();
  for (let milliseconds = 20; milliseconds <= 60; milliseconds += 5) {
    const root = checkoutOf(template, { git: false });
    const folder = path.join(root, '.yard/init');
    const { tree } = prepare(template, choice);
    writeTree(path.join(folder, 'tree'), tree);
    const state = { from: '.yard', to: '.acme-shop', whole: false };
    writeJournal(folder, journalOf(template, tree, '.yard/init/tree', state));
    const child = spawn(process.execPath, [path.join(folder, 'switch.mjs'), root]);
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
    await once(child, 'exit');
    clearTimeout(timer);
    if (existsSync(path.join(folder, 'switch.mjs'))) await switchTrees(root, folder);
    expect(contents(walkTree(root))).toEqual(project(template));
  }
});

test('create makes the project in a new or empty folder, and leaves nothing where it cannot', async () => {
  const template = sampleTemplate();
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'empty'));
  for (const target of ['new/place', 'empty']) {
    const before = statSync(path.join(folder, target), { throwIfNoEntry: false });
    await createProject(template, path.join(folder, target), choice);
    // Somebody may be in an empty folder already.
    if (before) expect(statSync(path.join(folder, target)).ino).toBe(before.ino);
    expect(contents(walkTree(path.join(folder, target)))).toEqual(project(template));
  }
  await expect(createProject(template, path.join(folder, 'empty'), choice)).rejects.toMatchObject({
    code: 'TEMPLATE_TARGET',
  });
  writeFileSync(path.join(folder, 'empty/file'), '');
  await expect(createProject(template, path.join(folder, 'empty/file/below'), choice)).rejects.toMatchObject({
    code: 'TEMPLATE_TARGET',
    hint: expect.stringContaining('can write to'),
  });
  const fails = createProject(sampleTemplate({}, 'exit 3'), path.join(folder, 'failed'), choice);
  await expect(fails).rejects.toMatchObject({ code: 'TEMPLATE_STEP' });
  const entries = [...walkTree(folder).keys()].map((file) => file.split('/')[0]);
  expect([...new Set(entries)].sort()).toEqual(['empty', 'new']);
});

test('create takes everything back when what it has put in place cannot be installed, or is interrupted then', async () => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'empty'));
  const stop = new AbortController();
  const ends =
    'case "$*" in *--frozen-lockfile) case "$0" in */.acme-shop-*) ;; *) echo "no network" >&2; exit 3 ;; esac ;; esac';
  for (const target of ['new', 'empty']) {
    const fails = createProject(sampleTemplate({}, ends), path.join(folder, target), choice);
    await expect(fails).rejects.toMatchObject({ code: 'TEMPLATE_STEP', details: ['no network'] });
  }
  const hangs = ends.replace(/echo.*exit 3/, 'touch "$0.runs"; exec sleep 60');
  const interrupted = createProject(sampleTemplate({}, hangs), path.join(folder, 'new'), choice, {
    signal: stop.signal,
  });
  await vi.waitUntil(() => existsSync(path.join(folder, 'new/pnpmw.runs')), { timeout: 20_000 });
  stop.abort();
  await expect(interrupted).rejects.toThrow();
  expect(readdirSync(folder)).toEqual(['empty']);
  expect(readdirSync(path.join(folder, 'empty'))).toEqual([]);
});

test('create removes what a run that was killed has left, and nothing that a run has which goes on', async () => {
  const folder = temporaryFolder();
  const { pid } = spawnSync(process.execPath, ['--version']);
  const [dead, alive] = [`.acme-shop-${pid}-aBc123`, `.acme-shop-${process.pid}-aBc123`];
  for (const name of [dead, alive, '.acme-shop-files'])
    mkdirSync(path.join(folder, name, 'acme-shop'), { recursive: true });
  await createProject(sampleTemplate(), path.join(folder, 'shop'), choice);
  expect(readdirSync(folder).sort()).toEqual([alive, '.acme-shop-files', 'shop'].sort());
});

test('when the packages cannot be installed after init has put the project in place, it says so', async () => {
  const root = checkoutOf(sampleTemplate({}, 'case "$0" in */init/tree/*) ;; *) exit 3 ;; esac'));
  await expect(initProject(openTemplate(root), choice)).rejects.toMatchObject({
    code: 'TEMPLATE_STEP',
    hint: expect.stringContaining('this is the project now'),
  });
});

function pidIn(file: string): number {
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
}
