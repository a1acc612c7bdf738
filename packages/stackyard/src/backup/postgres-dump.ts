import { text } from 'node:stream/consumers';
import { StackyardError } from '../errors.ts';
import type { ArchiveReader } from './archive-reader.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { type ContainerTools, ToolError } from './container-tools.ts';
import type { FileRecord } from './manifest.ts';
import { databaseNames } from './row-counts.ts';

const rolesFile = 'roles.sql';

/** The major version of a server that its container's `pg_dump` can dump; else why it cannot. */
export async function canDump(
  tools: ContainerTools,
  signal: AbortSignal,
): Promise<{ readonly major: number } | { readonly reason: string }> {
  const [dump, restore] = await Promise.all([tools.major('pg_dump'), tools.major('pg_restore')]);
  if (dump === undefined || restore === undefined) return { reason: 'its image has no pg_dump' };
  const [version] = await tools.query('SHOW server_version_num', signal);
  const major = Math.floor(Number(version) / 10_000);
  if (dump >= major && restore >= major) return { major };
  return { reason: `the pg_dump ${dump} of its image is older than the server, ${major}` };
}

/**
 * Dumps every database of a server in a container with `pg_dump -Fc`, and its roles. In the same pass another server
 * loads them, to prove that they can be.
 */
export async function dumpPostgres(
  { tools, major }: { readonly tools: ContainerTools; readonly major: number },
  scratch: ContainerTools,
  archive: ArchiveWriter,
  prefix: string,
  signal: AbortSignal,
): Promise<FileRecord[]> {
  const files: FileRecord[] = [];
  const keep = (name: string) => (written: { offset: number; size: number; sha256: string }) => {
    files.push({ folder: 0, path: name, mode: 0o600, ...written });
  };
  // Else the server's process would wait for a lock long after a dump that died while it waited for that.
  const watched = major >= 14 ? ['env', 'PGOPTIONS=-c client_connection_check_interval=1s'] : [];
  const dump = (tool: string, args: readonly string[], database: string) =>
    tools.output([...watched, tool, ...args], database, signal);
  try {
    const databases = await tools.query(databaseNames, signal);
    const roles = await text(dump('pg_dumpall', ['--globals-only', '--no-tablespaces'], 'postgres'));
    keep(rolesFile)(await archive.addText(`${prefix}/${rolesFile}`, roles));
    await loadRoles(scratch, roles, signal);
    const compression = await compressionOf(tools, signal);
    for (const [index, database] of databases.entries()) {
      const name = `${index}-${database.replaceAll(/[^\w.-]/g, '_')}.dump`;
      const chunks = dump('pg_dump', ['--format=custom', compression], database);
      await loadDatabase(scratch, archive.addPassing(`${prefix}/${name}`, chunks, keep(name)), signal);
    }
  } catch (error) {
    throw error instanceof ToolError && !signal.aborted ? failed(error) : error;
  }
  return files;
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

/** Loads what `dumpPostgres` wrote into a new server. */
export async function loadDumps(
  tools: ContainerTools,
  archive: ArchiveReader,
  files: readonly FileRecord[],
  signal: AbortSignal,
): Promise<void> {
  for (const file of files) {
    try {
      if (file.path === rolesFile) await loadRoles(tools, await text(archive.content(file)), signal);
      else await loadDatabase(tools, archive.content(file), signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof ToolError)) throw error;
      for await (const _ of archive.content(file)); // a checksum that differs says more
      throw failed(error);
    }
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
async function loadDatabase(
  tools: ContainerTools,
  chunks: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const anew = ['--create', '--clean', '--if-exists', '--no-tablespaces', '--exit-on-error'];
  await tools.input(['pg_restore', ...anew, '--dbname=template1'], 'template1', chunks, signal);
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
