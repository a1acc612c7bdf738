import { type Command, InvalidArgumentError, Option } from 'commander';
import { bundleFiles } from '../generate/bundle.ts';
import { makeDistrict } from '../generate/district.ts';
import { LOCALES } from '../generate/names.ts';
import { exportBundle } from '../oneroster/export.ts';
import { type ImportReport, importBundle } from '../oneroster/import.ts';
import { DEFAULT_LIMITS } from '../oneroster/package.ts';
import type { Version } from '../oneroster/spec.ts';
import { writeBundle } from '../oneroster/write.ts';
import { withClient } from './environment.ts';
import { positive, print, progress, table, useJson } from './output.ts';

interface ImportFlags {
  tenant: string;
  pack?: string;
  lenient?: boolean;
  dryRun?: boolean;
  keepPasswords?: boolean;
  maxBytes: number;
  maxFaults: number;
  json?: boolean;
}

interface ExportFlags {
  tenant: string;
  version: Version;
  since?: string;
  force?: boolean;
  json?: boolean;
}

interface GenerateFlags {
  schools: number;
  students: number;
  seed: number;
  version: Version;
  country: string;
  lineItems: number;
  guardians: boolean;
  output: string;
  force?: boolean;
  json?: boolean;
}

function versionOption(): Option {
  return new Option('--version <version>', 'version of OneRoster').choices(['1.1', '1.2']).default('1.2');
}

export function addDataCommands(program: Command): void {
  program
    .command('import')
    .description('load a OneRoster CSV bundle, 1.1 or 1.2, bulk or delta, in one transaction')
    .argument('<bundle>', 'zip file or folder')
    .option('--tenant <code>', 'tenant to load into; made where it does not exist', 'demo')
    .option('--pack <code>', 'country pack of a tenant that is made; generic where absent')
    .option('--lenient', 'import what can be and report what was forgiven')
    .option('--dry-run', 'check and load everything, then undo it')
    .option('--keep-passwords', 'keep clear-text passwords of the bundle; they are left out otherwise')
    .option('--max-bytes <n>', 'most bytes once inflated', positive, DEFAULT_LIMITS.maxBytes)
    .option('--max-faults <n>', 'most faults listed in full', positive, 10_000)
    .option('--json', 'print the report as JSON')
    .action(async (path: string, flags: ImportFlags) => {
      useJson(flags.json);
      const bar = progress();
      const started = performance.now();
      const report = await withClient((client) =>
        importBundle(client, {
          path,
          tenant: flags.tenant,
          ...(flags.pack && { pack: flags.pack }),
          lenient: flags.lenient ?? false,
          dryRun: flags.dryRun ?? false,
          keepPasswords: flags.keepPasswords ?? false,
          limits: { ...DEFAULT_LIMITS, maxBytes: flags.maxBytes },
          maxFaults: flags.maxFaults,
          onProgress: (file, rows) => bar.report(`${file}: ${rows.toLocaleString('en')} records`),
        }),
      ).finally(() => bar.done());
      print(report, () => importText(report, performance.now() - started));
    });

  program
    .command('export')
    .description('write the roster of a tenant as a OneRoster bundle')
    .argument('<bundle>', 'zip file or folder to write')
    .option('--tenant <code>', 'tenant to write', 'demo')
    .addOption(versionOption())
    .option('--since <moment>', 'write a delta with what changed since then (ISO 8601)', moment)
    .option('--force', 'replace what is there')
    .option('--json', 'print the report as JSON')
    .action(async (path: string, flags: ExportFlags) => {
      useJson(flags.json);
      const bar = progress();
      const report = await withClient((client) =>
        exportBundle(client, {
          path,
          tenant: flags.tenant,
          version: flags.version,
          overwrite: flags.force ?? false,
          ...(flags.since && { since: flags.since }),
          onProgress: (file, rows) => bar.report(`${file}: ${rows.toLocaleString('en')} records`),
        }),
      ).finally(() => bar.done());
      print(report, () =>
        [
          `Wrote ${path} (OneRoster ${report.version}, ${report.mode})`,
          '',
          table(['file', 'records'], Object.entries(report.files)),
          ...(report.remarks.length > 0 ? ['', ...report.remarks] : []),
        ].join('\n'),
      );
    });

  program
    .command('generate')
    .description('write a OneRoster bundle of a made-up district; the same seed gives the same bytes')
    .option('--schools <n>', 'number of schools', positive, 3)
    .option('--students <n>', 'number of students', positive, 900)
    .option('--seed <n>', 'seed of all chance', positive, 1)
    .addOption(versionOption())
    .addOption(
      new Option('--country <name>', 'names and words').choices(Object.keys(LOCALES)).default('generic'),
    )
    .option('--line-items <n>', 'pieces of marked work in each class', wholeNumber, 0)
    .option('--no-guardians', 'leave guardians out')
    .requiredOption('-o, --output <bundle>', 'zip file or folder to write')
    .option('--force', 'replace what is there')
    .option('--json', 'print the result as JSON')
    .action(async (flags: GenerateFlags) => {
      useJson(flags.json);
      const district = makeDistrict(flags);
      const files = bundleFiles(district, {
        version: flags.version,
        lineItems: flags.lineItems,
        seed: flags.seed,
      });
      await writeBundle(flags.output, files, { overwrite: flags.force ?? false });
      const names = files.map((file) => file.name);
      print({ output: flags.output, files: names }, () => `Wrote ${flags.output}: ${names.join(', ')}`);
    });
}

function wholeNumber(text: string): number {
  return text === '0' ? 0 : positive(text);
}

function moment(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new InvalidArgumentError('Give a date and time, such as 2026-09-01T00:00:00Z.');
  return new Date(time).toISOString();
}

function importText(report: ImportReport, ms: number): string {
  const rows = Object.entries(report.files).map(([name, c]) => [
    name,
    c.mode,
    c.read,
    c.inserted,
    c.updated,
    c.unchanged,
    c.withdrawn,
    c.skipped,
  ]);
  const lines = [
    `${report.dryRun ? 'Tried' : 'Imported'} ${report.bundle} (OneRoster ${report.version}) into ${report.tenant} in ${(ms / 1000).toFixed(2)} s`,
    '',
    table(['file', 'mode', 'read', 'inserted', 'updated', 'unchanged', 'withdrawn', 'skipped'], rows),
  ];
  if (report.forgiven.length > 0) {
    lines.push(
      '',
      'Forgiven:',
      table(
        ['file', 'column', 'fault', 'count', 'first line', 'for example'],
        report.forgiven.map((f) => [f.file, f.column, f.code, f.count, f.firstLine, f.message]),
      ),
    );
  }
  if (report.passwordsLeftOut > 0) {
    lines.push(
      '',
      `Left out: ${report.passwordsLeftOut} clear-text passwords (--keep-passwords keeps them).`,
    );
  }
  return lines.join('\n');
}
