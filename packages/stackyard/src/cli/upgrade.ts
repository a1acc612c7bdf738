import { type Upgraded, upgradeProject } from '@stackyard/template';
import type { Command } from 'commander';
import { findWorkspace } from '../workspace.ts';
import { ExitWith, newCommand, type Surroundings } from './command-line.ts';
import { Interrupts, interruptible } from './interrupts.ts';

interface UpgradeOptions {
  readonly to?: string;
  readonly from?: string;
  readonly base?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function command(surroundings: Surroundings): Command {
  return newCommand('upgrade', 'merge what the template has changed since this project was made')
    .option('--to <version>', 'version of the template (default: the latest)')
    .option('--from <path>', 'that version as a checkout or an archive, instead of from the registry')
    .option('--base <path>', 'the same for the version that the project was made from')
    .option('--dry-run', 'show what would be merged, and do nothing')
    .option('--json', 'show the result as JSON')
    .addHelpText('after', '\nEnds with 1 when there are conflicts; they are those of git.')
    .action((options: UpgradeOptions) => upgrade(surroundings, options));
}

async function upgrade(surroundings: Surroundings, options: UpgradeOptions): Promise<void> {
  const { stdout } = surroundings;
  const { root } = findWorkspace(surroundings.cwd);
  using interrupts = new Interrupts();
  const say = (line: string) => options.json || stdout.write(`${line}\n`);
  const result = await interruptible(interrupts, () =>
    upgradeProject(root, { ...options, signal: interrupts.stop, say }),
  );
  if (options.json) stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  else stdout.write(describe(result, options.dryRun === true));
  if (result.conflicts.length > 0) throw new ExitWith(1);
}

function describe({ from, to, merged, conflicts, deleted }: Upgraded, dryRun: boolean): string {
  if (merged.length + conflicts.length + deleted.length === 0) return `nothing to merge: this is ${to}\n`;
  const lines = [
    `${from} -> ${to}: ${merged.length} files ${dryRun ? 'would be ' : ''}merged, ${conflicts.length} in conflict`,
    ...conflicts.map((file) => `  conflict  ${file}`),
    ...deleted.map((file) => `  deleted   ${file} stays deleted, and the template has changed it`),
  ];
  const afterwards = './pnpmw install && ./pnpmw env:example';
  if (!dryRun) {
    lines.push(
      conflicts.length > 0
        ? `next: resolve them, git add, ${afterwards}; git reset --hard takes all of it back`
        : 'next: run the tests, look at git diff --staged, commit',
    );
  }
  return `${lines.join('\n')}\n`;
}
