import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStack, type TestStack } from './stack.ts';

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
let stack: TestStack;
beforeAll(async () => {
  stack = await openStack();
  await mkdir(join(stack.folder, 'in'));
  await writeFile(join(stack.folder, 'in', 'kiwi.txt'), 'The kiwi lays a large egg.');
  await writeFile(join(stack.folder, 'in', 'bad.pdf'), '%PDF-1.7 not one');
});
afterAll(() => stack?.[Symbol.asyncDispose]());

function ingest(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, INGESTION_URL: stack.url };
    const child = execFile(
      process.execPath,
      [main, ...args],
      { env, cwd: stack.folder },
      (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

test('a folder is added, its failures are named, and what it says is found', async () => {
  const added = await ingest('add', 'in');
  expect(added.code).toBe(1);
  expect(added.out).toMatch(
    /^failed {2}in\/bad\.pdf: .* \(INGEST_MALFORMED\)\n1 created, 1 failed|1 failed, 1 created\n$/m,
  );
  const found = await ingest('search', 'kiwi', 'egg');
  expect(found.out).toMatch(/^in\/kiwi\.txt\n {2}The kiwi lays a large egg\.\n/);
  expect(JSON.parse((await ingest('--json', 'search', 'kiwi')).out)[0]).toMatchObject({
    name: 'in/kiwi.txt',
  });
  const dead = await ingest('dead');
  expect(dead.out).toMatch(/^[0-9a-f-]{36} {2}in\/bad\.pdf: .* \(INGEST_MALFORMED, 1 attempt\)\n$/);
  const again = await ingest('dead', '--redrive', dead.out.slice(0, 36));
  expect(again.out).toBe('1 are tried again\n');
  const status = await ingest('status');
  expect(status.out).toMatch(/documents {2}.*1 failed/);
  expect(status.out).toContain('model      hashing-v1, 64 dimensions, active');
});

test('what leads nowhere is named, and the others go on', async () => {
  await mkdir(join(stack.folder, 'links'));
  await writeFile(join(stack.folder, 'links', 'emu.txt'), 'The emu runs.');
  await symlink('nowhere', join(stack.folder, 'links', 'dangling.txt'));
  const added = await ingest('add', 'links', 'no-such.txt', '*.none');
  expect(added).toMatchObject({ code: 1, err: '' });
  for (const name of ['links/dangling.txt', 'no-such.txt', '*.none'])
    expect(added.out).toContain(`failed  ${name}: `);
  expect(added.out).toContain('1 created');
  expect(await ingest('add', 'no-such.txt')).toMatchObject({
    code: 1,
    err: expect.stringContaining('CLI_NOTHING'),
  });
});

test('wrong usage ends with 2, help with 0', async () => {
  for (const wrong of [['no-such-command'], ['search'], ['status', '--no-such-option']])
    expect(await ingest(...wrong)).toMatchObject({ code: 2, err: expect.stringContaining('error:') });
  expect(await ingest('--help')).toMatchObject({ code: 0, out: expect.stringContaining('Usage: ingest') });
});

test('an API that is not there is named with what to do', async () => {
  const answer = await ingest('--url', 'http://127.0.0.1:1', 'status');
  expect(answer).toMatchObject({ code: 1, err: expect.stringContaining('CLI_UNREACHABLE') });
});
