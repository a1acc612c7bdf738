import type { Queryable } from '../database.ts';

/** A rule of the schema that something in the catalog breaks. */
export interface Finding {
  readonly rule: string;
  /** Table, index, function: as PostgreSQL writes it. */
  readonly object: string;
  readonly message: string;
}

interface Rule {
  readonly name: string;
  readonly message: string;
  /** Rows with one column `object`, one for each breach. */
  readonly query: string;
}

/** What refuses rows under a name: constraints, and unique indexes, which may leave rows out. */
const REFUSING = `
  (SELECT conrelid AS relid, conname AS name FROM pg_constraint WHERE conrelid <> 0 AND contype <> 't' AND conparentid = 0
   UNION ALL
   SELECT i.indrelid, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
   WHERE i.indisunique AND NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype <> 'f'))`;

/** Schemas of this product: those that hold neither PostgreSQL's own objects nor extensions and bookkeeping. */
const OURS = `n.nspname !~ '^(pg_|information_schema$|public$)'`;
const TENANT_TABLES = `
  SELECT c.oid, c.relname, n.nspname, c.relispartition, c.relrowsecurity, c.relforcerowsecurity
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${OURS} AND c.relkind IN ('r', 'p')
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')`;

const RULES: readonly Rule[] = [
  {
    name: 'interrupted-load',
    message: 'a bulk load runs, or was interrupted and has not been undone by erp recover',
    query: `SELECT 'public.erp_load' AS object WHERE to_regclass('public.erp_load') IS NOT NULL`,
  },
  {
    name: 'row-level-security',
    message: 'a tenant table or partition without forced row-level security',
    query: `SELECT t.oid::regclass::text AS object FROM (${TENANT_TABLES}) t
      WHERE NOT t.relrowsecurity OR NOT t.relforcerowsecurity`,
  },
  {
    name: 'tenant-policy',
    message: 'a tenant table whose policies let other tenants through',
    query: `SELECT t.oid::regclass::text AS object FROM (${TENANT_TABLES}) t
      LEFT JOIN pg_policies p ON p.schemaname = t.nspname AND p.tablename = t.relname
      GROUP BY t.oid HAVING count(p.policyname) <> 1
        OR bool_or(p.qual <> '(tenant_id = tenancy.current_tenant())')
        OR bool_or(p.with_check IS DISTINCT FROM p.qual) OR bool_or(p.cmd <> 'ALL')`,
  },
  {
    name: 'tenant-first-key',
    message: 'a key that does not begin with the tenant',
    query: `SELECT con.conrelid::regclass || ' ' || con.conname AS object
      FROM pg_constraint con JOIN (${TENANT_TABLES}) t ON t.oid = con.conrelid
      JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = con.conkey[1]
      WHERE con.contype IN ('p', 'u') AND a.attname <> 'tenant_id'
      UNION ALL
      SELECT t.oid::regclass::text FROM (${TENANT_TABLES}) t
      WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'p')`,
  },
  {
    name: 'tenant-foreign-key',
    message: 'a foreign key between tenant tables that does not carry the tenant',
    query: `SELECT con.conrelid::regclass || ' ' || con.conname AS object
      FROM pg_constraint con
      JOIN (${TENANT_TABLES}) t ON t.oid = con.conrelid
      JOIN (${TENANT_TABLES}) f ON f.oid = con.confrelid
      JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = con.conkey[1]
      JOIN pg_attribute b ON b.attrelid = con.confrelid AND b.attnum = con.confkey[1]
      WHERE con.contype = 'f' AND (a.attname <> 'tenant_id' OR b.attname <> 'tenant_id')`,
  },
  {
    name: 'tenant-anchored',
    message: 'a tenant table that no foreign key ties to its tenant',
    query: `SELECT t.oid::regclass::text AS object FROM (${TENANT_TABLES}) t
      WHERE NOT t.relispartition AND NOT EXISTS (
        SELECT FROM pg_constraint con
        JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = con.conkey[1]
        WHERE con.conrelid = t.oid AND con.contype = 'f' AND a.attname = 'tenant_id'
          AND NOT EXISTS (SELECT FROM pg_attribute k WHERE k.attrelid = t.oid
            AND k.attnum = ANY (con.conkey) AND NOT k.attnotnull))`,
  },
  {
    name: 'indexed-foreign-key',
    // Rows that the app can neither delete nor give another key need no index that finds who refers to them.
    message: 'a foreign key that no index serves',
    query: `SELECT con.conrelid::regclass || ' ' || con.conname AS object
      FROM pg_constraint con JOIN (${TENANT_TABLES}) t ON t.oid = con.conrelid
      WHERE con.contype = 'f' AND NOT t.relispartition AND con.confrelid <> 'tenancy.tenant'::regclass
        AND NOT EXISTS (
          SELECT FROM pg_index i WHERE i.indrelid = con.conrelid
            AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) ~ '^\\(\\w+ IS NOT NULL\\)$')
            AND i.indkey[0] = con.conkey[1] AND i.indkey[1] = con.conkey[2])
        AND (has_table_privilege('erp_app', con.confrelid, 'DELETE')
          OR EXISTS (SELECT FROM unnest(con.confkey) AS k WHERE has_column_privilege('erp_app', con.confrelid, k, 'UPDATE')))`,
  },
  {
    name: 'redundant-index',
    message: 'an index whose columns another index begins with',
    query: `SELECT a.indexrelid::regclass::text AS object
      FROM pg_index a
      JOIN pg_index b ON b.indrelid = a.indrelid AND b.indexrelid <> a.indexrelid
      JOIN pg_class c ON c.oid = a.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class ia ON ia.oid = a.indexrelid JOIN pg_class ib ON ib.oid = b.indexrelid
      WHERE ${OURS} AND NOT c.relispartition AND NOT a.indisunique AND ia.relam = ib.relam
        AND ia.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
        AND a.indpred IS NULL AND b.indpred IS NULL AND a.indexprs IS NULL AND b.indexprs IS NULL
        AND a.indcollation::text = left(b.indcollation::text, length(a.indcollation::text))
        AND (b.indkey::text || ' ') LIKE (a.indkey::text || ' %')
        AND (a.indkey::text <> b.indkey::text OR a.indexrelid < b.indexrelid OR b.indisunique)`,
  },
  {
    name: 'comment',
    message: 'without a comment',
    query: `SELECT c.oid::regclass::text AS object FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${OURS} AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND obj_description(c.oid, 'pg_class') IS NULL
      UNION ALL
      SELECT c.oid::regclass || '.' || a.attname FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE ${OURS} AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND NOT EXISTS (SELECT FROM pg_description d WHERE d.classoid = 'pg_class'::regclass
          AND d.objoid = c.oid AND d.objsubid = a.attnum)
      UNION ALL
      SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE ${OURS} AND obj_description(p.oid, 'pg_proc') IS NULL
      UNION ALL
      SELECT n.nspname FROM pg_namespace n WHERE ${OURS} AND obj_description(n.oid, 'pg_namespace') IS NULL
        AND n.nspname <> 'public'`,
  },
  {
    name: 'constraint-message',
    message: 'a constraint without a sentence for people, or a sentence without its constraint',
    // Functions are few and constraints many: each list is made once.
    query: `WITH refusing AS MATERIALIZED (
        SELECT con.relid, n.nspname AS schema_name, c.relname AS table_name, con.name AS constraint_name, c.relispartition
        FROM ${REFUSING} con JOIN pg_class c ON c.oid = con.relid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE ${OURS}),
      source AS MATERIALIZED (
        SELECT p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${OURS}),
      lost AS MATERIALIZED (
        SELECT schema_name, table_name, constraint_name FROM tenancy.constraint_message
        EXCEPT SELECT schema_name, table_name, constraint_name FROM refusing)
      SELECT r.relid::regclass || ' ' || r.constraint_name AS object FROM refusing r
      WHERE NOT r.relispartition AND NOT EXISTS (
        SELECT FROM tenancy.constraint_message m WHERE m.schema_name = r.schema_name
          AND m.table_name = r.table_name AND m.constraint_name = r.constraint_name)
      UNION ALL
      SELECT m.schema_name || '.' || m.table_name || ' ' || m.constraint_name FROM lost m
      WHERE NOT EXISTS (
        SELECT FROM source p WHERE p.prosrc LIKE '%' || m.constraint_name || '%'
          OR (p.prosrc LIKE '%TG_TABLE_NAME || ''' || substring(m.constraint_name from '_[a-z]+$') || '''%'))
      AND NOT EXISTS (
        SELECT FROM pg_trigger g WHERE g.tgname = m.constraint_name)`,
  },
  {
    name: 'security-invoker',
    message: 'a view that would show what its owner sees',
    query: `SELECT c.oid::regclass::text AS object FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${OURS} AND c.relkind IN ('v', 'm')
        AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false)`,
  },
  {
    name: 'definer-search-path',
    // Where pg_temp is not named, it comes first: a caller's temporary domain called jsonb would run as the owner.
    message: 'a SECURITY DEFINER function whose search_path is not pg_catalog, pg_temp',
    query: `SELECT p.oid::regprocedure::text AS object FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE ${OURS} AND p.prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)`,
  },
  {
    name: 'deferred-tenant',
    message:
      'a check at commit that would run as whatever tenant the transaction ended with, instead of entering that of the row',
    query: `SELECT DISTINCT p.oid::regprocedure::text AS object FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
      JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE ${OURS} AND g.tgdeferrable AND p.prosrc NOT LIKE '%tenancy.enter(%'`,
  },
  {
    name: 'partition-privilege',
    message: 'a partition that the app or the analyst can reach beside its parent',
    query: `SELECT c.oid::regclass::text AS object FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${OURS} AND c.relispartition AND c.relkind = 'r'
        AND (has_table_privilege('erp_app', c.oid, 'SELECT,INSERT,UPDATE,DELETE')
          OR has_table_privilege('erp_analyst', c.oid, 'SELECT'))`,
  },
  {
    name: 'owner',
    message: 'owned by somebody else than erp_owner',
    query: `SELECT c.oid::regclass::text AS object FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${OURS} AND c.relowner <> 'erp_owner'::regrole`,
  },
  {
    name: 'shared-table',
    message: 'a table without a tenant that the app may write',
    query: `SELECT c.oid::regclass::text AS object FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE ${OURS} AND c.relkind IN ('r', 'p') AND c.oid <> 'tenancy.tenant'::regclass
        AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
        AND has_table_privilege('erp_app', c.oid, 'INSERT,UPDATE,DELETE')`,
  },
];

/** Every breach of the schema's rules in a database. */
export async function checkCatalog(db: Queryable): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const rule of RULES) {
    const rows = await db.query<{ object: string }>(
      `SELECT object FROM (${rule.query}) AS q ORDER BY object`,
    );
    findings.push(...rows.map(({ object }) => ({ rule: rule.name, object, message: rule.message })));
  }
  return findings;
}
