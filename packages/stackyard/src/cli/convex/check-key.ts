import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnvFile } from '@stackyard/compose';
import { type AdminKeyInspection, inspectAdminKey } from '@stackyard/convex-selfhost';
import type { Command } from 'commander';
import { exitCodes, UsageError } from '../../errors.ts';
import { ExitWith, newCommand, paints, type Surroundings, withVariant } from '../command-line.ts';
import { convexOf, type InstanceOptions, instanceOf, readSecret, withInstanceOptions } from './instance.ts';

interface CheckKeyOptions extends InstanceOptions {
  readonly keyFile?: string;
  readonly json?: boolean;
}

const keyVariable = 'CONVEX_SELF_HOSTED_ADMIN_KEY';

export function command(surroundings: Surroundings): Command {
  return withInstanceOptions(
    withVariant(newCommand('check-key', 'say whether a backend takes an admin key, or why not')),
  )
    .option(
      '--key-file <file>',
      `file with the key, - for stdin (default: ${keyVariable}, else what the variant uses)`,
    )
    .option('--json', 'for programs: one object, about the first key that is wrong, if one is')
    .addHelpText('after', '\nEnds with 0 where every key may push, with 1 where one may not.')
    .action(async (variant: string | undefined, options: CheckKeyOptions) => {
      const keys = await findKeys(surroundings, variant, options);
      const instance = await instanceOf(surroundings, variant, options);
      const inspections = keys.map(({ key, source }) => ({ ...inspectAdminKey(key, instance), source }));
      const wrong = inspections.find(({ verdict }) => verdict !== 'valid');
      const report = options.json
        ? toJson((wrong ?? inspections[0])!)
        : inspections.map((inspection) => format(inspection, surroundings)).join('\n\n');
      surroundings.stdout.write(`${report}\n`);
      if (wrong) throw new ExitWith(exitCodes.failure);
    });
}

interface FoundKey {
  readonly key: string;
  /** Where it was found, for the report. */
  readonly source: string;
}

async function findKeys(
  surroundings: Surroundings,
  name: string | undefined,
  { keyFile, instanceName }: CheckKeyOptions,
): Promise<FoundKey[]> {
  if (keyFile !== undefined) {
    return [{ key: await readSecret(surroundings, keyFile), source: keyFile === '-' ? 'stdin' : keyFile }];
  }
  const fromEnvironment = surroundings.environment[keyVariable];
  if (fromEnvironment) return [{ key: fromEnvironment, source: `${keyVariable} in the environment` }];
  const found = instanceName === undefined ? await keysOfVariant(surroundings, name) : [];
  if (found.length > 0) return found;
  throw new UsageError('no admin key to check', {
    hint: `pass --key-file <file> (- for stdin), or set ${keyVariable}`,
  });
}

/** The key that the Convex CLI finds beside the variant, and the one that the Compose files give its programs. */
async function keysOfVariant(surroundings: Surroundings, name: string | undefined): Promise<FoundKey[]> {
  const { stack, configuration } = await convexOf(surroundings, name);
  const file = path.join(stack.variant.directory, '.env.local');
  const beside = existsSync(file) && parseEnvFile(readFileSync(file, 'utf8'), { env: {}, file })[keyVariable];
  const { adminKey } = configuration;
  return [
    ...(beside ? [{ key: beside, source: path.relative(stack.variant.root, file) }] : []),
    ...(adminKey ? [{ key: adminKey, source: 'the Compose files' }] : []),
  ];
}

type Inspected = AdminKeyInspection & { readonly source: string };

function format({ verdict, message, fix, content, source }: Inspected, surroundings: Surroundings): string {
  const { out } = paints(surroundings);
  const mark =
    verdict === 'valid' ? out('green', verdict) : out(verdict === 'read-only' ? 'yellow' : 'red', verdict);
  const lines = [`${mark}: ${message}`, `the key of ${source}`];
  if (content) {
    const who = content.identity.kind === 'system' ? 'the system' : `member ${content.identity.memberId}`;
    lines.push(`issued ${content.issuedAt.toISOString()} for ${who}, format ${content.format}`);
  }
  if (fix) lines.push(`next: ${fix}`);
  return lines.join('\n');
}

function toJson(inspection: Inspected): string {
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
  return JSON.stringify(inspection, plain, 2);
}
