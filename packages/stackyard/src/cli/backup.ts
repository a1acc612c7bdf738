import { lstatSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { type Backup, backupName, backupStack } from '../backup/backup.ts';
import type { Method } from '../backup/manifest.ts';
import { sizeOf } from '../backup/manifest.ts';
import { chooseProfiles } from '../configuration.ts';
import { UsageError } from '../errors.ts';
import { load } from '../load.ts';
import { formatBytes } from '../units.ts';
import {
  chooseVariant,
  newCommand,
  type StackOptions,
  type Surroundings,
  withStackOptions,
  withVariant,
} from './command-line.ts';
import { Interrupts, interruptible } from './interrupts.ts';
import { formatTable, ProgressDisplay } from './terminal.ts';

export function command(surroundings: Surroundings): Command {
  return withStackOptions(withVariant(newCommand('backup', 'copy what a stack has stored into one folder')))
    .option(
      '-o, --output <folder>',
      'what to call it, or a folder to put it in (default: data/backups/<variant>-<time>)',
    )
    .option('--json', 'for programs: folder, size, and what is in it')
    .addHelpText(
      'after',
      `
The stack may run, and goes on running: a PostgreSQL is copied online, or dumped where it runs in a container; other
services are paused while their files are read. Each copy is started, each dump is read back, and the rows are counted
before the backup counts. The folder holds passwords, and only its owner may enter it. "stackyard restore" reads it.`,
    )
    .action((variant: string | undefined, options: BackupCommandOptions) =>
      backup(surroundings, variant, options),
    );
}

interface BackupCommandOptions extends StackOptions {
  readonly output?: string;
  readonly json?: boolean;
}

async function backup(
  surroundings: Surroundings,
  name: string | undefined,
  options: BackupCommandOptions,
): Promise<void> {
  using interrupts = new Interrupts();
  const { stdout } = surroundings;
  const variant = chooseVariant(surroundings, name);
  const loaded = await load(variant, {
    processEnvironment: surroundings.environment,
    driver: options.driver,
    profiles: chooseProfiles(options.profile, variant),
  });
  using display = new ProgressDisplay(options.json ? surroundings.stderr : stdout, (_, line) => line);
  const standard = backupName(loaded.stack, new Date());
  const output = path.resolve(surroundings.cwd, options.output ?? standard);
  const there = nearest(output);
  if (!statSync(there, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`${there} is no folder, and a backup is one`, {
      hint: 'give --output another name',
    });
  const folder = there === output ? path.join(output, path.basename(standard)) : output;
  const made = await interruptible(interrupts, () =>
    backupStack(loaded, { folder, reporter: display, signal: interrupts.stop }),
  );
  display[Symbol.dispose]();
  stdout.write(
    options.json ? `${JSON.stringify(describeBackup(made), undefined, 2)}\n` : `${format(made)}\n`,
  );
}

/** What there is of a path: itself, or the last thing on the way to it. */
function nearest(file: string): string {
  try {
    if (lstatSync(file, { throwIfNoEntry: false })) return file;
  } catch {
    // below a file, or where this user may not look
  }
  return nearest(path.dirname(file));
}

function describeBackup({ folder, bytes, manifest }: Backup) {
  const services = manifest.services.map(({ files, directories: _, ...service }) => ({
    ...service,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    files: files.length,
  }));
  return { folder, bytes, ...manifest, services };
}

const methods: Readonly<Record<Method, string>> = {
  online: 'copied online',
  paused: 'paused while it was copied',
  stopped: 'was not running',
  dump: 'dumped',
};

/** As a shell reads it: quoted where it has more than plain characters. */
function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** What went into a backup, aligned, and how to bring it back. */
export function format({ folder, bytes, manifest }: Backup): string {
  const rows = manifest.services.map((service) => [
    `  ${service.service}`,
    formatBytes(sizeOf(service)),
    [methods[service.method], service.note].filter(Boolean).join(': '),
    service.source ? `checked: ${service.source}` : 'not checked: no database',
    service.rows ? `${Object.values(service.rows).reduce((sum, count) => sum + count, 0)} rows` : '',
  ]);
  return [
    `${manifest.variant} is in ${folder} (${formatBytes(bytes)})`,
    ...formatTable(rows),
    `bring it back with: stackyard restore ${shellWord(folder)}`,
  ].join('\n');
}
