import path from 'node:path';
import type { Command } from 'commander';
import { openBackup } from '../backup/open-backup.ts';
import { restoreStack } from '../backup/restore.ts';
import { splitProfiles } from '../configuration.ts';
import { load } from '../load.ts';
import { findWorkspace, selectVariant } from '../workspace.ts';
import { newCommand, type StackOptions, type Surroundings, withStackOptions } from './command-line.ts';
import { Interrupts, interruptible } from './interrupts.ts';
import { ProgressDisplay } from './terminal.ts';

export function command(surroundings: Surroundings): Command {
  return withStackOptions(newCommand('restore', 'put back what a backup holds'))
    .argument('<folder>', 'a folder that "stackyard backup" made')
    .addHelpText(
      'after',
      `
The stack has to be down. The copy is checked, started, and its rows are compared before anything is replaced; a
backup of what was there is taken first. A backup of another engine, major version or variant is refused.`,
    )
    .action((folder: string, options: StackOptions) => restore(surroundings, folder, options));
}

async function restore(surroundings: Surroundings, name: string, options: StackOptions): Promise<void> {
  using interrupts = new Interrupts();
  const { stdout } = surroundings;
  const backup = await openBackup(path.resolve(surroundings.cwd, name));
  const variant = selectVariant(findWorkspace(surroundings.cwd), backup.manifest.variant);
  const loaded = await load(variant, {
    processEnvironment: surroundings.environment,
    driver: options.driver,
    profiles: splitProfiles(options.profile ?? []),
  });
  using display = new ProgressDisplay(stdout, (_, line) => line);
  const restored = await interruptible(interrupts, () =>
    restoreStack(loaded, backup, { reporter: display, signal: interrupts.stop }),
  );
  display[Symbol.dispose]();
  const { createdAt } = backup.manifest;
  stdout.write(
    `${variant.name} is as it was at ${createdAt}: ${restored.services.join(', ')}, ${restored.rows} rows verified\n`,
  );
  if (restored.replaced) stdout.write(`what it replaced is in ${restored.replaced.folder}\n`);
  stdout.write(`start it with: stackyard up ${variant.name}\n`);
}
