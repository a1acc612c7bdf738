import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { acquireLock, ownerLock } from '../state.ts';
import { describeVariant } from '../workspace.ts';
import { main } from './main.ts';

const template = { package: 'create-yard', version: '1.0.0', name: 'yard', scope: 'yard', title: 'Yard' };

/** A tree with two variants, no git, and the record given. */
function workspace(record: object) {
  const root = path.join(mkdtempSync(path.join(tmpdir(), 'init test ')), 'My Shop');
  onTestFinished(() => rmSync(path.dirname(root), { recursive: true, force: true }));
  const files = {
    '.template.json': JSON.stringify(record),
    'package.json': '{ "name": "yard-monorepo" }',
    'infra/compose.yaml': 'services: {}\n',
    'apps/news/compose.yaml': 'services: {}\n',
    'apps/shop/compose.yaml': 'services: {}\n',
  };
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
  const run = (...args: string[]) => runWith(false, args);
  const runWith = async (interactive: boolean, args: string[]) => {
    let [stdout, stderr] = ['', ''];
    const code = await main(args, {
      cwd: path.join(root, 'apps/shop'),
      environment: {},
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
      interactive,
    });
    return { code, stdout, stderr };
  };
  return { root, run, runWith };
}

test('init shows what it would do; the name follows from the folder, and everything stays unless told otherwise', async () => {
  const { root, run } = workspace({ template });
  const { code, stdout } = await run('init', '--keep', 'shop', '--dry-run');
  expect(code).toBe(0);
  expect(stdout).toContain('My Shop keeps shop\n');
  expect(stdout).toMatch(/^ {2}delete {2}apps\/news\/compose\.yaml +belongs to news$/m);
  const all = await run('init', '--dry-run', '--json');
  expect(JSON.parse(all.stdout)).not.toContainEqual(expect.objectContaining({ kind: 'delete' }));
  expect(readdirSync(path.join(root, 'apps'))).toEqual(['news', 'shop']);
});

test('init shows a person the plan before it asks whether to do it', async () => {
  const { root, runWith } = workspace({ template });
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  stdout.on('data', (text) => String(text).includes('Do this?') && stdin.write('n\n'));
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(stdin as never);
  vi.spyOn(process, 'stdout', 'get').mockReturnValue(stdout as never);
  onTestFinished(() => void vi.restoreAllMocks());
  const wishes = ['--name', 'my-shop', '--scope', 'acme', '--title', 'Acme', '--keep', 'shop'];
  const { code, stdout: said } = await runWith(true, ['init', ...wishes]);
  expect(code).toBe(0);
  expect(said).toMatch(/belongs to news.*nothing was changed\n$/s);
  expect(readdirSync(path.join(root, 'apps'))).toEqual(['news', 'shop']);
});

test.each([
  [['--name', 'Shop!', '--scope', '@Acme'], 'error TEMPLATE_NAMES'],
  [['--name', 'news'], 'news is taken'],
  [['--keep', 'blog'], 'there is no variant blog'],
  [['--keep', ','], 'error TEMPLATE_KEEP'],
])('init refuses %j as wrong usage', async (flags, message) => {
  const { run } = workspace({ template });
  const { code, stderr } = await run('init', '--yes', ...flags);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
  expect(stderr).toMatch(/^next: .+$/m);
});

test('init leaves a stack alone that runs', async () => {
  const { root, run } = workspace({ template });
  const lock = acquireLock(ownerLock(describeVariant(root, 'shop').stateDirectory));
  expect(await run('init', '--yes')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('shop runs, and init moves its files'),
  });
  if ('release' in lock) lock.release();
});

test('init in a project says so; upgrade needs a git checkout', async () => {
  const project = workspace({ template, project: { name: 'my-shop', scope: 'a', title: 'A', keep: [] } });
  expect(await project.run('init', '--yes')).toMatchObject({
    code: 0,
    stdout: 'this is the project my-shop already; there is nothing to do\n',
  });
  const { code, stderr } = await workspace({ template }).run('upgrade', '--dry-run');
  expect(code).toBe(1);
  expect(stderr).toContain('error TEMPLATE_NO_GIT');
});
