import { createVariant, planVariant } from '@stackyard/template';
import type { Command } from 'commander';
import { findWorkspace } from '../workspace.ts';
import { newCommand, type Surroundings } from './command-line.ts';
import { confirm } from './confirm.ts';
import { Interrupts, interruptible } from './interrupts.ts';

interface NewOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function command(surroundings: Surroundings): Command {
  const variant = newCommand('variant', 'add an empty variant, which starts at once')
    .argument('<name>', 'in lower case with hyphens: the folder of apps/, the package, the Compose project')
    .option('--dry-run', 'show what would be made, and make nothing')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      '\nIts ports lie in a block that no other variant uses. Nothing is left behind when it fails.',
    )
    .action((name: string, options: NewOptions) => newVariant(surroundings, name, options));
  return newCommand('new', 'add a variant').addCommand(variant);
}

async function newVariant(surroundings: Surroundings, name: string, options: NewOptions): Promise<void> {
  const { stdout, interactive } = surroundings;
  const { root } = findWorkspace(surroundings.cwd);
  const plan = planVariant(root, name);
  const steps = ['./pnpmw install', './pnpmw env:example'];
  stdout.write(`${[...plan.files.keys(), ...steps].map((line) => `  ${line}`).join('\n')}\n`);
  if (options.dryRun) return;
  if (interactive && !options.yes && !(await confirm('Make this?', true))) {
    stdout.write('nothing was made\n');
    return;
  }
  using interrupts = new Interrupts();
  await interruptible(interrupts, () => createVariant(root, plan, { signal: interrupts.stop }));
  stdout.write(
    `\n${name} is there, on port ${plan.port}\nnext: ./pnpmw turbo dev --filter ${name}; ./pnpmw stackyard add --help\n`,
  );
}
