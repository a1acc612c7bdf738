import { issueAdminKey, type KeyFormat } from '@stackyard/convex-selfhost';
import { type Command, Option } from 'commander';
import { newCommand, type Surroundings, withVariant } from '../command-line.ts';
import { type InstanceOptions, instanceOf, withInstanceOptions } from './instance.ts';

interface AdminKeyOptions extends InstanceOptions {
  readonly format: KeyFormat;
  readonly readOnly?: boolean;
}

export function command(surroundings: Surroundings): Command {
  return withInstanceOptions(withVariant(newCommand('admin-key', 'issue an admin key and print it')))
    .addOption(
      new Option('--format <format>', 'every known backend takes secretbox')
        .choices(['secretbox', 'gcm-siv'])
        .default('secretbox'),
    )
    .option('--read-only', 'a key that may look but not change anything')
    .action(async (variant: string | undefined, options: AdminKeyOptions) => {
      const { format, readOnly = false } = options;
      const instance = await instanceOf(surroundings, variant, options);
      surroundings.stdout.write(`${issueAdminKey({ ...instance, format, readOnly })}\n`);
    });
}
