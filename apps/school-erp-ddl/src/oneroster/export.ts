import { type Client, enterTenant, type Queryable } from '../database.ts';
import { csvLine } from './csv.ts';
import { OneRosterError } from './fault.ts';
import { MANIFEST_FILE, type Manifest, type Mode, manifestLines } from './manifest.ts';
import { FileReader } from './records.ts';
import {
  type Column,
  type FileName,
  type FileSpec,
  fileSpec,
  fileSpecs,
  headerOf,
  type Version,
} from './spec.ts';
import { type BundleFile, writeBundle } from './write.ts';

export interface ExportOptions {
  /** A zip where it ends in `.zip`, else a folder. */
  readonly path: string;
  readonly tenant: string;
  readonly version: Version;
  readonly overwrite?: boolean;
  /** Write a delta package with what changed at or after this moment (ISO 8601), withdrawn records included. */
  readonly since?: string;
  readonly onProgress?: (file: string, rows: number) => void;
}

export interface ExportReport {
  readonly version: Version;
  readonly mode: Mode;
  readonly files: Readonly<Partial<Record<FileName, number>>>;
  /** What the version cannot say, or says with gaps. */
  readonly remarks: readonly string[];
}

const BATCH = 10_000;

/** Writes a tenant's roster as a OneRoster bundle, from one snapshot of the database. */
export async function exportBundle(db: Client, options: ExportOptions): Promise<ExportReport> {
  let report: ExportReport | undefined;
  await db.tx(
    async (transaction) => {
      const [tenant] = await transaction.query<{ id: number | null }>(
        'SELECT tenancy.tenant_number($1) AS id',
        [options.tenant],
      );
      if (typeof tenant?.id !== 'number') {
        throw new OneRosterError(
          'ONEROSTER_TENANT',
          `there is no active tenant ${options.tenant}`,
          'Name an existing tenant with --tenant.',
        );
      }
      await enterTenant(transaction, tenant.id);
      report = await new Export(transaction, tenant.id, options).run();
    },
    { isolation: 'repeatable read', readOnly: true, attempts: 1 },
  );
  return report!;
}

class Export {
  readonly #db: Queryable;
  readonly #tenant: number;
  readonly #options: ExportOptions;
  readonly #mode: Mode;
  readonly #counts: Partial<Record<FileName, number>> = {};

  constructor(db: Queryable, tenant: number, options: ExportOptions) {
    this.#db = db;
    this.#tenant = tenant;
    this.#options = options;
    this.#mode = options.since ? 'delta' : 'bulk';
  }

  async run(): Promise<ExportReport> {
    const { version, path, overwrite, since } = this.#options;
    const files: BundleFile[] = [];
    const modes = new Map<FileName, Mode>();
    for (const spec of fileSpecs(version)) {
      const [row] = await this.#db.query<{ found: boolean }>(
        `SELECT EXISTS (SELECT FROM ${spec.table} t WHERE ${this.#where(spec)}) AS found`,
        this.#parameters(),
      );
      if (!row?.found) continue;
      modes.set(spec.name, this.#mode);
      files.push({ name: `${spec.name}.csv`, lines: () => this.#lines(spec) });
    }
    const [source] = await this.#db.query<{ name: string | null; code: string | null }>(
      `SELECT source_name AS name, source_code AS code FROM oneroster.import_run
       WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1`,
      [this.#tenant],
    );
    const manifest: Manifest = {
      version,
      modes,
      sourceName: source?.name ?? 'School ERP',
      sourceCode: source?.code ?? undefined,
    };
    files.push({ name: MANIFEST_FILE, lines: () => manifestLines(manifest).map(csvLine) });
    files.sort((a, b) => (a.name < b.name ? -1 : 1));
    await writeBundle(path, files, { overwrite: overwrite ?? false });
    return {
      version,
      mode: since ? 'delta' : 'bulk',
      files: this.#counts,
      remarks: version === '1.1' ? await this.#remarks11() : [],
    };
  }

  #parameters(): unknown[] {
    const { since } = this.#options;
    return since ? [this.#tenant, since] : [this.#tenant];
  }

  #where(spec: FileSpec): string {
    return this.#mode === 'delta'
      ? 't.tenant_id = $1 AND t.updated_at >= $2::timestamptz'
      : `t.tenant_id = $1 AND t.record_status = 'active'${this.#essential(spec)}`;
  }

  /** A record whose essential reference was withdrawn is left out: the package must be complete in itself. */
  #essential(spec: FileSpec): string {
    return FileReader.stagedColumns(spec)
      .filter((column) => column.essential && column.type.kind === 'ref')
      .map((column) => ` AND ${this.#reference(column)} IS NOT NULL`)
      .join('');
  }

