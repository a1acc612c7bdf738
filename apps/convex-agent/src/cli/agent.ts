#!/usr/bin/env node
import { EnvError } from '@stackyard/env';
import { Command } from 'commander';
import { cancelCommand } from './cancel.ts';
import { listCommand } from './list.ts';
import { retryCommand } from './retry.ts';
import { runCommand } from './run.ts';
import { runnerCommand } from './runner.ts';
import { showCommand } from './show.ts';

const program = new Command('agent')
  .description('Workflows of agents: give them tasks, watch them, and run the agents.')
  .showHelpAfterError('(agent --help lists the commands)')
  .addCommand(runCommand())
  .addCommand(listCommand())
  .addCommand(showCommand())
  .addCommand(cancelCommand())
  .addCommand(retryCommand())
  .addCommand(runnerCommand());

try {
  await program.parseAsync();
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}

function explain(error: unknown): string {
  if (error instanceof EnvError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const hint = 'hint' in error ? `\n${error.hint}` : '';
  return `${error.message}${hint}`;
}
