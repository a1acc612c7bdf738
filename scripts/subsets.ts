// only: template
/**
 * Makes a project of every set of variants and checks that it stands on its own: no mention of what was left out or of
 * the template, types, style; with `--full` also its tests, and every command of its pages: `dev` of each variant too.
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
    if (!full) return;
    await step('test', () => pnpmw('test'));
    await step('test:checkouts', () => pnpmw('test:checkouts'));
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
