import { pipeline } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from } from 'pg-copy-streams';
import type { Client } from '../database.ts';
import type { BulkLoadOptions } from './bulk-load.ts';
import { LoadError } from './load-error.ts';
import type { Part } from './parts.ts';
import type { Journal } from './recovery.ts';
import { filledIn, type Rule, rulesOf } from './rules.ts';
import { sideBySide } from './side-by-side.ts';
import type { Source } from './sources.ts';

/** A table or partition that holds rows itself, and the table that it is of. */
interface Leaf {
  readonly name: string;
  readonly root: string;
}

/**
 * Copies the files; all that concerns a table alone is done by who copied it, while its pages are near. Then come
 * foreign keys among the tables, and last the tables that were derived and what rules ask of the whole.
 */
export async function fill(
  client: Client,
  { tables, parts }: Journal,
  { emptied, tenant }: { emptied: ReadonlySet<string>; tenant: number },
  { sources, connections = 2, onProgress }: BulkLoadOptions,
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
    sources.toSorted((a, b) => b.bytes - a.bytes),
    (source) => source.table,
  );
  const copies = [...files].map(([table, pieces]) => async (connection: ClientBase, signal: AbortSignal) => {
    onProgress?.(`copy ${table}`);
    rows[table] = await copy(connection, pieces, emptied.has(table), signal);
    const leaf = leaves.find(({ name }) => name === table);
    if (leaf && emptied.has(table)) await settle(connection, leaf);
  });
  await sideBySide(client, copies, connections);

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
  await sideBySide(client, shared, connections);

  const among = loaded
    .filter((leaf) => settled.has(leaf))
    .map((leaf) => async (connection: ClientBase) => {
      onProgress?.(`check ${leaf.name}`);
      await build(connection, leaf.name, (part) => part.kind === 'foreign key' && !abroad(part));
    });
  // What refers and what is referred to lie sorted in indexes: merged, they cost half of what hashing them does.
  await sideBySide(client, among, connections, { enable_hashjoin: 'off' });

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
    connections,
  );
  return rows;
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
