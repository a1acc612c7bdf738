/** Runs every command that a page shows in a block of its own, page by page, in a copy of the repository. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { $ } from 'zx';

const root = resolve(import.meta.dirname, '..');
const minute = 60_000;
const identity = { 'user.name': 'a', 'user.email': 'a@example.org', 'commit.gpgsign': 'false' };
const environment = { STACKYARD_ISOLATED: '1', NO_COLOR: '1' };

/** What needs more than a copy and Node, and the file that runs it where that is. */
const elsewhere: readonly (readonly [command: RegExp, file: string, there: string])[] = [
  [/^\.\/pnpmw test$/, '.ci/run', './pnpmw test'],
  [/^sh infra\/backup|^pg_restore /, 'scripts/backup.containers.test.ts', 'docs/production.md'],
  // only: template
  [/^npm create /, 'scripts/rehearsal.ts', 'npm create --yes stackyard@latest'],
  [/^\.\/pnpmw changeset version$/, 'scripts/rehearsal.ts', './pnpmw changeset version'],
  [/^\.\/pnpmw release:rehearse$/, '.ci/run', './pnpmw release:rehearse'],
  [/^\.\/pnpmw release( --check)?$/, 'scripts/rehearsal.ts', './pnpmw release'],
  // /only
];
/** What stands for an example: a registry, a server or data that only its reader has. */
const examples = /^(?:docker compose|npx |[A-Z_]+=)|--driver docker|<file>|\bupgrade\b/;

const first = 'docs/adding-a-variant.md';
const last = 'docs/template.md'; // it makes another tree of the copy
const pages = ['README.md', 'CONTRIBUTING.md', 'docs/*.md', 'packages/*/README.md', 'apps/*/README.md']
  .flatMap((pattern) => globSync(pattern, { cwd: root }).toSorted())
  .toSorted((a, b) => rank(a) - rank(b));
const commands = pages.flatMap((page) => commandsIn(page).map((command) => ({ page, command })));
const runnable = pages.filter((page) => runnableOf(page).length > 0);

let copy: string;
let shell: typeof $;
/** A `dev` of the page that goes on while its other commands run. */
let running: ChildProcess | undefined;

beforeAll(async () => {
  copy = await realpath(await mkdtemp(join(tmpdir(), 'stackyard-commands-')));
  const list = $({ cwd: root, quiet: true });
  const { stdout } = await list`git ls-files -z --cached --others --exclude-standard`;
  for (const file of stdout.split('\0').filter(Boolean)) {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await cp(join(root, file), join(copy, file), { verbatimSymlinks: true }).catch(() => {}); // deleted by now
  }
  shell = $({ cwd: copy, quiet: true, env: { ...process.env, ...environment } });
  await shell`git init -q`;
  for (const [key, value] of Object.entries(identity)) await shell`git config ${key} ${value}`;
  await shell`${join(root, 'pnpmw')} install --frozen-lockfile --prefer-offline`;
}, 5 * minute);

afterEach(async () => {
  await stop();
  await shell`./pnpmw stackyard down`.nothrow(); // `init` has given it another name
}, minute);

afterAll(async () => {
  await rm(copy, { recursive: true, force: true, maxRetries: 5 });
});

test('what is not run here is run by the file that says so', () => {
  for (const [command, file, there] of elsewhere) {
    expect(commands.map((entry) => entry.command).filter((text) => command.test(text))).not.toEqual([]);
    expect(readFileSync(join(root, file), 'utf8')).toContain(there);
  }
});

test.each(runnable)('the commands of %s', { timeout: 5 * minute }, async (page) => {
  // only: template
  if (page === last) await shell`git add --all && git commit --quiet --message all`;
  // /only
  for (const command of runnableOf(page)) {
    const words = command.split(' ');
    if (/ dev | up /.test(`${command} `)) await stop();
    if (/ dev /.test(command)) await ready(words);
    else await shell`${words}`;
  }
  if (page !== first) return;
  await stop();
  const { stdout } = await shell`git status --porcelain --ignored -- apps/shop`;
  expect(stdout).not.toContain('.stackyard');
  await shell`./pnpmw lint`;
  await shell`./pnpmw check:generated`;
  await shell`./pnpmw turbo typecheck --filter shop`;
  await shell`./pnpmw vitest run --project shop`;
});

function rank(page: string): number {
  return [first, last].indexOf(page) === -1 ? 1 : page === first ? 0 : 2;
}

/** The commands of a page, each on one line and without its comment. */
function commandsIn(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/ \\\n\s*/g, ' ');
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)];
  const lines = blocks.flatMap(([, block = '']) => block.split('\n'));
  return lines.map((line) => line.replace(/\s+# .*/, '').trim()).filter((line) => line !== '');
}

/** Those to be run here; what stands for a name becomes the variant that the first page makes. */
function runnableOf(page: string): string[] {
  return commandsIn(page)
    .filter((command) => !examples.test(command) && !elsewhere.some(([pattern]) => pattern.test(command)))
    .map((command) => command.replaceAll('<variant>', 'shop').replaceAll('<process>', 'api'));
}

/** Starts a `dev` and waits until it is ready. */
async function ready([program = '', ...args]: readonly string[]): Promise<void> {
  running = spawn(join(copy, program), args, {
    cwd: copy,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const lines = createInterface({ input: running.stdout! });
  for await (const line of lines) {
    output += `${line}\n`;
    if (/is ready after/.test(line)) return;
  }
  throw new Error(output);
}

async function stop(): Promise<void> {
  const child = running;
  running = undefined;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.stdout?.resume();
  const exit = once(child, 'exit');
  child.kill('SIGINT');
  await exit;
}
