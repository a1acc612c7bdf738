import type { Command } from 'commander';
import { bulkLoad } from '../load/bulk-load.ts';
import { recover, withLoadLock } from '../load/recovery.ts';
import { sourcesIn } from '../load/sources.ts';
import { withClient } from './environment.ts';
import { positive, print, progress, table, useJson } from './output.ts';

interface LoadFlags {
  tenant: string;
  connections: number;
  json?: boolean;
}

export function addLoadCommands(program: Command): void {
  program
    .command('load')
    .description(
      'fill empty tables from files at near the speed of COPY; all or nothing, in a maintenance window',
    )
    .argument(
      '<folder>',
      'files named schema.table.csv or .tsv (or schema.partition), whose first line names the columns',
    )
    .option('--tenant <code>', 'tenant to load into', 'demo')
    .option('--connections <n>', 'connections that work side by side', positive, 2)
    .option('--json', 'print the result as JSON')
    .action(async (folder: string, flags: LoadFlags) => {
      useJson(flags.json);
      const bar = progress();
      const started = performance.now();
      const report = await withClient(async (client) =>
        bulkLoad(client, {
          tenant: flags.tenant,
          sources: await sourcesIn(folder),
          connections: flags.connections,
          onProgress: bar.report,
        }),
      ).finally(() => bar.done());
      print(report, () =>
        [
          `Loaded ${folder} into ${report.tenant} in ${((performance.now() - started) / 1000).toFixed(2)} s`,
          '',
          table(['table', 'rows'], Object.entries(report.rows)),
        ].join('\n'),
      );
    });

  program
    .command('recover')
    .description('undo a load that was interrupted: its tables are emptied, and what it took off goes back')
    .option('--json', 'print the result as JSON')
    .action(async (flags: { json?: boolean }) => {
      useJson(flags.json);
      const tables = await withClient((client) => withLoadLock(client, () => recover(client)));
      print({ tables }, () =>
        tables.length === 0
          ? 'No load was interrupted.'
          : `As before the load, empty again: ${tables.join(', ')}`,
      );
    });
}
