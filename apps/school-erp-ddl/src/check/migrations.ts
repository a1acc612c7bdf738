import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding } from './catalog.ts';

/** Files up to this number make the schema on an empty database, where no lock can hurt anybody. */
const LAST_OF_FIRST_RELEASE = 2010;

/**
 * squawk's rules that do not fit this schema, with the reason. Every other rule holds for migrations after the first
 * release.
 */
const EXCLUDED: Readonly<Record<string, string>> = {
  'prefer-bigint-over-smallint': 'small codes and positions are smallint on purpose: they never grow',
  'prefer-bigint-over-int': 'tenant numbers are integer on purpose: they are in every key',
  'prefer-text-field': 'numeric(14,2) and varchar(n) of outside formats carry meaning',
  'prefer-identity': 'identity columns are used already; sequences of their own are deliberate',
  'ban-drop-not-null': 'widening a column does not lock for long',
  'require-concurrent-index-creation':
    'CREATE TABLE and its indexes come in one migration; existing tables are checked below',
  'prefer-robust-stmts': 'every file runs once, in a transaction of its own',
  'require-lock-timeout': 'the runner sets lock_timeout for every file',
  'require-statement-timeout': 'the runner decides about statement_timeout',
};

interface SquawkViolation {
  readonly file: string;
  readonly line: number;
  readonly rule_name: string;
  readonly message: string;
}

/**
 * What a migration must not do to a table that may hold millions of rows. Files of the first release are exempt: they
 * run on an empty database.
 */
export async function checkMigrations(
  directory: string,
  lastExempt = LAST_OF_FIRST_RELEASE,
): Promise<Finding[]> {
  const entries = await readdir(directory, { recursive: true });
  const paths = entries
    .filter((path) => path.endsWith('.sql') && Number.parseInt(basename(path), 10) > lastExempt)
    .sort()
    .map((path) => join(directory, path));
  if (paths.length === 0) return [];
  const found = await Promise.all(paths.map(async (path) => locks(path, await readFile(path, 'utf8'))));
  return [...(await squawk(paths)), ...found.flat()];
}

async function squawk(paths: readonly string[]): Promise<Finding[]> {
  const program = fileURLToPath(new URL('js/bin/squawk', import.meta.resolve('squawk-cli/package.json')));
  const args = [program, '--reporter', 'json', '--pg-version', '17.0', '--assume-in-transaction'];
  for (const rule of Object.keys(EXCLUDED)) args.push('--exclude', rule);
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [...args, ...paths], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      // squawk ends with 1 where it found something.
      if (stdout.trim().startsWith('[')) resolve(stdout);
      else reject(new Error(`squawk did not run: ${stderr || error?.message}`, { cause: error }));
    });
  });
  return (JSON.parse(output) as SquawkViolation[]).map((violation) => ({
    rule: violation.rule_name,
    object: `${basename(violation.file)}:${violation.line + 1}`,
    message: violation.message,
  }));
}

interface LockRule {
  readonly rule: string;
  readonly pattern: RegExp;
  readonly message: string;
}

const ALTER = String.raw`\bALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?([\w.]+)`;
const NEW_COLUMN = String.raw`\bADD\s+(?!CONSTRAINT\b|CHECK\b)(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?\w+\s+`;

const LOCKS: readonly LockRule[] = [
  {
    rule: 'lock-index',
    pattern:
      /\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)(?:(?:IF\s+NOT\s+EXISTS\s+)?\w+\s+)?ON\s+(?:ONLY\s+)?([\w.]+)/gi,
    message:
      'an index on an existing table blocks its writers: use CREATE INDEX CONCURRENTLY in a file of its own (-- migrate: no-transaction)',
  },
  {
    rule: 'lock-rewrite',
    pattern: new RegExp(`${ALTER}[^;]*?\\bALTER\\s+(?:COLUMN\\s+)?\\w+\\s+(?:SET\\s+DATA\\s+)?TYPE\\b`, 'gi'),
    message:
      'changing a type rewrites the table under an exclusive lock: add a column and fill it in batches',
  },
  {
    rule: 'lock-rewrite',
    pattern: new RegExp(
      `${ALTER}[^;]*?(?:${NEW_COLUMN}(?:small|big)?serial\\d?\\b|\\bSET\\s+(?:(?:UN)?LOGGED|TABLESPACE|ACCESS\\s+METHOD|EXPRESSION)\\b)`,
      'gi',
    ),
    message:
      'this writes every row anew under an exclusive lock: fill a column or table beside it in batches',
  },
  {
    rule: 'lock-validate',
    pattern: new RegExp(
      `${ALTER}\\s+ADD\\s+(?:CONSTRAINT\\s+\\w+\\s+)?(?:FOREIGN\\s+KEY|CHECK)\\b(?![^;]*NOT\\s+VALID)`,
      'gi',
    ),
    message:
      'a constraint that is checked at once reads the whole table under a lock: add it NOT VALID, then VALIDATE',
  },
  {
    rule: 'lock-validate',
    pattern: new RegExp(`${ALTER}[^;]*?${NEW_COLUMN}(?:[^;,()]|\\([^()]*\\))*?\\bCHECK\\b`, 'gi'),
    message:
      'a column that comes with a check reads the whole table under a lock: add the check NOT VALID, then VALIDATE',
  },
  {
    rule: 'lock-exclude',
    pattern: new RegExp(`${ALTER}[^;]*?\\bADD\\s+(?:CONSTRAINT\\s+\\w+\\s+)?EXCLUDE\\b`, 'gi'),
    message:
      'an exclusion constraint on an existing table is built under an exclusive lock: plan an outage or a new table',
  },
  {
    rule: 'lock-cluster',
    pattern:
      /\b(?:VACUUM\s+FULL|CLUSTER|LOCK\s+TABLE|REINDEX\s+(?:TABLE|INDEX)\s+(?!CONCURRENTLY))\s*([\w.]*)/gi,
    message: 'this locks a table, or rewrites it under an exclusive lock',
  },
];

