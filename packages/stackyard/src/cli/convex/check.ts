import { checkConfiguration, type Finding } from '@stackyard/convex-selfhost';
import type { Command } from 'commander';
import { exitCodes } from '../../errors.ts';
import { ExitWith, newCommand, paints, type Surroundings, withVariant } from '../command-line.ts';
import { convexOf } from './instance.ts';

export function command(surroundings: Surroundings): Command {
  return withVariant(newCommand('check', 'check the configuration of a Convex, every known trap by name'))
    .option('--production', 'apply the rules of production too')
    .option('--json', 'for programs: a list of findings')
    .addHelpText('after', '\nWarnings end with exit code 0, errors with 1.')
    .action(async (variant: string | undefined, options: { production?: boolean; json?: boolean }) => {
      const { configuration } = await convexOf(surroundings, variant);
      const findings = checkConfiguration({ ...configuration, production: options.production ?? false });
      const text = options.json ? JSON.stringify(findings, undefined, 2) : format(findings, surroundings);
      surroundings.stdout.write(`${text}\n`);
      if (findings.some(({ severity }) => severity === 'error')) throw new ExitWith(exitCodes.failure);
    });
}

function format(findings: readonly Finding[], surroundings: Surroundings): string {
  const { out } = paints(surroundings);
  if (findings.length === 0) return `${out('green', 'ok')}  nothing to say`;
  const colours = { error: 'red', warning: 'yellow', info: 'dim' } as const;
  return findings
    .flatMap(({ id, severity, message, fix }) => [
      `${out(colours[severity], severity.padEnd(7))}  ${message} ${out('dim', `(${id})`)}`,
      `         ${out('dim', 'fix:')} ${fix}`,
    ])
    .join('\n');
}
