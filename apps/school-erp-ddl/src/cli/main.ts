#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { addDataCommands } from './data.ts';
import { addLoadCommands } from './load.ts';
import { fail } from './output.ts';
import { addSchemaCommands } from './schema.ts';
import { addSetupCommands } from './setup.ts';

const program = new Command('erp')
  .description('The school ERP schema: set it up, move rosters in and out, generate data')
  .exitOverride();
addSetupCommands(program);
addDataCommands(program);
addLoadCommands(program);
addSchemaCommands(program);

await program.parseAsync().catch((error: unknown) => {
  // Commander has said already what is wrong with the call, or shown the help.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else fail(error);
});
