import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { defaultInstanceName, type Instance, type SelfhostConfiguration } from '@stackyard/convex-selfhost';
import type { Command } from 'commander';
import { loadStack } from '../../configuration.ts';
import { convexConfiguration } from '../../convex/configuration.ts';
import type { Stack } from '../../driver.ts';
import { StackyardError, UsageError } from '../../errors.ts';
import { chooseVariant, type Surroundings } from '../command-line.ts';

export interface InstanceOptions {
  readonly instanceName?: string;
  readonly secretFile?: string;
}

/** Options of every command that needs name and secret. Secrets come from files, stdin or the environment alone. */
export function withInstanceOptions(command: Command): Command {
  return command
    .option(
      '--instance-name <name>',
      'of a backend outside this checkout; its secret comes from the next option',
    )
    .option('--secret-file <file>', 'file with the instance secret, - for stdin (default: INSTANCE_SECRET)');
}

/** Name and secret: as the options say, else those of the variant's own Convex. */
export async function instanceOf(
  surroundings: Surroundings,
  variant: string | undefined,
  { instanceName, secretFile }: InstanceOptions,
): Promise<Instance> {
  const given = secretFile === undefined ? undefined : await readSecret(surroundings, secretFile);
  if (instanceName !== undefined) {
    const instanceSecret = given ?? surroundings.environment.INSTANCE_SECRET;
    if (instanceSecret) return { instanceName, instanceSecret };
    throw new UsageError('--instance-name needs the secret of that instance', {
      hint: 'pass --secret-file <file> (- for stdin), or set INSTANCE_SECRET',
    });
  }
  const { configuration } = await convexOf(surroundings, variant);
  const { environment, stored } = configuration;
  const instanceSecret = given ?? stored?.instanceSecret ?? environment.INSTANCE_SECRET;
  if (!instanceSecret) {
    throw new StackyardError(
      'STACKYARD_CONVEX_SECRET',
      'the instance secret of this Convex is not known yet',
      {
        hint: 'start the stack once, or set the variable behind INSTANCE_SECRET in .env (stackyard convex secret makes one)',
      },
    );
  }
  return {
    instanceName: stored?.instanceName ?? (environment.INSTANCE_NAME || defaultInstanceName),
    instanceSecret,
  };
}

/** The variant's stack and what is known of its Convex. */
export async function convexOf(
  surroundings: Surroundings,
  name: string | undefined,
): Promise<{ stack: Stack; configuration: SelfhostConfiguration }> {
  const variant = chooseVariant(surroundings, name);
  const stack = await loadStack(variant, { processEnvironment: surroundings.environment });
  const configuration = convexConfiguration(stack);
  if (configuration) return { stack, configuration };
  throw new UsageError(`${variant.name} has no Convex`, { hint: 'name a variant that has one' });
}

/** The text of a file, or of stdin for `-`, without white space around it. */
export async function readSecret(surroundings: Surroundings, file: string): Promise<string> {
  try {
    const content =
      file === '-' ? text(process.stdin) : readFile(path.resolve(surroundings.cwd, file), 'utf8');
    return (await content).trim();
  } catch (error) {
    throw new UsageError(`cannot read ${file === '-' ? 'stdin' : file}`, {
      hint: 'give the path of a readable file, or - for stdin',
      cause: error,
    });
  }
}
