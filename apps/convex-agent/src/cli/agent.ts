#!/usr/bin/env node
import { EnvError } from '@stackyard/env';
import { Command, CommanderError } from 'commander';
import { cancelCommand } from './cancel.ts';
import { listCommand } from './list.ts';
import { retryCommand } from './retry.ts';
import { runCommand } from './run.ts';
import { runnerCommand } from './runner.ts';
import { showCommand } from './show.ts';

/** As the rest of Stackyard has it: 0 done, 1 failed, 2 wrong usage. */
const wrongUsage = 2;

const program = new Command('agent')
  .description('Workflows of agents: give them tasks, watch them, and run the agents.')
  .showHelpAfterError('(agent --help lists the commands)')
  .addCommand(runCommand())
  .addCommand(listCommand())
  .addCommand(showCommand())
  .addCommand(cancelCommand())
  .addCommand(retryCommand())
  .addCommand(runnerCommand());

for (const command of [program, ...program.commands]) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  // What is wrong with the command line has been printed by then.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : wrongUsage;
  else {
    console.error(explain(error));
    process.exitCode = 1;
  }
}

function explain(error: unknown): string {
  if (error instanceof EnvError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const hint = 'hint' in error ? `\n${error.hint}` : '';
  return `${error.message}${hint}`;
}