  async *#lines(spec: FileSpec): AsyncGenerator<string> {
    const metadata = await this.#metadataNames(spec);
    yield csvLine([...headerOf(spec), ...metadata.map((name) => `metadata.${name}`)]);
    const fields = [
      sourcedId('t', spec),
      this.#mode === 'delta' ? 't.record_status' : "''",
      this.#mode === 'delta' ? moment('coalesce(t.source_modified_at, t.updated_at)') : "''",
      ...spec.columns.map((column) => this.#expression(spec, column)),
      ...metadata.map(
        (_, i) => `coalesce(t.metadata->>($${this.#parameters().length + 1}::text[])[${i + 1}], '')`,
      ),
    ].map((field, i) => `coalesce(${field}, '') AS f${i}`);
    const cursor = `export_${spec.name.toLowerCase()}`;
    await this.#db.execute(
      `DECLARE ${cursor} NO SCROLL CURSOR FOR
       SELECT ${fields.join(', ')} FROM ${spec.table} t WHERE ${this.#where(spec)}
       ORDER BY (${sourcedId('t', spec)}) COLLATE "C"`,
      metadata.length > 0 ? [...this.#parameters(), metadata] : this.#parameters(),
    );
    let count = 0;
    for (;;) {
      const rows = await this.#db.query<Record<string, string>>(`FETCH ${BATCH} FROM ${cursor}`);
      for (const row of rows) yield csvLine(Object.values(row));
      count += rows.length;
      this.#options.onProgress?.(spec.name, count);
      if (rows.length < BATCH) break;
    }
    await this.#db.execute(`CLOSE ${cursor}`);
    this.#counts[spec.name] = count;
  }

  async #metadataNames(spec: FileSpec): Promise<string[]> {
    const rows = await this.#db.query<{ name: string }>(
      `SELECT DISTINCT jsonb_object_keys(t.metadata) AS name FROM ${spec.table} t
       WHERE ${this.#where(spec)} AND t.metadata IS NOT NULL ORDER BY 1`,
      this.#parameters(),
    );
    return rows.map((row) => row.name);
  }

  /** The text of a field, NULL where it is blank. */
  #expression(spec: FileSpec, column: Column): string {
    const special = SPECIAL[this.#options.version]?.[`${spec.name}.${column.name}`];
    if (special) return special;
    const value = `t.${column.column}`;
    switch (column.type.kind) {
      case 'ref':
        return this.#reference(column);
      case 'refs': {
        const target = this.#target(column.type.to);
        const { table, owner, target: key } = column.type.link;
        return `(SELECT ${list(`array_agg(${sourcedId('x', target)} ORDER BY l.position, l.${key})`)}
          FROM ${table} l JOIN ${target.table} x ON x.tenant_id = $1 AND x.${target.idColumn} = l.${key}
          WHERE l.tenant_id = $1 AND l.${owner} = t.${spec.idColumn} AND x.record_status = 'active')`;
      }
      case 'secret':
        return `(SELECT c.password FROM ${column.type.table} c
          WHERE c.tenant_id = $1 AND c.${column.type.owner} = t.${spec.idColumn})`;
      case 'list':
        return list(value);
      case 'pairs': {
        const [left, right] = column.type.keys;
        const pair = `'{' || (p.item->>'${left}') || ':' || (p.item->>'${right}') || '}'`;
        return `(SELECT ${list(`array_agg(${pair} ORDER BY p.n)`)}
          FROM jsonb_array_elements(${value}) WITH ORDINALITY AS p (item, n))`;
      }
      default:
        return `${value}::text`;
    }
  }

  #reference(column: Column): string {
    const target = this.#target((column.type as { to: FileName }).to);
    return `(SELECT ${sourcedId('x', target)} FROM ${target.table} x WHERE x.tenant_id = $1
      AND x.${target.idColumn} = t.${column.column} AND x.record_status = 'active')`;
  }

  #target(name: FileName): FileSpec {
    return (fileSpec(this.#options.version, name) ?? fileSpec('1.2', name))!;
  }

  async #remarks11(): Promise<string[]> {
    const [row] = await this.#db.query<{ roles: number; profiles: number; scales: number }>(
      `SELECT
         (SELECT count(*)::integer FROM (
            SELECT FROM people.role_assignment WHERE tenant_id = $1 AND record_status = 'active'
            GROUP BY person_id HAVING count(DISTINCT role_code) > 1) m) AS roles,
         (SELECT count(*)::integer FROM people.user_profile WHERE tenant_id = $1 AND record_status = 'active') AS profiles,
         (SELECT count(*)::integer FROM assessment.score_scale WHERE tenant_id = $1 AND record_status = 'active') AS scales`,
      [this.#tenant],
    );
    const remarks: string[] = [];
    if (row!.roles > 0) remarks.push(`${row!.roles} users have several roles; 1.1 says one, the first`);
    if (row!.profiles > 0)
      remarks.push(`${row!.profiles} user profiles are left out: 1.1 has no userProfiles`);
    if (row!.scales > 0) remarks.push(`${row!.scales} score scales are left out: 1.1 has no scoreScales`);
    return remarks;
  }
}

