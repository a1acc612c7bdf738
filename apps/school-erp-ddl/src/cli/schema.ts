import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { checkCatalog } from '../check/catalog.ts';
import { checkMigrations } from '../check/migrations.ts';
import { DOCS, documentation, drift, writeDocumentation } from '../docs/files.ts';
import { MIGRATIONS } from '../migrations.ts';
import { withClient } from './environment.ts';
import { print, table, useJson } from './output.ts';
import { resetDemo } from './setup.ts';

export function addSchemaCommands(program: Command): void {
  program
    .command('check')
    .description('hold the database and the migrations against the rules of the schema')
    .option('--json', 'print the findings as JSON')
    .action(async (flags: { json?: boolean }) => {
      useJson(flags.json);
      const findings = [...(await checkMigrations(MIGRATIONS)), ...(await withClient(checkCatalog))];
      if (findings.length > 0) process.exitCode = 1;
      print({ findings }, () =>
        findings.length === 0
          ? 'Every rule is kept.'
          : table(
              ['rule', 'where', 'what'],
              findings.map((f) => [f.rule, f.object, f.message]),
            ),
      );
    });

  program
    .command('docs')
    .description('write the diagrams and the data dictionary from the catalog')
    .option('--check', 'write nothing; fail where the files are not what the catalog says')
    .option('--json', 'print the result as JSON')
    .action(async (flags: { check?: boolean; json?: boolean }) => {
      useJson(flags.json);
      const files = await withClient((client) => documentation(client));
      const stale = await drift(files);
      if (flags.check) {
        if (stale.length > 0) process.exitCode = 1;
        print({ stale }, () =>
          stale.length === 0
            ? 'The documentation is what the catalog says.'
            : `Not what the catalog says; run \`erp docs\`:\n${stale.map((name) => `  ${name}`).join('\n')}`,
        );
        return;
      }
      await writeDocumentation(files);
      print({ written: stale, folder: DOCS }, () => `${stale.length} of ${files.size} files changed.`);
    });

  program
    .command('reset-demo')
    .description('remove the demo tenant with all its rows and load it again')
    .option('--yes', 'do not ask')
    .option('--json', 'print the result as JSON')
    .action(async (flags: { yes?: boolean; json?: boolean }) => {
      useJson(flags.json);
      if (!flags.yes && !process.stdin.isTTY) throw new UnconfirmedError();
      if (
        !flags.yes &&
        !(await agreed('Remove the tenant demo with all its rows and load it again? [y/N] '))
      ) {
        print({ done: false }, () => 'Nothing was changed.');
        return;
      }
      const removed = await withClient(resetDemo);
      print(
        { done: true, removed },
        () => `Removed ${removed.toLocaleString('en')} rows and loaded the demo again.`,
      );
    });
}

/** Nobody is there who could be asked. */
class UnconfirmedError extends Error {
  override readonly name = 'UnconfirmedError';
  readonly code = 'DEMO_UNCONFIRMED';
  readonly hint = 'Say --yes to remove the tenant demo with all its rows and load it again.';

  constructor() {
    super('Without a terminal there is nobody to ask, so nothing was changed');
  }
}

async function agreed(question: string): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test(await prompt.question(question));
  } finally {
    prompt.close();
  }
}
