// only: template
/**
 * Makes a project of every set of variants and checks that it stands on its own: no mention of what was left out or of
 * the template, types, style; with `--dev` also `dev` of each variant until it is ready, with `--full` its tests too.
 *
 *   ./pnpmw subsets                        every set
 *   ./pnpmw subsets --full ingestion,shop  these sets, each with commas between its variants
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  createProject,
  findMentions,
  namePattern,
  prunedPattern,
  readTree,
  readVariants,
  select,
  split,
  walkTree,
} from '@stackyard/template';

const root = resolve(import.meta.dirname, '..');
const template = readTree(root);
const variants = readVariants(template).map(({ name }) => name);
const sets = Array.from({ length: 2 ** variants.length - 1 }, (_, bits) =>
  variants.filter((_, index) => ((bits + 1) >> index) & 1),
);

const args = process.argv.slice(2);
const full = args.includes('--full');
const starts = args.includes('--dev');
const named = args.filter((argument) => !argument.startsWith('-')).map(split);
for (const keep of named.length > 0 ? named : sets) await check(keep);

async function check(keep: string[]): Promise<void> {
  console.log(`\n${keep.join(', ')}`);
  const folder = mkdtempSync(join(tmpdir(), 'subset-'));
  const project = join(folder, 'acme-shop');
  const pnpmw = (...command: string[]) => run(project, join(project, 'pnpmw'), ...command);
  try {
    const choice = { name: 'acme-shop', scope: 'acme', title: 'Acme Shop', keep };
    await step('create', () => createProject(template, project, choice));
    await step('search', async () => search(project, keep));
    await run(project, 'git', 'init', '--quiet');
    await step('lint', () => pnpmw('biome', 'check', '--error-on-warnings', '.'));
    await step('generated', () => pnpmw('check:generated'));
    await step('knip', () => pnpmw('knip'));
    await step('typecheck', () => pnpmw('typecheck'));
    if (full) await step('test', () => pnpmw('test'));
    if (!full && !starts) return;
    for (const variant of keep) await step(`dev ${variant}`, () => develop(project, variant));
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function search(project: string, keep: string[]): Promise<void> {
  const files = walkTree(project);
  const pruned = prunedPattern(select(template, keep));
  const mentions = [namePattern('stackyard'), pruned].flatMap((pattern) =>
    pattern ? findMentions(files, pattern) : [],
  );
  if (mentions.length === 0) return;
  throw new Error(mentions.map(({ file, line, text }) => `${file}:${line}: ${text}`).join('\n'));
}

/** Starts a variant as its readme says, waits until it is ready, and stops it with Ctrl-C. */
async function develop(project: string, variant: string): Promise<void> {
  const child = spawn(join(project, 'pnpmw'), ['turbo', 'dev', '--filter', variant], {
    cwd: project,
    env: { ...process.env, ACME_SHOP_ISOLATED: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const closed = once(child, 'close');
  let output = '';
  const ready = new Promise<boolean>((done) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
        if (output.includes(`${variant} is ready after`)) done(true);
      });
    }
    closed.then(() => done(false));
  });
  const late = setTimeout(() => process.kill(-child.pid!, 'SIGTERM'), 180_000);
  const came = await ready;
  if (came) process.kill(-child.pid!, 'SIGINT');
  await closed;
  clearTimeout(late);
  if (!came) throw new Error(output);
  console.log(`    ${new RegExp(`${variant} is ready after.*`).exec(output)?.[0]}`);
}

async function step(name: string, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  try {
    await work();
  } catch (error) {
    process.exitCode = 1;
    console.log(`  ${name} failed: ${(error as Error).message}`);
    return;
  }
  console.log(`  ${name.padEnd(24)}${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s`);
}

async function run(cwd: string, command: string, ...args: string[]): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${output.slice(-6000)}`);
}
