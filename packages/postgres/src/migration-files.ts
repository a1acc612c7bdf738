import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { PostgresError } from './postgres-error.ts';

/** A migration as it stands on disk. */
export interface MigrationFile {
  /** The file's name without `.sql`; unique, also across sub-folders. */
  readonly name: string;
  readonly path: string;
  /** Relative to the migrations' folder, with `/`. */
  readonly shown: string;
  readonly sql: string;
  /** SHA-256 of the content in hexadecimal; line ends count as `\n`, because git may change them. */
  readonly checksum: string;
  readonly inTransaction: boolean;
}

const marker = /^--\s*migrate:\s*no-transaction\s*$/m;

/**
 * Reads all migrations of a folder and its sub-folders, in the order of the numbers that their names begin with.
 *
 * @throws PostgresError that lists every file whose name cannot be used.
 */
export async function readMigrations(directory: string): Promise<MigrationFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    (cause: unknown) => {
      throw new PostgresError('POSTGRES_MIGRATIONS', `The migrations' folder ${directory} cannot be read`, {
        hint: 'Correct `directory`.',
        cause,
      });
    },
  );
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.sql'))
    .map((entry) => join(entry.parentPath, entry.name));
  const files = await Promise.all(
    paths.map(async (path): Promise<MigrationFile> => {
      const sql = await readFile(path, 'utf8');
      const checksum = createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex');
      const shown = relative(directory, path).split(sep).join('/');
      return { name: basename(path, '.sql'), path, shown, sql, checksum, inTransaction: !marker.test(sql) };
    }),
  );
  refuseBadNames(files);
  refuseTransactionControl(files);
  return files.toSorted((a, b) => numberOf(a) - numberOf(b));
}

function refuseBadNames(files: readonly MigrationFile[]): void {
  const problems = files
    .filter(({ name }) => !/^\d{1,14}[_-].+/.test(name))
    .map(
      ({ shown }) =>
        `${shown}: the name does not begin with a number and an underscore, as in 0001_people.sql`,
    );
  const byNumber = Map.groupBy(files, numberOf);
  for (const [number, group] of byNumber) {
    if (Number.isNaN(number) || group.length === 1) continue;
    problems.push(
      `${group.map(({ shown }) => shown).join(', ')}: the number ${number} is used more than once`,
    );
  }
  if (problems.length === 0) return;
  throw new PostgresError(
    'POSTGRES_MIGRATIONS',
    `Migrations that cannot be put in order:\n${lines(problems)}`,
    {
      hint: 'Rename the files that are not applied anywhere yet.',
    },
  );
}

/** Comments, strings and the bodies of functions: words in them are no statements. */
const quoted = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1/g;

const transactionControl =
  /(?:^|;)\s*(COMMIT|ROLLBACK(?!\s+TO\b)|ABORT|START\s+TRANSACTION|BEGIN(?=\s*(?:;|TRANSACTION|WORK|ISOLATION|READ)))\b/i;

/** A file that ended its transaction could not be undone as a whole, and would be noted as if it had failed or run. */
function refuseTransactionControl(files: readonly MigrationFile[]): void {
  const problems = files.flatMap(({ shown, sql, inTransaction }) => {
    const bare = sql.replace(quoted, (text) => text.replace(/[^\n]/g, ' '));
    const found = inTransaction ? transactionControl.exec(bare) : null;
    if (!found) return [];
    const line = bare.slice(0, found.index + found[0].length).split('\n').length;
    return [
      `${shown}:${line}: ${found[1]?.toUpperCase()} inside a migration, which runs in a transaction as a whole`,
    ];
  });
  if (problems.length === 0) return;
  throw new PostgresError(
    'POSTGRES_MIGRATIONS',
    `Migrations that end their transaction:\n${lines(problems)}`,
    {
      hint: 'Leave it out; what cannot run in a transaction goes into a file with `-- migrate: no-transaction`.',
    },
  );
}

function numberOf({ name }: MigrationFile): number {
  return Number.parseInt(name, 10);
}

export function lines(problems: readonly string[]): string {
  return problems.map((problem) => `  ${problem}`).join('\n');
}
