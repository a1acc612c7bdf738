import type { Client } from '../database.ts';
import { fill } from './fill.ts';
import { LoadError } from './load-error.ts';
import { describeSchema, findParts, isPresent } from './parts.ts';
import { type Journal, keepJournal, recover, withLoadLock } from './recovery.ts';
import { filledIn, rulesOf } from './rules.ts';
import type { Source } from './sources.ts';

export interface BulkLoadOptions {
  readonly tenant: string;
  readonly sources: readonly Source[];
  /** How many connections work side by side, each on a core of the server. 2 where absent. */
  readonly connections?: number;
  readonly onProgress?: (what: string) => void;
}

export interface BulkLoadReport {
  readonly tenant: string;
  readonly rows: Readonly<Record<string, number>>;
}

/**
 * Fills empty tables of a database in about twice the time of COPY alone. Foreign keys, indexes and the triggers of
 * inserts come off first; the files are copied on several connections; then indexes are built, foreign keys are added and
 * checked by joins instead of row by row, and what the triggers keep is checked and written for all rows at once. At
 * the end the catalog has to be, line by line, what it was.
 *
 * All or nothing: after a refusal the tables are empty again and everything is back in its place. What came off is
 * noted in the database first; after a crash, {@link recover} does the same from that note. Meanwhile the tables are
 * no use to anybody else, and nobody may write rows that refer to them: it is work for a maintenance window. The role
 * has to bypass row-level security, because PostgreSQL otherwise takes foreign keys for good whose rows the policies hide.
 *
 * @throws LoadError
 */
export async function bulkLoad(client: Client, options: BulkLoadOptions): Promise<BulkLoadReport> {
  return withLoadLock(client, async () => {
    const { id: tenant } = await client.one<{ id: number | null }>('SELECT tenancy.tenant_number($1) AS id', [
      options.tenant,
    ]);
    if (tenant === null) {
      throw new LoadError(
        'LOAD_SOURCE',
        `There is no active tenant ${options.tenant}`,
        'Name another with --tenant.',
      );
    }
    const { tables, emptied } = await targets(client, options.sources);
    const parts = await findParts(client, tables, tenant);
    const journal = { tables, parts, before: await describeSchema(client) };
    await keepJournal(client, journal);
    try {
      const rows = await fill(client, journal, { emptied, tenant }, options);
      await finish(client, journal, tenant);
      return { tenant: options.tenant, rows };
    } catch (error) {
      await recover(client);
      throw refusal(error);
    }
  });
}

interface Targets {
  /** Whole tables: those of the sources, and those that their rules fill. */
  readonly tables: string[];
  /** Tables and partitions that one COPY fills alone and may empty first: such a COPY is not logged. */
  readonly emptied: ReadonlySet<string>;
}

/** @throws LoadError `LOAD_SOURCE`, with every problem of the sources */
async function targets(client: Client, sources: readonly Source[]): Promise<Targets> {
  const found = await client.query<{
    table: string;
    root: string;
    names: string[];
    is_leaf: boolean;
    is_kept: boolean;
  }>(
    `SELECT c.oid::regclass::text AS table, r.oid::regclass::text AS root,
       c.relkind = 'r' AS is_leaf, NOT has_any_column_privilege('erp_app', r.oid, 'INSERT') AS is_kept,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS names
     FROM pg_class c JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid)
     WHERE c.oid = ANY (SELECT to_regclass(t) FROM unnest($1::text[]) AS t) AND c.relkind IN ('r', 'p')`,
    [sources.map((source) => source.table)],
  );
  const problems = sources.flatMap(({ name, table, columns }) => {
    const target = found.find((row) => row.table === table);
    if (!target?.names.includes('tenant_id')) return [`${name}: there is no table ${table} of a tenant`];
    if (target.is_kept) return [`${name}: ${table} is written by triggers alone`];
    return columns.flatMap((column) => {
      if (column === 'tenant_id') return [`${name}: tenant_id is for --tenant to say`];
      return target.names.includes(column) ? [] : [`${name}: ${table} has no column ${column}`];
    });
  });
  if (problems.length > 0) {
    throw new LoadError('LOAD_SOURCE', problems.join('\n'), 'Correct the files; nothing was loaded.');
  }
  const loaded = found.map((row) => row.root);
  const named = new Set(found.map((row) => row.table));
  return {
    tables: [...new Set([...loaded, ...rulesOf(loaded).flatMap((rule) => rule.into ?? [])])],
    emptied: new Set(
      found
        .filter((row) => row.is_leaf && (row.table === row.root || !named.has(row.root)))
        .map((row) => row.table),
    ),
  };
}

/** Puts the whole back over its pieces and compares the catalog; one transaction. */
async function finish(client: Client, { tables, parts, before }: Journal, tenant: number): Promise<void> {
  await client.tx(async (tx) => {
    for (const part of parts.toReversed()) {
      if (!(await isPresent(tx, part))) await tx.execute(part.putBack);
    }
    for (const rule of rulesOf(tables)) {
      if (rule.derive && !rule.into) await tx.execute(filledIn(rule.derive, tenant));
    }
    const identities = await tx.query<{ table: string; name: string; sequence: string }>(
      `SELECT a.attrelid::regclass::text AS table, a.attname AS name, pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) AS sequence
       FROM pg_attribute a WHERE a.attrelid = ANY ($1::regclass[]) AND a.attidentity <> ''`,
      [tables],
    );
    for (const { table, name, sequence } of identities) {
      await tx.query(
        `SELECT setval('${sequence}', greatest((SELECT max(${name}) FROM ${table} WHERE tenant_id = $1), nextval('${sequence}')))`,
        [tenant],
      );
    }
    const after = await describeSchema(tx);
    const lost = without(before, after);
    const added = without(after, before);
    if (lost.length + added.length > 0) {
      throw new Error(
        `the catalog is not what it was:\n${[...lost.map((l) => `- ${l}`), ...added.map((l) => `+ ${l}`)].join('\n')}`,
      );
    }
    await tx.execute('DROP TABLE public.erp_load');
  });
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return lines.filter((line) => !known.has(line));
}

/** What the database says, with the line of the file where it knows it. */
function refusal(error: unknown): unknown {
  if (error instanceof LoadError) return error;
  const { message, detail, where, code, sqlState = code } = error as Partial<Record<string, string>>;
  // Data, constraints, names and what functions raise; the rest is of the server, the disk or the network.
  const byFiles = /^(22|23|42|44|P0)/.test(sqlState ?? '');
  return new LoadError(
    'LOAD_REFUSED',
    [message, detail, where?.split('\n')[0]].filter(Boolean).join('\n'),
    byFiles
      ? 'Correct the files; the tables are empty again.'
      : 'The tables are empty again; load once more when the cause is gone.',
    { cause: error },
  );
}