/** A record made here has no sourcedId; its table and number are as stable. A demographic has its person's. */
function sourcedId(alias: string, spec: FileSpec): string {
  const own = `${alias}.${spec.idColumn}`;
  if (!spec.ownerColumn) return `coalesce(${alias}.sourced_id, 'erp-${spec.name.toLowerCase()}-' || ${own})`;
  return `(SELECT coalesce(p.sourced_id, 'erp-users-' || p.id) FROM people.person p
    WHERE p.tenant_id = $1 AND p.id = ${own})`;
}

function moment(value: string): string {
  return `to_char(${value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** As `joinList`: items that hold a comma or a quote are quoted. */
function list(array: string): string {
  return `(SELECT string_agg(CASE WHEN i.item ~ '[",\\n]' THEN '"' || replace(i.item, '"', '""') || '"' ELSE i.item END, ',' ORDER BY i.n)
    FROM unnest(${array}) WITH ORDINALITY AS i (item, n))`;
}

/** What one version says in another place than the schema. */
const SPECIAL: Partial<Record<Version, Readonly<Record<string, string>>>> = {
  '1.1': {
    'users.orgSourcedIds': `(SELECT string_agg(org.sourced_id, ',' ORDER BY org.position, org.id) FROM (
        SELECT coalesce(o.sourced_id, 'erp-orgs-' || o.id) AS sourced_id, min(r.position) AS position, min(r.id) AS id
        FROM people.role_assignment r
        JOIN organisation.organisation o ON o.tenant_id = $1 AND o.id = r.organisation_id AND o.record_status = 'active'
        WHERE r.tenant_id = $1 AND r.person_id = t.id AND r.record_status = 'active'
        GROUP BY o.id, o.sourced_id) AS org)`,
    'users.role': `(SELECT CASE
          WHEN r.role_code IN ('aide', 'guardian', 'parent', 'proctor', 'relative', 'student', 'teacher') THEN r.role_code
          WHEN r.role_code = 'counselor' THEN 'aide'
          ELSE 'administrator' END
        FROM people.role_assignment r
        WHERE r.tenant_id = $1 AND r.person_id = t.id AND r.record_status = 'active'
        ORDER BY r.role_type, r.position, r.id LIMIT 1)`,
  },
  '1.2': {
    'roles.role': `CASE WHEN t.role_code <> 'administrator' THEN t.role_code
        WHEN (SELECT o.type_code FROM organisation.organisation o WHERE o.tenant_id = $1 AND o.id = t.organisation_id)
          IN ('school', 'department') THEN 'siteAdministrator'
        ELSE 'districtAdministrator' END`,
    'lineItems.schoolSourcedId': `(SELECT coalesce(o.sourced_id, 'erp-orgs-' || o.id) FROM organisation.organisation o
        WHERE o.tenant_id = $1 AND o.record_status = 'active' AND o.id = coalesce(t.organisation_id, (
          SELECT c.organisation_id FROM academics.section c WHERE c.tenant_id = $1 AND c.id = t.section_id)))`,
  },
};
