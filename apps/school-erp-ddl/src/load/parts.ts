import type { Queryable } from '../database.ts';
import { LoadError } from './load-error.ts';
import { RULES } from './rules.ts';

/** Something that makes each row of a load dear, taken off before it and put back after it. */
export interface Part {
  /** Table or partition, with its schema. */
  readonly table: string;
  readonly name: string;
  readonly kind: 'foreign key' | 'key' | 'index' | 'trigger' | 'default';
  readonly takeOff: string;
  readonly putBack: string;
  /** The same on each partition, to be made there first; the whole then adopts what it finds. */
  readonly pieces: readonly Piece[];
  /** What a foreign key refers to. */
  readonly refersTo?: string;
}

export interface Piece {
  readonly table: string;
  readonly name: string;
  /** One after the other, each a transaction of its own: a foreign key is added unchecked, then checked by a join. */
  readonly statements: readonly string[];
}

interface Found {
  readonly table: string;
  readonly name: string;
  readonly kind: Part['kind'];
  readonly definition: string;
  readonly refersTo: string | null;
  readonly pieces: readonly { table: string; name: string; definition: string }[];
}

/**
 * Foreign keys of the tables and of others to them, keys, other indexes, and triggers of inserts: what a load can do
 * without. Nothing refers to tables that are empty, so the keys of others find what they found before.
 */
const PARTS = `
  WITH target AS (SELECT unnest($1::regclass[])::oid AS oid)
  SELECT con.conrelid::regclass::text AS table, con.conname AS name,
    CASE con.contype WHEN 'f' THEN 'foreign key' ELSE 'key' END AS kind, pg_get_constraintdef(con.oid) AS definition,
    CASE con.contype WHEN 'f' THEN con.confrelid::regclass::text END AS "refersTo",
    coalesce((SELECT json_agg(json_build_object('table', p.conrelid::regclass::text, 'name', p.conname,
        'definition', pg_get_constraintdef(p.oid)))
      FROM pg_constraint p WHERE p.conparentid = con.oid AND p.conrelid <> con.conrelid), '[]') AS pieces
  FROM pg_constraint con
  WHERE con.conparentid = 0 AND (con.contype IN ('f', 'p', 'u', 'x') AND con.conrelid IN (SELECT oid FROM target)
    OR con.contype = 'f' AND con.confrelid IN (SELECT oid FROM target))
  UNION ALL
  SELECT i.indrelid::regclass::text, c.relname, 'index', pg_get_indexdef(i.indexrelid), NULL,
    coalesce((SELECT json_agg(json_build_object('table', p.indrelid::regclass::text, 'name', pc.relname,
        'definition', pg_get_indexdef(p.indexrelid)))
      FROM pg_inherits h JOIN pg_index p ON p.indexrelid = h.inhrelid JOIN pg_class pc ON pc.oid = p.indexrelid
      WHERE h.inhparent = i.indexrelid), '[]')
  FROM pg_index i JOIN target t ON t.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
  WHERE NOT EXISTS (SELECT FROM pg_constraint con WHERE con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x'))
  UNION ALL
  SELECT g.tgrelid::regclass::text, g.tgname, 'trigger', '', NULL, '[]'
  FROM pg_trigger g JOIN target t ON t.oid = g.tgrelid
  WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgenabled = 'O' AND (g.tgtype & 4) <> 0
  UNION ALL
  SELECT d.adrelid::regclass::text, 'tenant_id', 'default', pg_get_expr(d.adbin, d.adrelid), NULL, '[]'
  FROM pg_attrdef d JOIN target t ON t.oid = d.adrelid
  JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attname = 'tenant_id'`;

/** In this order they come off; they go back the other way round, so that a trigger finds every index. */
const ORDER: readonly Part['kind'][] = ['trigger', 'foreign key', 'key', 'index', 'default'];

/**
 * What can come off the tables for a load into a tenant.
 * @throws LoadError `LOAD_TRIGGER` for a trigger whose rule is not known in set form.
 */
