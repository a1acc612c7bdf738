import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { $ } from 'zx';

const root = resolve(import.meta.dirname, '..');
const minute = 60_000;
let copy: string;
let shell: typeof $;

beforeAll(async () => {
  copy = await realpath(await mkdtemp(join(tmpdir(), 'stackyard-variant-')));
  const { stdout } = await $({
    cwd: root,
    quiet: true,
  })`git ls-files -z --cached --others --exclude-standard`;
  for (const file of stdout.split('\0').filter(Boolean)) {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await cp(join(root, file), join(copy, file), { verbatimSymlinks: true }).catch(() => {}); // deleted by now
  }
  shell = $({ cwd: copy, quiet: true });
  await shell`git init -q`;
  await shell`${join(root, 'pnpmw')} install --frozen-lockfile --prefer-offline`;
}, 5 * minute);

afterAll(async () => {
  await rm(copy, { recursive: true, force: true, maxRetries: 5 });
});

test(
  'the commands of the page make a variant that comes up, and holds to every rule of the repository',
  async () => {
    const page = await readFile(join(root, 'docs/adding-a-variant.md'), 'utf8');
    const commands = /```sh\n([\s\S]*?)```/.exec(page)![1]!.trim().split('\n');
    const dev = commands.pop()!;
    expect(dev).toBe('./pnpmw turbo dev --filter shop');
    for (const command of commands) {
      expect(command).toMatch(/^\.\/pnpmw stackyard (new|add) /);
      await shell`${command.split(' ')}`;
    }
    expect(await readyIn(dev)).toContain('shop is ready');
    const { stdout } = await shell`git status --porcelain --ignored -- apps/shop`;
    expect(stdout).not.toContain('.stackyard');
    await shell`./pnpmw lint`;
    await shell`./pnpmw check:generated`;
    await shell`./pnpmw turbo typecheck --filter shop`;
    await shell`./pnpmw vitest run --project shop`;
  },
  5 * minute,
);

/** Runs a `dev` on ports of its own until it is ready, stops it, and returns what it wrote. */
async function readyIn(command: string): Promise<string> {
  const [program = '', ...args] = command.split(' ');
  const child = spawn(join(copy, program), args, {
    cwd: copy,
    env: { ...process.env, STACKYARD_ISOLATED: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  try {
    for await (const line of createInterface({ input: child.stdout! })) {
      output += `${line}\n`;
      if (/is ready after/.test(line)) break;
    }
  } finally {
    await stopped(child);
  }
  return output;
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.stdout?.resume();
  const exit = once(child, 'exit');
  child.kill('SIGINT');
  await exit;
}
