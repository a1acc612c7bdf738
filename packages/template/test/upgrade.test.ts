import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { archiveFile, packTree } from '../src/archive.ts';
import { prepare } from '../src/prepare.ts';
import { textOf } from '../src/tree.ts';
import { upgradeProject } from '../src/upgrade.ts';
import { checkoutOf, commit, git, only, sampleTemplate, temporaryFolder } from './sample.ts';

const choice = { name: 'acme-shop', scope: 'acme', title: 'Acme Shop', keep: ['shop'] };
const first = sampleTemplate();
const page = (number: number) => `docs/page-${number}.md`;

/** The next release: 20 files changed, one of them a page of a variant that was pruned; one new, one gone. */
function nextRelease() {
  const changes: Record<string, string | undefined> = {
    '.template.json': textOf(first.get('.template.json'))?.replace('1.0.0', '2.0.0'),
    'docs/mail.md': `<!-- ${only}: mail -->\n\n# Mail, again\n`,
    'docs/new.md': '# What is new in Yard\n',
    [page(19)]: undefined,
  };
  for (let number = 0; number < 17; number += 1) {
    changes[page(number)] = textOf(first.get(page(number)))?.replace('line 0\n', 'line 0 of Yard 2\n');
  }
  return sampleTemplate(changes);
}

function releases() {
  const folder = temporaryFolder();
  const [base, from] = [path.join(folder, '1.gz'), path.join(folder, archiveFile)];
  writeFileSync(base, packTree(first));
  writeFileSync(from, packTree(nextRelease()));
  return { base, from: folder };
}

function edit(root: string, file: string, from: string, to: string): void {
  const text = readFileSync(path.join(root, file), 'utf8');
  expect(text).toContain(from);
  writeFileSync(path.join(root, file), text.replace(from, to));
}

function projectWithEdits(): string {
  const root = checkoutOf(prepare(first, choice).tree);
  edit(root, page(0), 'line 0\n', 'line 0, said otherwise\n'); // where the release changed it too
  edit(root, page(1), 'line 11\n', 'line 11, said otherwise\n'); // elsewhere in a file that it changed
  edit(root, page(2), 'line 9\n', 'line 9, said otherwise\n');
  edit(root, page(18), 'line 4\n', 'line 4, said otherwise\n'); // in a file that it left alone
  rmSync(path.join(root, page(3))); // gone here, changed there
  commit(root, 'edits');
  return root;
}

test('of a release that changed 20 files and 5 edits only the true conflict remains', async () => {
  const root = projectWithEdits();
  const result = await upgradeProject(root, releases());
  expect(result).toMatchObject({
    from: '1.0.0',
    to: '2.0.0',
    conflicts: [page(0)],
    deleted: [page(3)],
  });
  const pages = Array.from({ length: 17 }, (_, number) => number).filter(
    (number) => number > 0 && number !== 3,
  );
  expect(result.merged).toEqual(['.template.json', 'docs/new.md', ...pages.map(page), page(19)].sort());
  expect(git(root, 'status', '--porcelain')).toContain(`UU ${page(0)}`);
  const read = (number: number) => readFileSync(path.join(root, page(number)), 'utf8');
  expect(read(0)).toMatch(/^<{7} .*\n.*said otherwise\n={7}\n.*line 0 of Acme Shop 2\n>{7} /m);
  expect(read(1)).toContain('line 0 of Acme Shop 2\n');
  expect(read(1)).toContain('line 11, said otherwise');
  expect(read(18)).toContain('line 4, said otherwise');
  expect(existsSync(path.join(root, page(3)))).toBe(false);
  expect(existsSync(path.join(root, page(19)))).toBe(false);
  expect(readFileSync(path.join(root, 'docs/new.md'), 'utf8')).toBe('# What is new in Acme Shop\n');
});

