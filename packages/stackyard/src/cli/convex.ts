import type { Command } from 'commander';
import { UsageError } from '../errors.ts';
import { newCommand, type Surroundings } from './command-line.ts';
import { command as adminKey } from './convex/admin-key.ts';
import { command as check } from './convex/check.ts';
import { command as checkKey } from './convex/check-key.ts';
import { command as envLocal } from './convex/env-local.ts';
import { command as secret } from './convex/secret.ts';

export function command(surroundings: Surroundings): Command {
  const group = newCommand('convex', 'admin keys and configuration of a self-hosted Convex')
    .usage('<command> [variant] [options]')
    .helpCommand(false)
    .argument('[command]')
    .addHelpText(
      'after',
      '\nWorks offline. Secrets come from the Compose files, files, stdin or the environment, never from arguments.',
    );
  for (const make of [adminKey, checkKey, check, envLocal, secret]) group.addCommand(make(surroundings));
  const names = group.commands.map((command) => command.name()).join(', ');
  return group.action((given: string | undefined) => {
    const message =
      given === undefined ? 'stackyard convex needs a command' : `stackyard convex has no command "${given}"`;
    throw new UsageError(message, { hint: `it has ${names}` });
  });
}
