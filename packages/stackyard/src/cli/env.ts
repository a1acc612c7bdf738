import { quoteValue } from '@stackyard/env';
import type { Command } from 'commander';
import { splitProfiles } from '../configuration.ts';
import { UsageError } from '../errors.ts';
import { load } from '../load.ts';
import { maskVariable } from '../mask.ts';
import { processVariables } from '../process-environment.ts';
import {
  newCommand,
  paints,
  type StackOptions,
  type Surroundings,
  splitVariant,
  withStackOptions,
} from './command-line.ts';

export function command(surroundings: Surroundings): Command {
  return withStackOptions(newCommand('env', 'show the environment that a process of the stack gets'))
    .argument(
      '[names...]',
      'variant (not needed inside its folder), then the process: setup, a dev script, a service',
    )
    .option('--show-secrets', 'print passwords, tokens and keys in full')
    .option('--json', 'for programs: one object')
    .addHelpText(
      'after',
      '\nPrints what the Compose files give the process, with hosts and ports as this machine reaches them.',
    )
    .action((names: string[], options: EnvOptions) => env(surroundings, names, options));
}

interface EnvOptions extends StackOptions {
  readonly showSecrets?: boolean;
  readonly json?: boolean;
}

async function env(surroundings: Surroundings, names: readonly string[], options: EnvOptions): Promise<void> {
  const { variant, rest } = splitVariant(surroundings, names);
  if (rest.length > 1) {
    throw new UsageError('env shows one process at a time', { hint: `name one of ${rest.join(', ')}` });
  }
  const loaded = await load(variant, {
    processEnvironment: surroundings.environment,
    driver: options.driver,
    profiles: splitProfiles(options.profile ?? []),
  });
  const { values, unset } = processVariables(loaded, rest[0]);
  const shown = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      options.showSecrets ? value : maskVariable(key, value),
    ]),
  );
  const { stdout } = surroundings;
  if (options.json) {
    stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
    return;
  }
  const { out } = paints(surroundings);
  for (const [key, value] of Object.entries(shown)) stdout.write(`${key}=${quoteValue(value)}\n`);
  for (const { name, service } of unset)
    stdout.write(out('dim', `# ${name} is unset: ${service} does not run here\n`));
}
