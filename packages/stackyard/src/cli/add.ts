import { catalogueServices, formatAddition, planService, replaceText } from '@stackyard/template';
import type { Command } from 'commander';
import { readLiveState } from '../state.ts';
import { chooseVariant, newCommand, type Surroundings } from './command-line.ts';
import { Interrupts, interruptible } from './interrupts.ts';

interface AddOptions {
  readonly variant?: string;
  readonly dryRun?: boolean;
}

export function command(surroundings: Surroundings): Command {
  const rows = catalogueServices.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`);
  return newCommand('add', 'add a service to a variant')
    .argument('<service>', `one of ${catalogueServices.map(({ name }) => name).join(', ')}`)
    .option('--variant <name>', 'folder of apps/; inside that folder it can be left out')
    .option('--dry-run', 'show the difference, and write nothing')
    .addHelpText(
      'after',
      `\nServices:\n${rows.join('\n')}\n\nThe variant's programs get its variables, and wait until it is healthy.`,
    )
    .action((service: string, options: AddOptions) => add(surroundings, service, options));
}

async function add(surroundings: Surroundings, name: string, options: AddOptions): Promise<void> {
  const { stdout } = surroundings;
  const variant = chooseVariant(surroundings, options.variant);
  const addition = planService(variant.root, variant.name, name);
  const { file, after, users, variables, service } = addition;
  if (options.dryRun) stdout.write(formatAddition(addition));
  else {
    using interrupts = new Interrupts();
    await interruptible(interrupts, () =>
      replaceText(variant.root, file, after, { signal: interrupts.stop }),
    );
    stdout.write(`${variant.name} has ${service.summary} now, as ${name} in ${file}\n`);
    if (users.length > 0) stdout.write(`${users.join(', ')}: ${variables.join(', ')}\n`);
  }
  if (service.withoutEngine !== undefined) stdout.write(`note: ${service.withoutEngine}\n`);
  if (options.dryRun) return;
  const running = readLiveState(variant.stateDirectory) !== undefined;
  const start = `./pnpmw stackyard up ${variant.name}`;
  stdout.write(`next: ${running ? `./pnpmw stackyard down ${variant.name}, then ` : ''}${start}\n`);
}
