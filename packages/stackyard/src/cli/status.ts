import type { Command } from 'commander';
import type { ErrorReport } from '../errors.ts';
import { isAlive } from '../processes.ts';
import {
  failureFile,
  readJson,
  readLiveState,
  readScripts,
  type ScriptRecords,
  type StackState,
} from '../state.ts';
import type { Variant } from '../workspace.ts';
import { chooseVariants, newCommand, paints, type Surroundings, withVariant } from './command-line.ts';
import { formatSummary } from './summary.ts';

export function command(surroundings: Surroundings): Command {
  return withVariant(newCommand('status', 'show what runs, where, and since when'))
    .option('--json', 'for programs: one object per variant')
    .addHelpText('after', '\nFrom the root without a variant: every variant.')
    .action((variant: string | undefined, options: { json?: boolean }) =>
      status(surroundings, variant, options),
    );
}

/** One variant as `--json` prints it. */
interface Status {
  readonly variant: string;
  readonly up: boolean;
  /** Absent when the stack is not up. */
  readonly stack?: StackState;
  /** What "stackyard dev" runs beside the services. */
  readonly scripts?: ScriptRecords;
  /** Why the last run ended, when nobody asked it to. */
  readonly lastFailure?: ErrorReport;
}

function status(surroundings: Surroundings, name: string | undefined, options: { json?: boolean }): void {
  const found = chooseVariants(surroundings, name).variants.map(statusOf);
  const { stdout } = surroundings;
  if (options.json) {
    stdout.write(
      `${JSON.stringify(name !== undefined || found.length === 1 ? found[0] : found, undefined, 2)}\n`,
    );
    return;
  }
  const { out } = paints(surroundings);
  for (const entry of found) {
    if (entry.stack) stdout.write(`${formatSummary(entry.stack, out, entry.scripts)}\n`);
    else
      stdout.write(
        `${entry.variant} is not up${entry.lastFailure ? `: ${entry.lastFailure.message}` : ''}\n`,
      );
  }
}

function statusOf(variant: Variant): Status {
  const stack = readLiveState(variant.stateDirectory);
  if (stack) {
    const scripts = readScripts(variant.stateDirectory);
    return { variant: variant.name, up: stack.phase === 'ready', stack: withDeadOnes(stack), scripts };
  }
  const lastFailure = readJson<ErrorReport>(failureFile(variant.stateDirectory));
  return { variant: variant.name, up: false, ...(lastFailure ? { lastFailure } : {}) };
}

/** The owner writes down a death a moment after it happens. */
function withDeadOnes(stack: StackState): StackState {
  const services = Object.fromEntries(
    Object.entries(stack.services).map(([name, record]) => {
      const dead = record.state === 'healthy' && record.process && !isAlive(record.process);
      return [name, dead ? { ...record, state: 'failed' as const } : record];
    }),
  );
  return { ...stack, services };
}
