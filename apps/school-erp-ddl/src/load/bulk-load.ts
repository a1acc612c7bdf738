import { pipeline } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from } from 'pg-copy-streams';
import type { Client } from '../database.ts';
import { LoadError } from './load-error.ts';
import { describeSchema, findParts, isPresent, type Part } from './parts.ts';
import { type Journal, keepJournal, recover, withLoadLock } from './recovery.ts';
import { RULES, type Rule } from './rules.ts';
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
 * Fills empty tables of a database at near the speed of COPY alone. Foreign keys, indexes and the triggers of inserts
 * come off first; the files are copied on several connections; then indexes are built, foreign keys are added and
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
  const found = await client.query<{ table: string; root: string; names: string[]; is_leaf: boolean }>(
    `SELECT c.oid::regclass::text AS table, r.oid::regclass::text AS root,
       c.relkind = 'r' AS is_leaf,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS names
     FROM pg_class c JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid)
     WHERE c.oid = ANY (SELECT to_regclass(t) FROM unnest($1::text[]) AS t) AND c.relkind IN ('r', 'p')`,
    [sources.map((source) => source.table)],
  );
  const problems = sources.flatMap(({ name, table, columns }) => {
    const known = found.find((row) => row.table === table)?.names;
    if (!known?.includes('tenant_id')) return [`${name}: there is no table ${table} of a tenant`];
    return columns.flatMap((column) => {
      if (column === 'tenant_id') return [`${name}: tenant_id is for --tenant to say`];
      return known.includes(column) ? [] : [`${name}: ${table} has no column ${column}`];
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

function rulesOf(tables: readonly string[]): Rule[] {
  return Object.entries(RULES)
    .filter(([key]) => tables.some((table) => key === table || key.startsWith(`${table}.`)))
    .map(([, rule]) => rule);
}

/** A table or partition that holds rows itself, and the table that it is of. */
interface Leaf {
  readonly name: string;
  readonly root: string;
}

/**
 * Copies the files; all that concerns a table alone is done by who copied it, while its pages are near. Then come foreign
 * keys among the tables, and last the tables that were derived and what rules ask of the whole.
 */
async function fill(
  client: Client,
  { tables, parts }: Journal,
  { emptied, tenant }: { emptied: ReadonlySet<string>; tenant: number },
  options: BulkLoadOptions,
): Promise<Record<string, number>> {
  const rules = rulesOf(tables);
  const derived = new Set(rules.flatMap((rule) => rule.into ?? []));
  const leaves = await client.query<Leaf>(
    `SELECT l.relid::regclass::text AS name, t.name AS root FROM unnest($1::text[]) AS t (name)
     CROSS JOIN LATERAL (SELECT relid FROM pg_partition_tree(t.name::regclass) WHERE isleaf
       UNION SELECT t.name::regclass WHERE NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = t.name::regclass)) AS l`,
    [tables],
  );
  const build = async (connection: ClientBase, leaf: string, which: (part: Part) => boolean) => {
    for (const piece of parts.filter(which).flatMap((part) => part.pieces)) {
      if (piece.table !== leaf) continue;
      for (const statement of piece.statements) await connection.query(statement);
    }
  };
  const abroad = ({ kind, refersTo }: Part) => kind === 'foreign key' && !tables.includes(refersTo!);
  const settled = new Set<Leaf>();
  const settle = async (connection: ClientBase, leaf: Leaf) => {
    await build(connection, leaf.name, ({ kind }) => kind === 'key');
    await build(connection, leaf.name, ({ kind }) => kind === 'index');
    // First, because a join that is planned without statistics takes twice as long.
    await connection.query(`ANALYZE ${leaf.name}`);
    await build(connection, leaf.name, abroad);
    for (const rule of rulesOf([leaf.root])) {
      if (rule.into) await connection.query(filledIn(rule.derive!, tenant, leaf.name));
    }
    settled.add(leaf);
  };

  const rows: Record<string, number> = {};
  // The largest first, here as below, so that no connection is left alone with one.
  const files = Map.groupBy(
    options.sources.toSorted((a, b) => b.bytes - a.bytes),
    (source) => source.table,
  );
  const copies = [...files].map(([table, sources]) => async (connection: ClientBase, signal: AbortSignal) => {
    options.onProgress?.(`copy ${table}`);
    rows[table] = await copy(connection, sources, emptied.has(table), signal);
    const leaf = leaves.find(({ name }) => name === table);
    if (leaf && emptied.has(table)) await settle(connection, leaf);
  });
  await sideBySide(client, copies, options);

  const loaded = leaves
    .filter(({ root }) => !derived.has(root))
    .toSorted((a, b) => (rows[b.name] ?? 0) - (rows[a.name] ?? 0));
  const shared = loaded.map((leaf) => async (connection: ClientBase) => {
    if (settled.has(leaf)) return;
    // What an empty partition lacks is made with the whole.
    const some =
      leaf.name === leaf.root || (await connection.query(`SELECT FROM ${leaf.name} LIMIT 1`)).rowCount;
    if (some) await settle(connection, leaf);
  });
  await sideBySide(client, shared, options);

  const among = loaded
    .filter((leaf) => settled.has(leaf))
    .map((leaf) => async (connection: ClientBase) => {
      options.onProgress?.(`check ${leaf.name}`);
      await build(connection, leaf.name, (part) => part.kind === 'foreign key' && !abroad(part));
    });
  // What refers and what is referred to lie sorted in indexes: merged, they cost half of what hashing them does.
  await sideBySide(client, among, options, { enable_hashjoin: 'off' });

  const questions = (of: readonly Rule[]) => [...new Set(of.flatMap((rule) => rule.broken ?? []))];
  await sideBySide(
    client,
    [
      ...leaves
        .filter(({ root }) => derived.has(root))
        .map((leaf) => async (connection: ClientBase) => {
          await settle(connection, leaf);
          for (const question of questions(rules.filter((rule) => rule.into === leaf.root))) {
            await ask(connection, question);
          }
        }),
      ...questions(rules.filter((rule) => !rule.into)).map(
        (question) => (connection: ClientBase) => ask(connection, question),
      ),
    ],
    options,
  );
  return rows;
}

function filledIn(statement: string, tenant: number, table = ''): string {
  return statement.replaceAll('{tenant}', String(tenant)).replaceAll('{table}', table);
}

/** Copies the files of one table in one transaction. */
async function copy(
  connection: ClientBase,
  sources: readonly Source[],
  empty: boolean,
  signal: AbortSignal,
): Promise<number> {
  let rows = 0;
  await connection.query('BEGIN');
  try {
    // A table that its transaction emptied need not be logged (wal_level minimal), nor frozen later.
    if (empty) await connection.query(`TRUNCATE ${sources[0]!.table}`);
    for (const { table, columns, format, open } of sources) {
      const target = connection.query(
        from(
          `COPY ${table} (${columns.join(', ')}) FROM STDIN (FORMAT ${format}, HEADER true, FREEZE ${empty})`,
        ),
      );
      await pipeline(open(), target, { signal });
      rows += target.rowCount;
    }
    await connection.query('COMMIT');
    return rows;
  } catch (error) {
    await connection.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Asks a rule whether a row breaks it. */
async function ask(connection: ClientBase, broken: string): Promise<void> {
  const [found] = (await connection.query<{ row: string }>(broken)).rows;
  if (found) throw new LoadError('LOAD_REFUSED', found.row, 'Correct the files; the tables are empty again.');
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

type Job = (connection: ClientBase, signal: AbortSignal) => Promise<void>;

/**
 * Each connection has a core already. After a crash all of this is undone, so only the last commit, of another
 * connection, has to wait for the disk.
 */
const SETTINGS = {
  max_parallel_maintenance_workers: '0',
  max_parallel_workers_per_gather: '0',
  synchronous_commit: 'off',
};

/** Runs jobs on so many connections at once. After an error no further job begins, and copies end at once. */
async function sideBySide(
  client: Client,
  jobs: readonly Job[],
  options: BulkLoadOptions,
  planning: Readonly<Record<string, string>> = {},
): Promise<void> {
  const queue = [...jobs];
  const stop = new AbortController();
  // Rules sum up whole tables; they may use what the building of an index may.
  const { memory } = await client.one<{ memory: string }>(
    "SELECT current_setting('maintenance_work_mem') AS memory",
  );
  const settings = Object.entries({ ...SETTINGS, ...planning, work_mem: memory });
  const work = () =>
    client.connection(async (connection) => {
      try {
        await connection.query(settings.map(([name, value]) => `SET ${name} = '${value}'`).join(';'));
        for (let job = queue.shift(); job && !stop.signal.aborted; job = queue.shift())
          await job(connection, stop.signal);
      } finally {
        await connection.query(settings.map(([name]) => `RESET ${name}`).join(';')).catch(() => undefined);
      }
    });
  const done = await Promise.allSettled(
    Array.from({ length: Math.min(options.connections ?? 2, jobs.length) }, () =>
      work().catch((error: unknown) => {
        stop.abort(error);
        throw error;
      }),
    ),
  );
  if (stop.signal.aborted) throw stop.signal.reason;
  for (const result of done) if (result.status === 'rejected') throw result.reason;
}

/** What the database says, with the line of the file where it knows it. */
function refusal(error: unknown): unknown {
  if (error instanceof LoadError) return error;
  const { message, detail, where } = error as { message: string; detail?: string; where?: string };
  return new LoadError(
    'LOAD_REFUSED',
    [message, detail, where?.split('\n')[0]].filter(Boolean).join('\n'),
    'Correct the files; the tables are empty again.',
    { cause: error },
  );
}
