import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { StackyardError } from '../errors.ts';
import { type ContainerTools, ToolError } from './container-tools.ts';
import { countDump, dumpRows } from './dump-rows.ts';
import type { FileRecord } from './manifest.ts';
import { databaseNames, otherTables } from './row-counts.ts';
import { inputFolder } from './scratch-container.ts';

const rolesFile = 'roles.sql';

/** The major version of a server that its container's `pg_dump` can dump; else why it cannot. */
export async function canDump(
  tools: ContainerTools,
  signal: AbortSignal,
): Promise<{ readonly major: number } | { readonly reason: string }> {
  const [dump, restore, awk] = await Promise.all([
    tools.major('pg_dump'),
    tools.major('pg_restore'),
    tools.has('awk'),
  ]);
  if (dump === undefined || restore === undefined) return { reason: 'its image has no pg_dump' };
  if (!awk) return { reason: 'its image has no awk to count the rows of a dump' };
  const [version] = await tools.query('SHOW server_version_num', signal);
  const major = Math.floor(Number(version) / 10_000);
  if (dump >= major && restore >= major) return { major };
  return { reason: `the pg_dump ${dump} of its image is older than the server, ${major}` };
}

/**
 * Dumps every database of a server in a container with `pg_dump -Fc`, and its roles, into a folder. In the same pass
 * each dump is read back, which proves that it is whole, and says how many rows are in it.
 */
export async function dumpPostgres(
  tools: ContainerTools,
  major: number,
  folder: string,
  signal: AbortSignal,
): Promise<{ readonly files: FileRecord[]; readonly rows: Record<string, number> }> {
  const files: FileRecord[] = [];
  const rows: Record<string, number> = {};
  // Else the server's process would wait for a lock long after a dump that died while it waited for that.
  const watched = major >= 14 ? ['env', 'PGOPTIONS=-c client_connection_check_interval=1s'] : [];
  const dump = (tool: string, args: readonly string[], database: string) =>
    tools.output([...watched, tool, ...args], database, signal);
  const keep = (name: string, chunks: AsyncIterable<Buffer>) =>
    writePassing(path.join(folder, name), chunks, (written) =>
      files.push({ folder: 0, path: name, mode: 0o600, ...written }),
    );
  try {
    const databases = await tools.query(databaseNames, signal);
    const roles = dump('pg_dumpall', ['--globals-only', '--no-tablespaces'], 'postgres');
    for await (const _ of keep(rolesFile, roles));
    const compression = await compressionOf(tools, signal);
    for (const [index, database] of databases.entries()) {
      const name = `${index}-${database.replaceAll(/[^\w.-]/g, '_')}.dump`;
      const chunks = keep(name, dump('pg_dump', ['--format=custom', compression], database));
      const counted = dumpRows(await tools.input(['sh', '-c', countDump], database, chunks, signal));
      for (const table of await tools.query(otherTables, signal, database)) counted.delete(table);
      for (const [table, count] of counted) rows[`${database}.${table}`] = count;
    }
  } catch (error) {
    throw error instanceof ToolError && !signal.aborted ? failed(error) : error;
  }
  return { files, rows };
}

/** Writes what passes through into a file, whose size and hash are told when everything has passed. */
async function* writePassing(
  file: string,
  chunks: AsyncIterable<Buffer>,
  written: (entry: { readonly size: number; readonly sha256: string }) => void,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let size = 0;
  await using output = await open(file, 'wx', 0o600);
  for await (const chunk of chunks) {
    await output.appendFile(chunk);
    size += chunk.length;
    hash.update(chunk);
    yield chunk;
  }
  written({ size, sha256: hash.digest('hex') });
}

/** A fifth of the work of zlib; known since 16, where it was compiled in. */
async function compressionOf(tools: ContainerTools, signal: AbortSignal): Promise<string> {
  const zstd = '--compress=zstd:1';
  const trial = ['pg_dump', '--format=custom', '--schema-only', zstd];
  try {
    for await (const _ of tools.output(trial, 'template1', signal));
    return zstd;
  } catch (error) {
    if (signal.aborted || !(error instanceof ToolError)) throw error;
    return '--compress=1';
  }
}

/**
 * Loads what `dumpPostgres` wrote into a new server, which reads the folder as its input.
 *
 * @throws StackyardError when that fails
 */
export async function loadDumps(
  tools: ContainerTools,
  folder: string,
  files: readonly FileRecord[],
  signal: AbortSignal,
): Promise<void> {
  try {
    for (const { path: name } of files) {
      if (name === rolesFile) await loadRoles(tools, await readFile(path.join(folder, name), 'utf8'), signal);
      else await loadDatabase(tools, name, signal);
    }
  } catch (error) {
    throw error instanceof ToolError && !signal.aborted ? failed(error) : error;
  }
}

/** The superuser itself is there already, with the password of today. */
async function loadRoles(tools: ContainerTools, roles: string, signal: AbortSignal): Promise<void> {
  const names = [tools.user, `"${tools.user.replaceAll('"', '""')}"`];
  const own = names.flatMap((name) => [`CREATE ROLE ${name};`, `ALTER ROLE ${name} WITH `]);
  const lines = roles.split('\n').filter((line) => !own.some((start) => line.startsWith(start)));
  const command = ['psql', '--quiet', '--no-psqlrc', '--set', 'ON_ERROR_STOP=1'];
  await tools.input(command, 'postgres', [lines.join('\n')], signal);
}

/** The database is made anew, as it was: its encoding, its locale, its settings. */
async function loadDatabase(tools: ContainerTools, name: string, signal: AbortSignal): Promise<void> {
  const anew = ['--create', '--clean', '--if-exists', '--no-tablespaces', '--exit-on-error'];
  // Several at once: only so does it put rows and table into one transaction, which needs no log.
  const jobs = `--jobs=${Math.max(2, availableParallelism())}`;
  const command = ['pg_restore', ...anew, jobs, '--dbname=template1', `${inputFolder}/${name}`];
  for await (const _ of tools.output(command, 'template1', signal));
}

function failed(cause: ToolError): StackyardError {
  return new StackyardError(
    'STACKYARD_BACKUP_DUMP',
    'the dump of a PostgreSQL could not be made, or loaded',
    {
      details: cause.message
        .split('\n')
        .slice(-12)
        .map((line) => `| ${line}`),
      hint: 'see what its tools say; the data of the stack are as they were',
      cause,
    },
  );
}
