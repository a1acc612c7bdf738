import type { Queryable } from '../database.ts';
import type { Mode } from './manifest.ts';
import { type Attached, FileReader, type Staged } from './records.ts';
import { type Column, type FileName, type FileSpec, fileSpec, type LinkTable, type Version } from './spec.ts';

/** What an import did to one file's records. */
export interface Counts {
  read: number;
  inserted: number;
  updated: number;
  unchanged: number;
  /** Active before, tobedeleted now. */
  withdrawn: number;
  /** Lenient imports: records that could not be kept. */
  skipped: number;
}

/** A column that the importer fills itself, beside those of the file. */
export interface ExtraColumn {
  readonly column: string;
  readonly type: string;
}

const LEADING = ['sourced_id', 'record_status', 'source_modified_at', 'metadata'];

/** Stages and merges the records of one tenant. Every statement runs as the app role, inside the caller's transaction. */
export class Merger {
  readonly #db: Queryable;
  readonly #tenant: number;
  readonly #version: Version;

  constructor(db: Queryable, tenant: number, version: Version) {
    this.#db = db;
    this.#tenant = tenant;
    this.#version = version;
  }

  static stage(name: FileName): string {
    return `stage_${name.toLowerCase()}`;
  }

  /** Copies records into a temporary table that looks like the file's table. */
  async stage(
    spec: FileSpec,
    rows: AsyncIterable<Staged> | Iterable<Staged>,
    extra: readonly ExtraColumn[] = [],
  ): Promise<number> {
    const columns = FileReader.stagedColumns(spec);
    const definitions = [
      'sourced_id text',
      'record_status text',
      'source_modified_at timestamptz',
      'metadata jsonb',
      ...columns.map((column) => `${column.column} ${stagedType(column)}`),
      ...extra.map((column) => `${column.column} ${column.type}`),
    ];
    const table = Merger.stage(spec.name);
    await this.#db.execute(`CREATE TEMPORARY TABLE ${table} (${definitions.join(', ')}) ON COMMIT DROP`);
    const count = await this.#db.copyInto(
      table,
      [...LEADING, ...columns.map((column) => column.column), ...extra.map((column) => column.column)],
      valuesOf(rows),
    );
    await this.#db.execute(`ANALYZE ${table}`);
    return count;
  }

  /** Takes back the references inside a file of the records named. */
  async forgetParents(spec: FileSpec, records: readonly string[]): Promise<void> {
    if (records.length === 0) return;
    for (const column of spec.columns) {
      if (column.type.kind !== 'ref' || column.type.to !== spec.name) continue;
      await this.#db.execute(
        `UPDATE ${Merger.stage(spec.name)} SET ${column.column} = NULL WHERE sourced_id = ANY ($1)`,
        [records],
      );
    }
  }

  /** Merges what was staged. In bulk mode, active records that the file does not have are withdrawn. */
  async merge(spec: FileSpec, mode: Mode, extra: readonly ExtraColumn[] = []): Promise<Counts> {
    const types = await this.#columnTypes(spec.table);
    const columns = FileReader.stagedColumns(spec);
    const selfReferences = columns.filter((c) => c.type.kind === 'ref' && c.type.to === spec.name);
    const plain = columns.filter((column) => !selfReferences.includes(column));
    const joins: string[] = [];
    const outputs = plain.map((column, i) => {
      if (column.type.kind !== 'ref') {
        const type = types.get(column.column);
        return `s.${column.column}::${type} AS ${column.column}`;
      }
      const target = this.#spec(column.type.to);
      joins.push(
        `LEFT JOIN ${target.table} r${i} ON r${i}.tenant_id = $1 AND r${i}.sourced_id = s.${column.column}`,
      );
      return `r${i}.${target.idColumn} AS ${column.column}`;
    });
    if (spec.ownerColumn) {
      joins.push('JOIN people.person owner ON owner.tenant_id = $1 AND owner.sourced_id = s.sourced_id');
    }
    const names = [...LEADING, ...plain.map((column) => column.column), ...extra.map((e) => e.column)];
    const compared = names.slice(1);
    const inserted = spec.ownerColumn ? [...names, spec.ownerColumn] : names;
    const source = [
      '$1::integer AS tenant_id',
      ...LEADING.map((name) => `s.${name}`),
      ...outputs,
      ...extra.map((e) => `s.${e.column}`),
      ...(spec.ownerColumn ? [`owner.id AS ${spec.ownerColumn}`] : []),
    ];
    const rows = await this.#db.query<{ action: string; status: string; count: number }>(
      `WITH merged AS (
        MERGE INTO ${spec.table} AS t
        USING (SELECT ${source.join(', ')} FROM ${Merger.stage(spec.name)} s ${joins.join(' ')}) AS s
        ON t.tenant_id = s.tenant_id AND t.sourced_id = s.sourced_id
        WHEN MATCHED AND (${prefixed('t', compared)}) IS DISTINCT FROM (${prefixed('s', compared)})
          THEN UPDATE SET ${compared.map((name) => `${name} = s.${name}`).join(', ')}
        WHEN NOT MATCHED THEN INSERT (tenant_id, ${inserted.join(', ')})
          VALUES (s.tenant_id, ${prefixed('s', inserted)})
        ${
          mode === 'bulk'
            ? `WHEN NOT MATCHED BY SOURCE AND t.tenant_id = $1 AND t.sourced_id IS NOT NULL
                AND t.record_status <> 'tobedeleted' THEN UPDATE SET record_status = 'tobedeleted'`
            : ''
        }
        RETURNING merge_action() AS action, t.record_status AS status
      ) SELECT action, status, count(*)::integer AS count FROM merged GROUP BY action, status`,
      [this.#tenant],
    );
    const count = (test: (row: (typeof rows)[number]) => boolean) =>
      rows.filter(test).reduce((sum, row) => sum + row.count, 0);
    const counts: Counts = {
      read: 0,
      inserted: count((row) => row.action === 'INSERT'),
      updated: count((row) => row.action === 'UPDATE' && row.status === 'active'),
      unchanged: 0,
      withdrawn: count((row) => row.action === 'UPDATE' && row.status !== 'active'),
      skipped: 0,
    };
    for (const column of selfReferences) await this.#linkToSelf(spec, column.column);
    return counts;
  }

  /** A record may refer to one that the same MERGE inserts, so references inside a file are set afterwards. */
  async #linkToSelf(spec: FileSpec, column: string): Promise<void> {
    await this.#db.execute(
      `UPDATE ${spec.table} AS t SET ${column} = p.id
       FROM ${Merger.stage(spec.name)} s
       LEFT JOIN ${spec.table} p ON p.tenant_id = $1 AND p.sourced_id = s.${column}
       WHERE t.tenant_id = $1 AND t.sourced_id = s.sourced_id AND t.${column} IS DISTINCT FROM p.id`,
      [this.#tenant],
    );
  }

  /** Makes the rows of a link table those that the staged records list. */
  async mergeLinks(spec: FileSpec, to: FileName, link: LinkTable, items: readonly Attached[]): Promise<void> {
    const stage = `${Merger.stage(spec.name)}_${link.target}`;
    await this.#stageAttached(stage, items);
    const target = this.#spec(to);
    const marked = link.marker ? `AND l.${link.marker}` : '';
    await this.#db.execute(
      `DELETE FROM ${link.table} l USING ${Merger.stage(spec.name)} s, ${spec.table} o
       WHERE o.tenant_id = $1 AND o.sourced_id = s.sourced_id
         AND l.tenant_id = $1 AND l.${link.owner} = o.id ${marked}
         AND NOT EXISTS (
           SELECT FROM ${stage} k JOIN ${target.table} x ON x.tenant_id = $1 AND x.sourced_id = k.value
           WHERE k.owner = s.sourced_id AND x.id = l.${link.target})`,
      [this.#tenant],
    );
    const extra = link.marker ? `, ${link.marker}` : '';
    await this.#db.execute(
      `INSERT INTO ${link.table} AS l (tenant_id, ${link.owner}, ${link.target}, position${extra})
       SELECT $1, o.id, x.id, k.position${link.marker ? ', true' : ''} FROM ${stage} k
       JOIN ${spec.table} o ON o.tenant_id = $1 AND o.sourced_id = k.owner
       JOIN ${target.table} x ON x.tenant_id = $1 AND x.sourced_id = k.value
       ON CONFLICT (tenant_id, ${link.owner}, ${link.target}) DO UPDATE
       SET position = EXCLUDED.position${link.marker ? `, ${link.marker} = true` : ''}
       WHERE l.position <> EXCLUDED.position${link.marker ? ` OR NOT l.${link.marker}` : ''}`,
      [this.#tenant],
    );
  }

  async mergeSecrets(
    spec: FileSpec,
    table: string,
    owner: string,
    items: readonly Attached[],
  ): Promise<void> {
    const stage = `${Merger.stage(spec.name)}_secret`;
    await this.#stageAttached(stage, items);
    await this.#db.execute(
      `INSERT INTO ${table} AS c (tenant_id, ${owner}, password)
       SELECT $1, o.id, k.value FROM ${stage} k
       JOIN ${spec.table} o ON o.tenant_id = $1 AND o.sourced_id = k.owner
       ON CONFLICT (tenant_id, ${owner}) DO UPDATE SET password = EXCLUDED.password
       WHERE c.password <> EXCLUDED.password`,
      [this.#tenant],
    );
  }

  /** sourcedIds of the records that are active now. */
  async activeIds(spec: FileSpec): Promise<Set<string>> {
    const rows = await this.#db.query<{ sourced_id: string }>(
      `SELECT sourced_id FROM ${spec.table}
       WHERE tenant_id = $1 AND sourced_id IS NOT NULL AND record_status = 'active'`,
      [this.#tenant],
    );
    return new Set(rows.map((row) => row.sourced_id));
  }

  async #stageAttached(stage: string, items: readonly Attached[]): Promise<void> {
    await this.#db.execute(
      `CREATE TEMPORARY TABLE ${stage} (owner text, value text, position smallint) ON COMMIT DROP`,
    );
    await this.#db.copyInto(
      stage,
      ['owner', 'value', 'position'],
      items.map((item) => [item.owner, item.value, item.position]),
    );
    await this.#db.execute(`ANALYZE ${stage}`);
  }

  async #columnTypes(table: string): Promise<Map<string, string>> {
    const rows = await this.#db.query<{ name: string; type: string }>(
      `SELECT attname AS name, format_type(atttypid, atttypmod) AS type
       FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
      [table],
    );
    return new Map(rows.map((row) => [row.name, row.type]));
  }

  #spec(name: FileName): FileSpec {
    const spec = fileSpec(this.#version, name) ?? fileSpec('1.2', name);
    if (!spec) throw new TypeError(`no specification of ${name}`);
    return spec;
  }
}

async function* valuesOf(rows: AsyncIterable<Staged> | Iterable<Staged>): AsyncGenerator<readonly unknown[]> {
  for await (const row of rows) yield row.values;
}

function prefixed(alias: string, names: readonly string[]): string {
  return names.map((name) => `${alias}.${name}`).join(', ');
}

function stagedType(column: Column): string {
  switch (column.type.kind) {
    case 'boolean':
      return 'boolean';
    case 'date':
      return 'date';
    case 'number':
      return 'numeric';
    case 'year':
      return 'smallint';
    case 'list':
      return 'text[]';
    case 'pairs':
      return 'jsonb';
    default:
      return 'text';
  }
}