export async function findParts(
  db: Queryable,
  tables: readonly string[],
  tenant: number,
): Promise<readonly Part[]> {
  const found = await db.query<Found>(PARTS, [tables]);
  const unknown = found.filter(({ kind, table, name }) => kind === 'trigger' && !RULES[`${table}.${name}`]);
  if (unknown.length > 0) {
    throw new LoadError(
      'LOAD_TRIGGER',
      `No bulk load of ${unknown.map(({ table, name }) => `${table} (trigger ${name})`).join(', ')}`,
      'Load these rows with INSERT, or write the rule of the trigger in set form into src/load/rules.ts.',
    );
  }
  return found
    .map((part) => describe(part, tenant))
    .toSorted((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

function describe({ table, name, kind, definition, refersTo, pieces }: Found, tenant: number): Part {
  const alter = `ALTER TABLE ${table}`;
  const part = { table, name, kind };
  switch (kind) {
    case 'trigger':
      return {
        ...part,
        takeOff: `${alter} DISABLE TRIGGER ${name}`,
        putBack: `${alter} ENABLE TRIGGER ${name}`,
        pieces: [],
      };
    case 'default':
      // A constant costs nothing; the function would be called for every row.
      return {
        ...part,
        takeOff: `${alter} ALTER COLUMN ${name} SET DEFAULT ${tenant}`,
        putBack: `${alter} ALTER COLUMN ${name} SET DEFAULT ${definition}`,
        pieces: [],
      };
    case 'index': {
      const schema = table.split('.')[0];
      return {
        ...part,
        takeOff: `DROP INDEX ${schema}.${name}`,
        putBack: definition.replace(' ON ONLY ', ' ON '),
        pieces: (pieces.length > 0 ? pieces : [{ table, name, definition }]).map((piece) => ({
          table: piece.table,
          name: piece.name,
          statements: [piece.definition],
        })),
      };
    }
    case 'key':
    case 'foreign key':
      return {
        ...part,
        takeOff: `${alter} DROP CONSTRAINT ${name}`,
        putBack: `${alter} ADD CONSTRAINT ${name} ${definition}`,
        ...(refersTo !== null && { refersTo }),
        pieces: (pieces.length > 0 ? pieces : [{ table, name, definition }]).map((piece) => {
          const add = `ALTER TABLE ${piece.table} ADD CONSTRAINT ${piece.name} ${piece.definition}`;
          const validate = `ALTER TABLE ${piece.table} VALIDATE CONSTRAINT ${piece.name}`;
          return {
            table: piece.table,
            name: piece.name,
            statements: kind === 'key' ? [add] : [`${add} NOT VALID`, validate],
          };
        }),
      };
  }
}

/**
 * Whether a part is in its place, whole. What a load left half done is not: a foreign key that was not checked yet, an
 * index that not every partition has.
 */
const PRESENT: Readonly<Record<Part['kind'], string>> = {
  'foreign key': 'SELECT FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2 AND convalidated',
  key: 'SELECT FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2',
  index: `SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = $1::regclass AND c.relname = $2 AND i.indisvalid`,
  trigger: "SELECT FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2 AND tgenabled = 'O'",
  default: 'SELECT WHERE $1::regclass IS NULL AND $2::text IS NULL',
};

export async function isPresent(
  db: Queryable,
  part: Pick<Part, 'table' | 'name' | 'kind'>,
): Promise<boolean> {
  return (await db.query(PRESENT[part.kind], [part.table, part.name])).length > 0;
}

/** Every constraint, index, trigger, policy, default and privilege of the schema, one line each. */
export async function describeSchema(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ line: string }>(`
    WITH ours AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname !~ '^(pg_|information_schema$|public$)' AND c.relkind IN ('r', 'p'))
    SELECT concat_ws(' ', 'constraint', con.conrelid::regclass, con.conname, pg_get_constraintdef(con.oid), con.convalidated,
      (SELECT p.conname FROM pg_constraint p WHERE p.oid = con.conparentid), obj_description(con.oid)) AS line
    FROM pg_constraint con JOIN ours ON ours.oid = con.conrelid
    UNION ALL
    SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready,
      (SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = i.indexrelid), obj_description(i.indexrelid))
    FROM pg_index i JOIN ours ON ours.oid = i.indrelid
    UNION ALL
    SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(g.oid), g.tgenabled)
    FROM pg_trigger g JOIN ours ON ours.oid = g.tgrelid WHERE NOT g.tgisinternal
    UNION ALL
    SELECT concat_ws(' ', 'guard of', g.tgrelid::regclass, con.conname, p.proname, g.tgenabled)
    FROM pg_trigger g JOIN ours ON ours.oid = g.tgrelid JOIN pg_constraint con ON con.oid = g.tgconstraint
    JOIN pg_proc p ON p.oid = g.tgfoid WHERE g.tgisinternal
    UNION ALL
    SELECT concat_ws(' ', 'policy', polrelid::regclass, polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    FROM pg_policy
    UNION ALL
    SELECT concat_ws(' ', 'default', d.adrelid::regclass, d.adnum, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attrdef d JOIN ours ON ours.oid = d.adrelid
    UNION ALL
    SELECT concat_ws(' ', 'table', oid::regclass, relowner::regrole, relrowsecurity, relforcerowsecurity, relispartition, relacl)
    FROM ours
    ORDER BY line`);
  return rows.map((row) => row.line);
}
