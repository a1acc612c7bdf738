#!/usr/bin/env node
import { Command } from 'commander';
import { addDataCommands } from './data.ts';
import { fail } from './output.ts';
import { addSchemaCommands } from './schema.ts';
import { addSetupCommands } from './setup.ts';

const program = new Command('erp')
  .description('The school ERP schema: set it up, move rosters in and out, generate data')
  .showHelpAfterError();
addSetupCommands(program);
addDataCommands(program);
addSchemaCommands(program);

await program.parseAsync().catch(fail);
