import { execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { archiveFile, packTree, readTree } from '@stackyard/template';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { main } from '../src/index.ts';

const root = resolve(import.meta.dirname, '../../..');

let packed: Buffer;

beforeAll(() => {
  // The template itself, but with a wrapper that does nothing: what it does is tested with the projects.
  const tree = new Map(readTree(root));
  tree.set('pnpmw', { content: Buffer.from('#!/bin/sh\nexit 0\n'), executable: true });
  packed = packTree(tree);
});

function place() {
  const cwd = mkdtempSync(join(tmpdir(), 'create test '));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  const archive = join(cwd, archiveFile);
  writeFileSync(archive, packed);
  const run = async (args: readonly string[], typed?: string, signal = new AbortController().signal) => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const interactive = typed !== undefined;
    if (interactive) stdin.write(typed);
    Object.assign(stdout, { isTTY: interactive });
    const code = await main(args, archive, { cwd, stdin, stdout, stderr, interactive, signal });
    const text = (stream: PassThrough) => String(stream.read() ?? '');
    return { code, out: text(stdout), err: text(stderr) };
  };
  return { cwd, run };
}

test('makes the project that the flags describe, from the archive alone', async () => {
  const { cwd, run } = place();
  const { code, out } = await run(['my-app', '--scope', '@acme', '--keep', 'ingestion', '--yes']);
  expect(code).toBe(0);
  expect(out).toContain('next: cd my-app && ./pnpmw turbo dev --filter ingestion');
  const read = (file: string) => readFileSync(join(cwd, 'my-app', file), 'utf8');
  expect(JSON.parse(read('.template.json')).project).toEqual({
    name: 'my-app',
    scope: 'acme',
    title: 'My App',
    keep: ['ingestion'],
  });
  expect(readdirSync(join(cwd, 'my-app/apps'))).toEqual(['ingestion']);
  expect(read('.gitignore')).toContain('.my-app/');
  expect(existsSync(join(cwd, 'my-app/packages/create-my-app'))).toBe(false);
  expect(JSON.parse(read('packages/my-app/package.json')).dependencies).toHaveProperty('@acme/env');
});

test('asks for what it was not told, again until the answer will do', async () => {
  const { cwd, run } = place();
  const { code, out } = await run(['my acme'], '2048\nacme-shop\n\nThe Shop\nblog\nschool-erp-ddl\n');
  expect(code).toBe(0);
  expect(out).toContain('"2048" is no name');
  expect(out).toContain('there is no blog');
  expect(out).toContain('next: cd "my acme" && ./pnpmw');
  const record = JSON.parse(readFileSync(join(cwd, 'my acme/.template.json'), 'utf8'));
  expect(record.project).toEqual({
    name: 'acme-shop',
    scope: 'acme-shop',
    title: 'The Shop',
    keep: ['school-erp-ddl'],
  });
});

test('Ctrl-C at a question is an interruption', async () => {
  const { cwd, run } = place();
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  expect(await run(['acme'], '\u0003', stop.signal)).toMatchObject({
    code: 130,
    err: expect.stringContaining('interrupted'),
  });
  expect(readdirSync(cwd)).toEqual([archiveFile]);
});

test('shows the plan only, as text and as data', async () => {
  const { cwd, run } = place();
  const { out } = await run(['my-app', '--keep', 'ingestion', '--yes', '--dry-run']);
  expect(out).toMatch(/^ {2}delete {2}apps\/convex-agent\/ \(\d+ files\) +belongs to convex-agent$/m);
  const { out: data } = await run(['my-app', '--keep', 'ingestion', '--yes', '--dry-run', '--json']);
  expect(JSON.parse(data)).toContainEqual(
    expect.objectContaining({ kind: 'delete', path: 'docs/convex.md' }),
  );
  expect(readdirSync(cwd)).toEqual([archiveFile]);
});

test.each([
  [['my-app', '--keep', 'blog'], 2, 'TEMPLATE_VARIANT'],
  [['my-app', '--keep', ','], 2, 'TEMPLATE_KEEP'],
  [['my-app', '--name', 'Vitest'], 2, 'TEMPLATE_NAMES'],
  [['my-app', '--name', 'vitest'], 2, 'TEMPLATE_NAMES'],
  [['my-app', '--scope', 'Acme!'], 2, 'TEMPLATE_NAMES'],
  [['.'], 2, 'TEMPLATE_TARGET'],
  [['a', 'b'], 2, 'TEMPLATE_USAGE'],
  [['my-app', '--fly'], 2, 'TEMPLATE_USAGE'],
  [['my-app', '--from', 'nowhere'], 1, 'TEMPLATE_ARCHIVE'],
])('refuses %j', async (args, code, error) => {
  const { cwd, run } = place();
  const refused = await run([...args, '--yes']);
  expect(refused).toMatchObject({ code, out: '', err: expect.stringContaining(`error ${error}: `) });
  expect(refused.err).toMatch(/\nnext: .+\n$/);
  expect(readdirSync(cwd)).toEqual([archiveFile]);
});

test('an interruption leaves nothing behind', async () => {
  const { cwd, run } = place();
  const stop = new AbortController();
  stop.abort();
  expect(await run(['my-app', '--yes'], undefined, stop.signal)).toMatchObject({ code: 130 });
  expect(readdirSync(cwd)).toEqual([archiveFile]);
});

test('the command stops quietly when nobody reads on', async () => {
  const bin = resolve(import.meta.dirname, '../src/bin/create-stackyard.ts');
  const child = spawn(process.execPath, [bin, 'my-app', '--yes', '--dry-run', '--from', root]);
  child.stdout.destroy();
  expect(await child.stderr.setEncoding('utf8').toArray()).toEqual([]);
});

test('the command starts, and the package carries its template by the name it looks for', async () => {
  const { cwd } = place();
  mkdirSync(join(cwd, 'empty'));
  const bin = resolve(import.meta.dirname, '../src/bin/create-stackyard.ts');
  const help = await new Promise<string>((done, fail) => {
    execFile(process.execPath, [bin, '--help'], { cwd }, (error, stdout) =>
      error ? fail(error) : done(stdout),
    );
  });
  expect(help).toContain('npm create stackyard@latest');
  const { files } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../package.json'), 'utf8'));
  expect(files).toContain(archiveFile);
});
