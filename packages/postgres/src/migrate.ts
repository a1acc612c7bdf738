import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import { type Client, createClient } from './client.ts';
import { lines, type MigrationFile, readMigrations } from './migration-files.ts';
import { PostgresError, toPostgresError } from './postgres-error.ts';
import { quoteIdentifier } from './statement.ts';

export type MigrateOptions = {
  /** The folder of `.sql` files; sub-folders count. */
  readonly directory: string;
  /** Where the list of applied migrations is kept. `public` where absent. */
  readonly schema?: string;
  /** How long to wait for another migration to end. 60 s where absent. */
  readonly waitMs?: number;
  /** How long a statement may wait for a lock, and so hold up everybody behind it. 5 s where absent. */
  readonly lockTimeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Told about each file just before it runs. */
  readonly onFile?: (file: string) => void;
} & ({ readonly url: string } | { readonly client: Client });

export interface Migrated {
  /** The files that this call applied, in order. */
  readonly applied: readonly string[];
  /** How many had been applied before. */
  readonly before: number;
}

const table = 'schema_migrations';

/**
 * Brings a database to the state that the migrations describe. Each file runs once, in the order of its number, in a
 * transaction of its own together with the note that it ran. A file with the line `-- migrate: no-transaction` runs
 * without one, as `CREATE INDEX CONCURRENTLY` needs; it holds a single statement.
 *
 * Files only go forward. Refused, with the files named: one that was edited after it was applied, one that is
 * missing, one that sorts before an applied one.
 *
 * @throws PostgresError
 */
export async function migrate(options: MigrateOptions): Promise<Migrated> {
  const files = await readMigrations(options.directory);
  if ('client' in options) return options.client.connection((client) => migrateOn(client, files, options));
  await using client = createClient({ url: options.url, connections: 1, applicationName: 'migrate' });
  return await client.connection((connection) => migrateOn(connection, files, options));
}

async function migrateOn(
  client: ClientBase,
  files: readonly MigrationFile[],
  options: MigrateOptions,
): Promise<Migrated> {
  const { schema = 'public', lockTimeoutMs = 5000 } = options;
  await lock(client, schema, options);
  try {
    const applied = await readApplied(client, schema);
    verify(files, applied);
    const pending = files.slice(applied.length);
    if (pending.length > 0) await runPending(client, pending, { ...options, schema, lockTimeoutMs });
    return { applied: pending.map(({ shown }) => shown), before: applied.length };
  } catch (error) {
    throw options.signal?.aborted ? error : toPostgresError(error);
  } finally {
    // Also undoes what the files set for the session; fails only when the connection is gone, and the lock with it.
    await client.query('RESET ALL; RESET ROLE; SELECT pg_advisory_unlock_all()').catch(() => undefined);
  }
}

/**
 * Polls for the lock. Whoever waits inside `pg_advisory_lock` holds a snapshot, and `CREATE INDEX CONCURRENTLY` of
 * the one who has the lock would wait for that snapshot: a deadlock.
 */
async function lock(
  client: ClientBase,
  schema: string,
  { waitMs = 60_000, signal }: MigrateOptions,
): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (let delay = 10; ; delay = Math.min(delay * 2, 500)) {
    signal?.throwIfAborted();
    const { rows } = await client.query<{ locked: boolean }>(
      "SELECT pg_try_advisory_lock(hashtextextended('stackyard migrate ' || $1, 0)) AS locked",
      [schema],
    );
    if (rows[0]?.locked) return;
    if (Date.now() + delay > deadline) {
      throw new PostgresError(
        'POSTGRES_MIGRATION_LOCKED',
        `Another migration of this database has run for ${waitMs} ms`,
        {
          hint: 'Wait for it, or end it: `SELECT * FROM pg_stat_activity` shows it.',
        },
      );
    }
    await sleep(delay, undefined, signal ? { signal } : {});
  }
}

interface Applied {
  readonly name: string;
  readonly checksum: string;
}

async function readApplied(client: ClientBase, schema: string): Promise<Applied[]> {
  const name = `${quoteIdentifier(schema)}.${table}`;
  const there = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [name]);
  if (!there.rows[0]?.there) {
    // The library inserts name and time; the checksum comes from a setting, in the same transaction.
    await client.query(`
      CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)};
      CREATE TABLE ${name} (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name varchar(255) NOT NULL UNIQUE,
        run_on timestamptz NOT NULL,
        checksum text NOT NULL DEFAULT current_setting('migrate.checksum')
      );
      COMMENT ON TABLE ${name} IS 'Migrations that were applied, with the SHA-256 of each file'`);
  }
  return (await client.query<Applied>(`SELECT name, checksum FROM ${name} ORDER BY id`)).rows;
}