/** A condition that leaves rows out. */
const CONDITION = String.raw`[^;]*\bWHERE\s+(?!(?:true|1\s*=\s*1)\s*(?:;|$|RETURNING))`;

/** Of these the bodies of functions are free: they run when somebody calls them, not under the migration's locks. */
const ROWS: readonly LockRule[] = [
  {
    rule: 'rows-all',
    pattern: new RegExp(
      `(?<!\\b(?:DO|FOR|ON|OR|KEY)\\s+)\\bUPDATE\\s+(?:ONLY\\s+)?(?!SET\\b)([\\w.]+)(?:\\s+(?:AS\\s+)?\\w+)?\\s+SET\\b(?!${CONDITION})`,
      'gi',
    ),
    message:
      'this writes every row in one transaction: fill in batches by key, each a transaction of its own',
  },
  {
    rule: 'rows-all',
    pattern: new RegExp(`\\bDELETE\\s+FROM\\s+(?:ONLY\\s+)?([\\w.]+)(?!${CONDITION})`, 'gi'),
    message:
      'this deletes every row in one transaction: say which with WHERE, in batches, or drop a partition',
  },
  {
    rule: 'rows-all',
    pattern: /\bTRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?(?!ON\b)([\w.]+)/gi,
    message: 'this empties a table for good, under an exclusive lock',
  },
];

/** PostgreSQL reads every row of a partition that it attaches, unless a valid CHECK has said before what is in it. */
function attached(path: string, text: string, made: ReadonlySet<string | undefined>): Finding[] {
  return [...text.matchAll(/\bATTACH\s+PARTITION\s+([\w.]+)/gi)].flatMap((match) => {
    const partition = match[1]!;
    const checked = new RegExp(
      `\\bALTER\\s+TABLE\\s+(?:ONLY\\s+)?${partition.replaceAll('.', '\\.')}\\s+VALIDATE\\s+CONSTRAINT\\b`,
      'i',
    );
    if (made.has(partition) || checked.test(text.slice(0, match.index))) return [];
    return {
      rule: 'lock-attach',
      object: `${basename(path)}:${text.slice(0, match.index).split('\n').length}`,
      message:
        'attaching reads the whole partition under a lock: add a CHECK of its bounds NOT VALID and VALIDATE it first',
    };
  });
}

/**
 * Under forced row-level security PostgreSQL validates a foreign key against the rows that the owner sees: none, where
 * the migration entered no tenant. It is then taken for good without a look at one row.
 */
function blindKeys(path: string, text: string, made: ReadonlySet<string | undefined>): Finding[] {
  let bound = false;
  return [
    ...text.matchAll(
      /\b(SET\s+(?:LOCAL\s+)?ROLE\b|RESET\s+ROLE\b)|\bALTER\s+TABLE\s+(?:ONLY\s+)?([\w.]+)(?:[^;]*?\bVALIDATE\s+CONSTRAINT\b|(?![^;]*NOT\s+VALID)[^;]*?\bFOREIGN\s+KEY\b)/gi,
    ),
  ].flatMap((match) => {
    if (match[1]) {
      bound = /^set/i.test(match[1]);
      return [];
    }
    if (!bound || made.has(match[2])) return [];
    return {
      rule: 'blind-foreign-key',
      object: `${basename(path)}:${text.slice(0, match.index).split('\n').length}`,
      message:
        'a foreign key is validated against the rows that the role sees, and the owner sees none: RESET ROLE first',
    };
  });
}

/** Statements that lock a table which the same file did not make. */
function locks(path: string, sql: string): Finding[] {
  const text = sql
    .replaceAll(/'[^']*'|--[^\n]*|\/\*[\s\S]*?\*\//g, (part) =>
      part.startsWith("'") ? part : part.replaceAll(/[^\n]/g, ' '),
    )
    .replaceAll(/"(\w+)"/g, '$1');
  // With IF NOT EXISTS it may have been there before, with rows.
  const made = new Set(
    [...text.matchAll(/\bCREATE\s+(?:TEMP\s+|TEMPORARY\s+|UNLOGGED\s+)?TABLE\s+(?!IF\s)([\w.]+)/gi)].map(
      (m) => m[1],
    ),
  );
  const bodiless = text.replaceAll(/(\bAS\s+)(\$\w*\$)[\s\S]*?\2/gi, (part) =>
    part.replaceAll(/[^\n]/g, ' '),
  );
  const found = (rules: readonly LockRule[], within: string) =>
    rules.flatMap(({ rule, pattern, message }) =>
      [...within.matchAll(pattern)]
        .filter((match) => !made.has(match[1]))
        .map((match) => ({
          rule,
          object: `${basename(path)}:${text.slice(0, match.index).split('\n').length}`,
          message,
        })),
    );
  return [
    ...found(LOCKS, text),
    ...found(ROWS, bodiless),
    ...attached(path, text, made),
    ...blindKeys(path, text, made),
  ];
}