test('a dry run tells the same, and changes nothing', async () => {
  const root = projectWithEdits();
  const head = git(root, 'rev-parse', 'HEAD');
  const sources = releases();
  const { conflicts, merged, deleted } = await upgradeProject(root, { ...sources, dryRun: true });
  expect({ conflicts, deleted }).toEqual({ conflicts: [page(0)], deleted: [page(3)] });
  expect(git(root, 'status', '--porcelain')).toBe('');
  expect(git(root, 'rev-parse', 'HEAD')).toBe(head);
  expect(git(root, 'worktree', 'list').trim().split('\n')).toHaveLength(1);
  expect((await upgradeProject(root, sources)).merged).toEqual(merged);
});

test('a workspace that the project has deleted stays deleted, with what is new in it', async () => {
  const root = checkoutOf(prepare(first, choice).tree);
  rmSync(path.join(root, 'apps/shop'), { recursive: true });
  commit(root, 'our own shop');
  const folder = temporaryFolder();
  const [base, from] = [path.join(folder, '1.gz'), path.join(folder, '2.gz')];
  writeFileSync(base, packTree(first));
  const shop = { 'apps/shop/src/main.ts': 'start(2);\n', 'apps/shop/src/new.ts': 'export {};\n' };
  writeFileSync(from, packTree(sampleTemplate({ ...shop, 'docs/new.md': '# New\n' })));
  const deleted = Object.keys(shop);
  expect(await upgradeProject(root, { base, from, dryRun: true })).toMatchObject({ deleted });
  expect(await upgradeProject(root, { base, from })).toMatchObject({
    merged: ['docs/new.md'],
    conflicts: [],
    deleted,
  });
  expect(existsSync(path.join(root, 'apps/shop'))).toBe(false);
});

test('the line ends of Windows are no conflict', async () => {
  const root = checkoutOf(prepare(first, choice).tree);
  for (let number = 0; number < 19; number += 1) {
    const file = path.join(root, page(number));
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('\n', '\r\n'));
  }
  edit(root, page(1), 'line 11\r\n', 'line 11, said otherwise\r\n');
  commit(root, 'from Windows');
  expect((await upgradeProject(root, releases())).conflicts).toEqual([]);
  const merged = readFileSync(path.join(root, page(1)), 'utf8');
  expect(merged).toContain('line 0 of Acme Shop 2');
  expect(merged).toContain('line 11, said otherwise');
});

test('when what was merged cannot be installed, it says how to go on, and how to go back', async () => {
  const root = checkoutOf(prepare(sampleTemplate({}, 'exit 3'), choice).tree);
  await expect(upgradeProject(root, releases())).rejects.toMatchObject({
    code: 'TEMPLATE_STEP',
    hint: expect.stringMatching(/everything is merged.*git reset --hard/),
  });
});

test('after an upgrade there is nothing to merge', async () => {
  const root = checkoutOf(prepare(first, choice).tree);
  const { from } = releases();
  expect((await upgradeProject(root, { ...releases() })).conflicts).toEqual([]);
  commit(root, 'upgrade');
  const again = await upgradeProject(root, { base: from, from });
  expect(again).toEqual({ from: '2.0.0', to: '2.0.0', merged: [], conflicts: [], deleted: [] });
});

test('is refused in the template, without git, with uncommitted changes, and from what is no template', async () => {
  const sources = releases();
  const code = (root: string, options = sources) =>
    upgradeProject(root, options).then(
      () => 'done',
      (error) => error.code,
    );
  const project = prepare(first, choice).tree;
  const dirty = checkoutOf(project);
  writeFileSync(path.join(dirty, 'notes.txt'), 'mine');
  expect(await code(checkoutOf(first))).toBe('TEMPLATE_NO_PROJECT');
  expect(await code(checkoutOf(project, { git: false }))).toBe('TEMPLATE_NO_GIT');
  expect(await code(dirty)).toBe('TEMPLATE_DIRTY');
  expect(await code(checkoutOf(project), { ...sources, from: path.join(dirty, 'notes.txt') })).toBe(
    'TEMPLATE_ARCHIVE',
  );
});
