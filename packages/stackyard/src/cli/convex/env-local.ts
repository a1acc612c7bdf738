import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnvFile } from '@stackyard/compose';
import { type Instance, inspectAdminKey, issueAdminKey, mergeEnvLocal } from '@stackyard/convex-selfhost';
import type { Command } from 'commander';
import { convexApiPort } from '../../convex/configuration.ts';
import { newCommand, type Surroundings, withVariant } from '../command-line.ts';
import { convexOf, instanceOf } from './instance.ts';

export function command(surroundings: Surroundings): Command {
  return withVariant(newCommand('env-local', "write address and admin key to the variant's .env.local"))
    .option('--url <url>', 'address of the API (default: the port of the stack on 127.0.0.1)')
    .addHelpText('after', '\nWhat you wrote or changed there stays. The Convex CLI reads this file.')
    .action((variant: string | undefined, options: { url?: string }) =>
      envLocal(surroundings, variant, options),
    );
}

async function envLocal(
  surroundings: Surroundings,
  name: string | undefined,
  { url }: { url?: string },
): Promise<void> {
  const { stack } = await convexOf(surroundings, name);
  const instance = await instanceOf(surroundings, name, {});
  const file = path.join(stack.variant.directory, '.env.local');
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const { text, changed, notes } = mergeEnvLocal(before, {
    CONVEX_SELF_HOSTED_URL: url ?? `http://127.0.0.1:${convexApiPort(stack) ?? 3210}`,
    CONVEX_SELF_HOSTED_ADMIN_KEY: fittingKey(before, file, instance) ?? issueAdminKey(instance),
  });
  const shown = path.relative(stack.variant.root, file);
  if (changed) writePrivately(file, text);
  surroundings.stdout.write(`${shown} is ${changed ? 'written' : 'up to date'}\n`);
  for (const note of notes) surroundings.stderr.write(`${note}\n`);
}

/** The key that the file has, if it still fits: a new one would differ without being better. */
function fittingKey(text: string, file: string, instance: Instance): string | undefined {
  const key = parseEnvFile(text, { env: {}, file }).CONVEX_SELF_HOSTED_ADMIN_KEY;
  return key && inspectAdminKey(key, instance).verdict === 'valid' ? key : undefined;
}

/** In one step, and readable by its owner alone. */
function writePrivately(file: string, text: string): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, file);
}
