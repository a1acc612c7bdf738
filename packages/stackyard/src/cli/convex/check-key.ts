import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnvFile } from '@stackyard/compose';
import { type AdminKeyInspection, inspectAdminKey } from '@stackyard/convex-selfhost';
import type { Command } from 'commander';
import { exitCodes, UsageError } from '../../errors.ts';
import { findWorkspace, selectVariant } from '../../workspace.ts';
import { ExitWith, newCommand, paints, type Surroundings, withVariant } from '../command-line.ts';
import { type InstanceOptions, instanceOf, readSecret, withInstanceOptions } from './instance.ts';

interface CheckKeyOptions extends InstanceOptions {
  readonly keyFile?: string;
  readonly json?: boolean;
}

const keyVariable = 'CONVEX_SELF_HOSTED_ADMIN_KEY';

export function command(surroundings: Surroundings): Command {
  return withInstanceOptions(
    withVariant(newCommand('check-key', 'say whether a backend takes an admin key, or why not')),
  )
    .option('--key-file <file>', `file with the key, - for stdin (default: ${keyVariable}, else .env.local)`)
    .option('--json', 'for programs: one object')
    .addHelpText('after', '\nEnds with 0 for a key that may push, with 1 for any other.')
    .action(async (variant: string | undefined, options: CheckKeyOptions) => {
      const key = findKey(surroundings, variant, options);
      const inspection = inspectAdminKey(key, await instanceOf(surroundings, variant, options));
      surroundings.stdout.write(`${options.json ? toJson(inspection) : format(inspection, surroundings)}\n`);
      if (inspection.verdict !== 'valid') throw new ExitWith(exitCodes.failure);
    });
}

function findKey(
  surroundings: Surroundings,
  name: string | undefined,
  { keyFile, instanceName }: CheckKeyOptions,
): string {
  if (keyFile !== undefined) return readSecret(surroundings, keyFile);
  const fromEnvironment = surroundings.environment[keyVariable];
  if (fromEnvironment) return fromEnvironment;
  if (instanceName === undefined) {
    const file = path.join(selectVariant(findWorkspace(surroundings.cwd), name).directory, '.env.local');
    const key = existsSync(file)
      ? parseEnvFile(readFileSync(file, 'utf8'), { env: {}, file })[keyVariable]
      : undefined;
    if (key) return key;
  }
  throw new UsageError('no admin key to check', {
    hint: `pass --key-file <file> (- for stdin), or set ${keyVariable}`,
  });
}

function format({ verdict, message, fix, content }: AdminKeyInspection, surroundings: Surroundings): string {
  const { out } = paints(surroundings);
  const mark =
    verdict === 'valid' ? out('green', verdict) : out(verdict === 'read-only' ? 'yellow' : 'red', verdict);
  const lines = [`${mark}: ${message}`];
  if (content) {
    const who = content.identity.kind === 'system' ? 'the system' : `member ${content.identity.memberId}`;
    lines.push(`issued ${content.issuedAt.toISOString()} for ${who}, format ${content.format}`);
  }
  if (fix) lines.push(`next: ${fix}`);
  return lines.join('\n');
}

function toJson(inspection: AdminKeyInspection): string {
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
  return JSON.stringify(inspection, plain, 2);
}
