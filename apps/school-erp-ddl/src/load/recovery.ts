import type { Client } from '../database.ts';
import { LoadError } from './load-error.ts';
import { describeSchema, isPresent, type Part } from './parts.ts';

/** What a load took off, and what the catalog was before. Kept in `public.erp_load` until the load has ended. */
export interface Journal {
  readonly tables: readonly string[];
  readonly parts: readonly Part[];
  readonly before: readonly string[];
}

const LOCK = 4_209_471;

/**
 * Runs `work` while no other load can run.
 * @throws LoadError `LOAD_ROLE` for a role that row-level security binds, `LOAD_RUNNING` for a second load at once
 */
export async function withLoadLock<T>(client: Client, work: () => Promise<T>): Promise<T> {
  return client.connection(async (connection) => {
    const { rows } = await connection.query<{ able: boolean; locked: boolean }>(
      `SELECT rolsuper OR rolbypassrls AS able, pg_try_advisory_lock(${LOCK}) AS locked FROM pg_roles WHERE rolname = current_user`,
    );
    try {
      if (!rows[0]!.locked) {
        throw new LoadError(
          'LOAD_RUNNING',
          'Another bulk load runs on this database',
          'Wait until it has ended.',
        );
      }
      if (!rows[0]!.able) {
        throw new LoadError(
          'LOAD_ROLE',
          'This role is bound by row-level security, under which PostgreSQL does not see what a foreign key refers to',
          'Load as a superuser or a role with BYPASSRLS.',
        );
      }
      return await work();
    } finally {
      await connection.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
    }
  });
}

/** Takes the parts off and notes how they go back; one transaction, which asks that the tables be empty. */
export async function keepJournal(client: Client, journal: Journal): Promise<void> {
  await client.tx(async (tx) => {
    const [running] = await tx.query("SELECT WHERE to_regclass('public.erp_load') IS NOT NULL");
    if (running) {
      throw new LoadError('LOAD_RUNNING', 'An earlier load was interrupted', 'Run `erp recover` first.');
    }
    await tx.execute("SET LOCAL lock_timeout = '10s'");
    const altered = new Set([...journal.tables, ...journal.parts.map((part) => part.table)]);
    await tx.execute(`LOCK TABLE ${[...altered].join(', ')} IN ACCESS EXCLUSIVE MODE`);
    const full: string[] = [];
    for (const table of journal.tables) {
      if ((await tx.query(`SELECT FROM ${table} LIMIT 1`)).length > 0) full.push(table);
    }
    if (full.length > 0) {
      throw new LoadError(
        'LOAD_NOT_EMPTY',
        `There are rows already in ${full.join(', ')}`,
        'A bulk load fills empty tables; add to others with INSERT or COPY, which check row by row.',
      );
    }
    await tx.execute('CREATE TABLE public.erp_load (journal jsonb NOT NULL)');
    await tx.execute('INSERT INTO public.erp_load VALUES ($1)', [JSON.stringify(journal)]);
    for (const part of journal.parts) await tx.execute(part.takeOff);
  });
}

/**
 * Undoes a load that failed or was interrupted: its tables are emptied, as they were, and everything goes back to its
 * place. Returns the tables, none where there is nothing to undo.
 * @throws LoadError `LOAD_REFUSED` when the catalog is then not what it was; nothing is undone in that case
 */
export async function recover(client: Client): Promise<readonly string[]> {
  return client.tx(async (tx) => {
    const [there] = await tx.query("SELECT WHERE to_regclass('public.erp_load') IS NOT NULL");
    if (!there) return [];
    const { journal } = await tx.one<{ journal: Journal }>('SELECT journal FROM public.erp_load');
    await tx.execute(`TRUNCATE ${journal.tables.join(', ')}`);
    for (const part of journal.parts.toReversed()) {
      for (const piece of [...part.pieces, part]) await discardHalf(tx, part, piece);
    }
    for (const part of journal.parts.toReversed()) {
      for (const piece of part.pieces) {
        if (await isPresent(tx, { ...piece, kind: part.kind })) continue;
        for (const statement of piece.statements) await tx.execute(statement);
      }
      if (!(await isPresent(tx, part))) await tx.execute(part.putBack);
    }
    const after = new Set(await describeSchema(tx));
    const lost = journal.before.filter((line) => !after.has(line));
    if (lost.length > 0 || after.size !== new Set(journal.before).size) {
      throw new LoadError(
        'LOAD_REFUSED',
        `The catalog is not what it was before the load:\n${lost.join('\n')}`,
        'The journal stays in public.erp_load; compare it with the catalog.',
      );
    }
    await tx.execute('DROP TABLE public.erp_load');
    return journal.tables;
  });
}

/** A foreign key that was added and not checked yet would be in the way of the one that goes back. */
async function discardHalf(
  tx: Parameters<Parameters<Client['tx']>[0]>[0],
  part: Part,
  { table, name }: { table: string; name: string },
): Promise<void> {
  if (part.kind !== 'foreign key') return;
  const half = await tx.query(
    'SELECT FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2 AND NOT convalidated',
    [table, name],
  );
  if (half.length > 0) await tx.execute(`ALTER TABLE ${table} DROP CONSTRAINT ${name}`);
}
