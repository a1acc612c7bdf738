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

/** The schema as its catalog describes it. What documentation and explorer show comes from here alone. */
export async function readModel(db: Queryable): Promise<DomainModel[]> {
  return db.query<DomainModel & Record<string, unknown>>(`
    SELECT n.nspname AS name, coalesce(obj_description(n.oid, 'pg_namespace'), '') AS comment,
      coalesce((SELECT json_agg(json_build_object(
        'name', n.nspname || '.' || c.relname,
        'comment', coalesce(obj_description(c.oid, 'pg_class'), ''),
        'partitioned', c.relkind = 'p',
        'columns', (SELECT json_agg(json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', NOT a.attnotnull,
            'default', CASE WHEN a.attidentity <> '' THEN 'identity' ELSE pg_get_expr(d.adbin, d.adrelid) END,
            'comment', coalesce(col_description(c.oid, a.attnum), ''),
            'inKey', EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attnum = ANY (k.conkey))
          ) ORDER BY a.attnum)
          FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        'references', coalesce((SELECT json_agg(json_build_object(
            'name', k.conname, 'to', fn.nspname || '.' || f.relname,
            'columns', (SELECT json_agg(a.attname ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, n)
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum)
          ) ORDER BY k.conname)
          FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
          WHERE k.conrelid = c.oid AND k.contype = 'f'), '[]'),
        'rules', coalesce((SELECT json_agg(json_build_object(
            'name', m.constraint_name,
            'kind', CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclude' ELSE 'trigger' END,
            'definition', coalesce(pg_get_constraintdef(k.oid), ''), 'message', m.message
          ) ORDER BY m.constraint_name)
          FROM tenancy.constraint_message m
          LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.conname = m.constraint_name
          WHERE m.schema_name = n.nspname AND m.table_name = c.relname AND k.contype IS DISTINCT FROM 'f'), '[]')
      ) ORDER BY c.relname)
      FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND NOT c.relispartition), '[]') AS tables,
      coalesce((SELECT json_agg(json_build_object(
        'name', n.nspname || '.' || p.proname, 'signature', pg_get_function_arguments(p.oid),
        'result', coalesce(pg_get_function_result(p.oid), 'procedure'), 'comment', coalesce(obj_description(p.oid, 'pg_proc'), '')
      ) ORDER BY p.proname)
      FROM pg_proc p WHERE p.pronamespace = n.oid), '[]') AS functions
    FROM pg_namespace n
    WHERE n.nspname !~ '^(pg_|information_schema$|public$)'
    ORDER BY n.nspname`);
}
