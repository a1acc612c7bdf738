import type { Command } from 'commander';
import { type Check, checkup } from '../doctor/index.ts';
import { exitCodes } from '../errors.ts';
import { findWorkspace } from '../workspace.ts';
import { ExitWith, newCommand, paints, type Surroundings } from './command-line.ts';

export function command(surroundings: Surroundings): Command {
  return newCommand('doctor', 'check this machine and checkout, and say how to fix what is wrong')
    .option('--json', 'for programs: a list of checks')
    .addHelpText('after', '\nChanges nothing. Warnings end with exit code 0, failures with 1.')
    .action((options: { json?: boolean }) => doctor(surroundings, options));
}

async function doctor(surroundings: Surroundings, options: { json?: boolean }): Promise<void> {
  const checks = await checkup(findWorkspace(surroundings.cwd), surroundings.environment);
  const { stdout } = surroundings;
  if (options.json) stdout.write(`${JSON.stringify(checks, undefined, 2)}\n`);
  else stdout.write(`${format(checks, surroundings)}\n`);
  if (checks.some(({ result }) => result === 'failure')) throw new ExitWith(exitCodes.failure);
}

function format(checks: readonly Check[], surroundings: Surroundings): string {
  const { out } = paints(surroundings);
  const width = Math.max(...checks.map(({ subject }) => subject.length));
  const margin = ' '.repeat(11 + width);
  const indent = (text: string) => text.split('\n').join(`\n${margin}`);
  const marks = {
    ok: out('green', 'ok     '),
    warning: out('yellow', 'warning'),
    failure: out('red', 'failure'),
  };
  return checks
    .flatMap(({ subject, result, message, fix }) => [
      `${marks[result]}  ${subject.padEnd(width)}  ${indent(message)}`,
      ...(fix === undefined ? [] : [`${margin}${out('dim', 'fix:')} ${indent(fix)}`]),
    ])
    .join('\n');
}
