import type { Queryable } from '../database.ts';

export interface ColumnModel {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly default: string | null;
  readonly comment: string;
  readonly inKey: boolean;
}

export interface ReferenceModel {
  readonly name: string;
  readonly columns: readonly string[];
  /** Table referred to, with its schema. */
  readonly to: string;
}

export interface RuleModel {
  readonly name: string;
  readonly kind: 'primary key' | 'unique' | 'check' | 'exclude' | 'trigger';
  readonly definition: string;
  readonly message: string;
}

export interface TableModel {
  /** With its schema. */
  readonly name: string;
  readonly comment: string;
  readonly partitioned: boolean;
  readonly columns: readonly ColumnModel[];
  readonly references: readonly ReferenceModel[];
  readonly rules: readonly RuleModel[];
}

export interface FunctionModel {
  readonly name: string;
  readonly signature: string;
  readonly result: string;
  readonly comment: string;
}

export interface DomainModel {
  readonly name: string;
  readonly comment: string;
  readonly tables: readonly TableModel[];
  readonly functions: readonly FunctionModel[];
}

/**
 * The schema as its catalog describes it. What documentation and explorer show comes from here alone. Each kind of thing
 * is gathered once for all tables: the explorer reads this after every edit.
 */
export async function readModel(db: Queryable): Promise<DomainModel[]> {
  return db.query<DomainModel & Record<string, unknown>>(`
    WITH domain AS (
      SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|public$)'
    ), item AS (
      SELECT c.oid, c.relname, c.relkind, c.relnamespace, n.nspname || '.' || c.relname AS name
      FROM pg_class c JOIN domain n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    ), columns AS (
      SELECT t.oid, json_agg(json_build_object(
        'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', NOT a.attnotnull,
        'default', CASE WHEN a.attidentity <> '' THEN 'identity' ELSE pg_get_expr(d.adbin, d.adrelid) END,
        'comment', coalesce(x.description, ''), 'inKey', coalesce(a.attnum = ANY (k.conkey), false)
      ) ORDER BY a.attnum) AS list
      FROM item t
      JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
      LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p'
      LEFT JOIN pg_description x ON x.objoid = t.oid AND x.classoid = 'pg_class'::regclass AND x.objsubid = a.attnum
      GROUP BY t.oid
    ), keys AS (
      SELECT t.oid, json_agg(json_build_object(
        'name', k.conname, 'to', f.name,
        'columns', (SELECT json_agg(a.attname ORDER BY array_position(k.conkey, a.attnum))
          FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY (k.conkey))
      ) ORDER BY k.conname) AS list
      FROM item t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' JOIN item f ON f.oid = k.confrelid
      GROUP BY t.oid
    ), rules AS (
      SELECT t.oid, json_agg(json_build_object(
        'name', m.constraint_name,
        'kind', CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclude' ELSE 'trigger' END,
        'definition', coalesce(pg_get_constraintdef(k.oid), ''), 'message', m.message
      ) ORDER BY m.constraint_name) AS list
      FROM tenancy.constraint_message m
      JOIN item t ON t.name = m.schema_name || '.' || m.table_name
      LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.conname = m.constraint_name
      WHERE k.contype IS DISTINCT FROM 'f'
      GROUP BY t.oid
    ), tables AS (
      SELECT t.relnamespace, json_agg(json_build_object(
        'name', t.name, 'comment', coalesce(obj_description(t.oid, 'pg_class'), ''), 'partitioned', t.relkind = 'p',
        'columns', columns.list, 'references', coalesce(keys.list, '[]'), 'rules', coalesce(rules.list, '[]')
      ) ORDER BY t.relname) AS list
      FROM item t LEFT JOIN columns USING (oid) LEFT JOIN keys USING (oid) LEFT JOIN rules USING (oid)
      GROUP BY t.relnamespace
    ), functions AS (
      SELECT p.pronamespace, json_agg(json_build_object(
        'name', n.nspname || '.' || p.proname, 'signature', pg_get_function_arguments(p.oid),
        'result', coalesce(pg_get_function_result(p.oid), 'procedure'), 'comment', coalesce(obj_description(p.oid, 'pg_proc'), '')
      ) ORDER BY p.proname) AS list
      FROM pg_proc p JOIN domain n ON n.oid = p.pronamespace
      GROUP BY p.pronamespace
    )
    SELECT n.nspname AS name, coalesce(obj_description(n.oid, 'pg_namespace'), '') AS comment,
      coalesce(t.list, '[]') AS tables, coalesce(f.list, '[]') AS functions
    FROM domain n
    LEFT JOIN tables t ON t.relnamespace = n.oid
    LEFT JOIN functions f ON f.pronamespace = n.oid
    ORDER BY n.nspname`);
}
