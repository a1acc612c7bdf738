import { mkdir } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { asTenant, type Client } from '../database.ts';
import { writeLife } from '../generate/life.ts';
import { fillFrame } from '../generate/operations.ts';
import { bulkLoad } from '../load/bulk-load.ts';
import { LoadError } from '../load/load-error.ts';
import { recover, withLoadLock } from '../load/recovery.ts';
import { sourcesIn } from '../load/sources.ts';
import { unload } from '../load/unload.ts';
import { withClient } from './environment.ts';
import { positive, print, progress, table, useJson } from './output.ts';

interface LifeFlags {
  tenant: string;
  from: string;
  to: string;
  json?: boolean;
}

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

  program
    .command('unload')
    .description("write a tenant's rows of some tables as files that load reads")
    .argument('<folder>', 'where the files go; made where it does not exist')
    .argument('<tables...>', 'such as fees.invoice attendance.daily_mark_2026_11')
    .option('--tenant <code>', 'tenant to write', 'demo')
    .option('--json', 'print the result as JSON')
    .action(async (folder: string, tables: string[], flags: { tenant: string; json?: boolean }) => {
      useJson(flags.json);
      await mkdir(folder, { recursive: true });
      const rows: Record<string, number> = {};
      await withClient(async (client) => {
        const tenant = await tenantNumber(client, flags.tenant);
        for (const name of tables) rows[name] = await unload(client, name, tenant, folder);
      });
      print({ folder, rows }, () => table(['table', 'rows'], Object.entries(rows)));
    });

  program
    .command('generate-life')
    .description(
      'give an imported roster placements, timetable, exams and fees, and write a year of its days for load',
    )
    .argument('<folder>', 'where the files go; made where it does not exist')
    .option('--tenant <code>', 'tenant with the roster', 'demo')
    .option('--from <day>', 'first school day, in the school year of the roster', day, '2026-08-03')
    .option('--to <day>', 'last school day', day, '2027-06-04')
    .option('--json', 'print the result as JSON')
    .action(async (folder: string, flags: LifeFlags) => {
      useJson(flags.json);
      await mkdir(folder, { recursive: true });
      const rows: Record<string, number> = {};
      const bar = progress();
      await withClient(async (client) => {
        const tenant = await tenantNumber(client, flags.tenant);
        const year = { from: flags.from, to: flags.to, yearStart: flags.from, lessons: 5, exams: 14 };
        await asTenant(client, tenant, (tx) => fillFrame(tx, year, bar.report));
        await client.execute('ANALYZE');
        await writeLife(client, {
          ...year,
          tenant,
          folder,
          onFile: (name, count) => {
            rows[name] = count;
            bar.report(name);
          },
        });
      }).finally(() => bar.done());
      print({ folder, rows }, () => table(['file', 'rows'], Object.entries(rows)));
    });
}

async function tenantNumber(client: Client, code: string): Promise<number> {
  const { id } = await client.one<{ id: number | null }>('SELECT tenancy.tenant_number($1) AS id', [code]);
  if (id !== null) return id;
  throw new LoadError('LOAD_SOURCE', `There is no active tenant ${code}`, 'Name another with --tenant.');
}

function day(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError('Give a day such as 2026-08-03.');
}
