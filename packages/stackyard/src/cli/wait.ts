import type { Command } from 'commander';
import { UsageError } from '../errors.ts';
import { waitUntilReady } from '../wait-ready.ts';
import { chooseVariant, newCommand, type Surroundings, withVariant } from './command-line.ts';
import { Interrupts } from './interrupts.ts';

export function command(surroundings: Surroundings): Command {
  return withVariant(newCommand('wait', 'wait until a stack that is being started is ready'))
    .option('--timeout <seconds>', 'how long to wait', '120')
    .addHelpText('after', '\nFails at once when nobody starts the stack, and when its start fails.')
    .action((variant: string | undefined, options: { timeout: string }) =>
      wait(surroundings, variant, options),
    );
}

async function wait(
  surroundings: Surroundings,
  name: string | undefined,
  options: { timeout: string },
): Promise<void> {
  const seconds = Number(options.timeout);
  if (!(seconds > 0))
    throw new UsageError('--timeout needs a number of seconds', { hint: 'for example: --timeout 60' });
  using interrupts = new Interrupts();
  const variant = chooseVariant(surroundings, name);
  await waitUntilReady(variant, { timeoutMs: seconds * 1000, signal: interrupts.stop });
  surroundings.stdout.write(`${variant.name} is ready\n`);
}