/** The applied migrations must be the first files, unchanged; otherwise every difference is listed. */
function verify(files: readonly MigrationFile[], applied: readonly Applied[]): void {
  const byName = new Map(files.map((file) => [file.name, file]));
  const names = new Set(applied.map(({ name }) => name));
  const problems: string[] = [];
  for (const { name, checksum } of applied) {
    const file = byName.get(name);
    if (!file) problems.push(`${name}.sql: applied to this database, and missing here`);
    else if (file.checksum !== checksum) problems.push(`${file.shown}: edited after it was applied`);
  }
  const last = files.findLastIndex(({ name }) => names.has(name));
  for (const file of files.slice(0, last + 1)) {
    if (!names.has(file.name))
      problems.push(`${file.shown}: sorts before ${files[last]?.shown}, which was applied already`);
  }
  if (problems.length === 0) return;
  throw new PostgresError(
    'POSTGRES_MIGRATIONS',
    `The migrations do not fit this database:\n${lines(problems)}`,
    {
      hint: 'Applied files stay as they are: undo the edit, and put what is new into a file with a higher number.',
    },
  );
}

interface RunOptions {
  readonly schema: string;
  readonly lockTimeoutMs: number;
  readonly signal?: AbortSignal;
  readonly onFile?: (file: string) => void;
}

/** node-pg-migrate runs the files and keeps the list; it is loaded only when there is something to run. */
async function runPending(
  client: ClientBase,
  pending: readonly MigrationFile[],
  { schema, lockTimeoutMs, signal, onFile }: RunOptions,
): Promise<void> {
  const { runner } = await import('node-pg-migrate');
  const byPath = new Map(pending.map((file) => [file.path, file]));
  let current: MigrationFile | undefined;
  const toUnit = (path: string) => ({
    id: path,
    filePaths: [path],
    actions: {
      up: (builder: { noTransaction(): void; sql(text: string): void }) => {
        signal?.throwIfAborted();
        current = byPath.get(path) as MigrationFile;
        onFile?.(current.shown);
        if (!current.inTransaction) builder.noTransaction();
        // What one file sets for the session must not reach the next.
        builder.sql('RESET ALL; RESET ROLE');
        builder.sql(
          `SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '${lockTimeoutMs}', false), set_config('migrate.checksum', '${current.checksum}', false)`,
        );
        builder.sql(current.sql);
        builder.sql('RESET ROLE');
      },
      down: false as const,
    },
  });
  const silent = { info() {}, warn() {}, error() {} };
  try {
    const ran = await runner({
      dbClient: client,
      dir: pending.map(({ path }) => globFor(path)),
      useGlob: true,
      direction: 'up',
      migrationsTable: table,
      migrationsSchema: schema,
      singleTransaction: false,
      checkOrder: false,
      noLock: true,
      logger: silent,
      migrationLoaderStrategies: [
        {
          extensions: ['.sql'],
          loader: async (paths) => paths.filter((path) => byPath.has(path)).map(toUnit),
        },
      ],
    });
    if (ran.length !== pending.length) throw new Error(`${ran.length} of ${pending.length} migrations ran`);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    if (signal?.aborted) throw signal.reason;
    throw current ? failureOf(current, error) : toPostgresError(error);
  }
}

function failureOf(file: MigrationFile, cause: unknown): PostgresError {
  const { message, sqlState, hint, table, column, constraint } = toPostgresError(cause);
  const position = Number((cause as { position?: string }).position);
  const line = Number.isNaN(position) ? '' : `:${file.sql.slice(0, position).split('\n').length}`;
  const left = file.inTransaction
    ? 'Nothing of this file was applied.'
    : 'The file ran without a transaction: look for what it left behind, such as an invalid index.';
  return new PostgresError('POSTGRES_MIGRATION_FAILED', `${file.shown}${line}: ${message}`, {
    hint: `${left} ${hint}`,
    cause,
    sqlState,
    table,
    column,
    constraint,
  });
}

/**
 * A pattern that matches this path: every character with a meaning becomes the wildcard for one character, because
 * the library cannot escape all of them. It may match a sibling too; the loader drops what is not pending.
 */
function globFor(path: string): string {
  const posix = process.platform === 'win32' ? path.replaceAll('\\', '/') : path;
  return posix.replace(/[\\*?[\](){}!+@,]/g, '?');
}
