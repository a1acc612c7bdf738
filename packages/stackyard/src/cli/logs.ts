import type { Command } from 'commander';
import { UsageError } from '../errors.ts';
import { follow, followNames, listLogs, logFile, tail } from '../log-files.ts';
import { scriptNames } from '../plan.ts';
import { newCommand, paints, type Surroundings, splitVariant } from './command-line.ts';
import { Interrupts } from './interrupts.ts';
import { prefixer, shownOn } from './terminal.ts';

export function command(surroundings: Surroundings): Command {
  return newCommand('logs', 'show the output of services and scripts')
    .argument(
      '[names...]',
      'variant (not needed inside its folder), then service or script names; all of them if none',
    )
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('-n, --lines <count>', 'how many of the last lines', '100')
    .action((names: string[], options: LogsOptions) => logs(surroundings, names, options));
}

interface LogsOptions {
  readonly follow?: boolean;
  readonly lines: string;
}

async function logs(
  surroundings: Surroundings,
  given: readonly string[],
  options: LogsOptions,
): Promise<void> {
  const count = Number(options.lines);
  if (!Number.isInteger(count) || count < 0)
    throw new UsageError('--lines needs a number', { hint: 'for example: --lines 50' });
  const { variant, rest: wanted } = splitVariant(surroundings, given);
  const known = listLogs(variant.stateDirectory);
  const missing = wanted.filter((name) => !known.includes(name));
  if (missing.length > 0) {
    throw new UsageError(`${variant.name} has no log of ${missing.join(', ')}`, {
      hint: known.length ? `it has logs of ${known.join(', ')}` : 'nothing has run yet',
    });
  }
  const shown = wanted.length ? wanted : known;
  // Those of scripts may begin while this follows.
  const names = options.follow && !wanted.length ? [...shown, ...scriptNames(variant.scripts).dev] : shown;
  const format = prefixer(names, paints(surroundings).out);
  const { stdout } = surroundings;
  const print = (name: string) => (line: string) => stdout.write(`${format(name, shownOn(stdout, line))}\n`);
  if (!options.follow) {
    for (const name of shown) tail(logFile(variant.stateDirectory, name), count).forEach(print(name));
    return;
  }
  using interrupts = new Interrupts();
  const { stateDirectory } = variant;
  const begin = (name: string) => follow(logFile(stateDirectory, name), count, print(name), interrupts.stop);
  if (wanted.length) wanted.forEach(begin);
  else followNames(stateDirectory, begin, interrupts.stop);
  await interrupts.stopped;
}
