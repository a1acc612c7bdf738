import { createHash } from 'node:crypto';
import { type Client, enterTenant, type Queryable } from '../database.ts';
import { type Bundle, openBundle } from './bundle.ts';
import { assignCalendars } from './calendars.ts';
import { FaultLog, type FaultSummary, OneRosterError } from './fault.ts';
import type { Mode } from './manifest.ts';
import { type Counts, type ExtraColumn, Merger } from './merge.ts';
import { DEFAULT_LIMITS, openPackage, type Package, type PackageLimits } from './package.ts';
import { FileReader, type Staged, type UserRole } from './records.ts';
import { describeRefusal } from './refusal.ts';
import { type FileName, fileSpec, fileSpecs, type Version } from './spec.ts';

export interface ImportOptions {
  /** Path of a zip or a folder. */
  readonly path: string;
  /** Code of the tenant; it is made where it does not exist. */
  readonly tenant: string;
  /** Country pack of a tenant that is made, with its currency, language and time zone. `generic` where absent. */
  readonly pack?: string;
  /** Import what can be and report the rest, instead of refusing a bundle with faults. */
  readonly lenient?: boolean;
  /** Keep clear-text passwords of the bundle. They are counted and left out otherwise. */
  readonly keepPasswords?: boolean;
  /** Do everything and undo it. */
  readonly dryRun?: boolean;
  readonly limits?: PackageLimits;
  readonly maxFaults?: number;
  /** Called as records are read; for a person who waits. */
  readonly onProgress?: (file: string, rows: number) => void;
}

export interface ImportReport {
  readonly bundle: string;
  readonly tenant: string;
  readonly version: Version;
  readonly dryRun: boolean;
  readonly files: Readonly<Partial<Record<FileName, Counts & { readonly mode: Mode }>>>;
  /** What a lenient import forgave; empty for a strict one. */
  readonly forgiven: readonly FaultSummary[];
  readonly passwordsLeftOut: number;
}

/**
 * Imports a OneRoster bundle in one transaction. Importing the same bundle again changes nothing.
 * @throws OneRosterError `ONEROSTER_FAULTS` with every fault, unless lenient; the database is then as before.
 */
export async function importBundle(db: Client, options: ImportOptions): Promise<ImportReport> {
  await using pack = await openPackage(options.path, options.limits ?? DEFAULT_LIMITS);
  let report: ImportReport | undefined;
  try {
    await db.tx(async (tx) => {
      report = await importPackage(tx, pack, options);
      if (options.dryRun) throw new Error('undo the dry run');
    });
  } catch (error) {
    if (!(report && options.dryRun)) throw await describeRefusal(error, db);
  }
  return report!;
}

/** {@link importBundle} in a transaction of the caller, as whose owner and for whose tenant it then goes on. */
export async function importPackage(
  tx: Queryable,
  pack: Package,
  options: ImportOptions,
): Promise<ImportReport> {
  // Of this try: a transaction that runs again after a deadlock counts its faults again.
  const log = new FaultLog(options.maxFaults);
  const bundle = await openBundle(pack, { lenient: options.lenient ?? false, log });
  return new Import(tx, bundle, options, log).run(pack.name);
}

class Import {
  readonly #db: Queryable;
  readonly #bundle: Bundle;
  readonly #options: ImportOptions;
  readonly #log: FaultLog;
  readonly #lenient: boolean;
  readonly #known = new Map<FileName, Set<string>>();
  readonly #files: Partial<Record<FileName, Counts & { mode: Mode }>> = {};
  #passwords = 0;

  constructor(db: Queryable, bundle: Bundle, options: ImportOptions, log: FaultLog) {
    this.#db = db;
    this.#bundle = bundle;
    this.#options = options;
    this.#log = log;
    this.#lenient = options.lenient ?? false;
  }

  async run(name: string): Promise<ImportReport> {
    const { version } = this.#bundle;
    const tenant = await this.#tenant();
    const merger = new Merger(this.#db, tenant, version);
    await this.#db.execute('SET CONSTRAINTS ALL DEFERRED');
    // Staging tables are read once: rough statistics are enough, and joins fit into memory.
    await this.#db.execute("SET LOCAL default_statistics_target = 10; SET LOCAL work_mem = '64MB'");

    for (const spec of fileSpecs('1.2')) {
      const own = fileSpec(version, spec.name);
      const entry = own && this.#bundle.files.get(spec.name);
      if (entry?.mode !== 'bulk') this.#known.set(spec.name, await merger.activeIds(spec));
      if (entry) await this.#importFile(merger, tenant, spec.name);
    }
    this.#refuseFaults(name);
    await this.#derive(tenant);
    const forgiven = this.#log.summaries();
    await this.#db.execute(
      `INSERT INTO oneroster.import_run
         (tenant_id, version, mode, bundle, source_name, source_code, counts, forgiven, finished_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp())`,
      [
        tenant,
        version,
        this.#lenient ? 'lenient' : 'strict',
        name,
        this.#bundle.sourceName ?? null,
        this.#bundle.sourceCode ?? null,
        JSON.stringify(this.#files),
        JSON.stringify(forgiven),
      ],
    );
    return {
      bundle: name,
      tenant: this.#options.tenant,
      version,
      dryRun: this.#options.dryRun ?? false,
      files: this.#files,
      forgiven,
      passwordsLeftOut: this.#passwords,
    };
  }

  /** Two imports of one tenant run one after the other: the lock is the transaction's. */
  async #tenant(): Promise<number> {
    const { tenant: code, pack } = this.#options;
    await this.#db.execute('SET LOCAL ROLE erp_owner');
    const packs = await this.#db.query<{ code: string }>('SELECT code FROM country.pack ORDER BY code');
    if (pack && !packs.some((known) => known.code === pack)) {
      throw new OneRosterError(
        'ONEROSTER_PACK',
        `there is no country pack ${pack}`,
        `Name one of these with --pack: ${packs.map((known) => known.code).join(', ')}.`,
      );
    }
    await this.#db.execute(
      `INSERT INTO tenancy.tenant (code, name, country_pack, time_zone, locale, currency)
       SELECT $1, $2, code, time_zone, locale, currency FROM country.pack WHERE code = $3 ON CONFLICT (code) DO NOTHING`,
      [code, this.#bundle.sourceName ?? code, pack ?? 'generic'],
    );
    const [row] = await this.#db.query<{ id: number; country_pack: string }>(
      'SELECT id, country_pack FROM tenancy.tenant WHERE code = $1 AND active',
      [code],
    );
    if (!row) {
      throw new OneRosterError(
        'ONEROSTER_TENANT',
        `the tenant ${code} is not active`,
        'Name another tenant with --tenant, or activate this one.',
      );
    }
    if (pack && row.country_pack !== pack) {
      throw new OneRosterError(
        'ONEROSTER_PACK',
        `the tenant ${code} has the country pack ${row.country_pack}, not ${pack}`,
        'Name another tenant with --tenant, or leave --pack out.',
      );
    }
    await enterTenant(this.#db, row.id);
    await this.#db.query("SELECT pg_advisory_xact_lock(hashtext('oneroster.import'), $1)", [row.id]);
    return row.id;
  }

  async #importFile(merger: Merger, tenant: number, name: FileName): Promise<void> {
    const { version } = this.#bundle;
    const spec = fileSpec(version, name)!;
    const { mode, file } = this.#bundle.files.get(name)!;
    const context = { version, lenient: this.#lenient, log: this.#log, known: this.#known };
    const reader = new FileReader(file, spec, mode, context);
    if (this.#refused()) {
      for await (const _ of reader.records()); // the remaining faults are still wanted
      return;
    }
    const extra: ExtraColumn[] =
      name === 'academicSessions' ? [{ column: 'calendar_id', type: 'bigint' }] : [];
    await merger.stage(spec, this.#watched(reader, extra.length), extra);
    if (this.#refused()) return;

    await merger.forgetParents(spec, reader.circular);
    await this.#forgetSubtypes(name, tenant);
    if (name === 'academicSessions') await assignCalendars(this.#db, tenant, Merger.stage(name));
    const counts = await merger.merge(spec, mode, extra);
    for (const [column, items] of reader.attached) {
      if (column.type.kind === 'refs') await merger.mergeLinks(spec, column.type.to, column.type.link, items);
      else if (column.type.kind === 'secret') {
        if (this.#options.keepPasswords) {
          await merger.mergeSecrets(spec, column.type.table, column.type.owner, items);
        } else this.#passwords += items.length;
      }
    }
    counts.read = reader.rows;
    counts.skipped = reader.skipped;
    counts.unchanged = Math.max(
      0,
      reader.rows - reader.skipped - counts.inserted - counts.updated - withdrawnInFile(mode, counts),
    );
    this.#files[name] = { ...counts, mode };
    if (name === 'users' && version === '1.1')
      await this.#mergeUserRoles(merger, tenant, mode, reader.userRoles);
  }

  /** A school that became something else, and a year that became a term, lose the row that only schools and years have. */
  async #forgetSubtypes(name: FileName, tenant: number): Promise<void> {
    const subtype = SUBTYPES[name];
    if (!subtype) return;
    const { table, key, of, column, value } = subtype;
    await this.#db.execute(
      `DELETE FROM ${table} x USING ${Merger.stage(name)} s
       JOIN ${of} o ON o.tenant_id = $1 AND o.sourced_id = s.sourced_id
       WHERE x.tenant_id = $1 AND x.${key} = o.id AND s.${column} <> '${value}'`,
      [tenant],
    );
  }

  async *#watched(reader: FileReader, extraColumns: number): AsyncGenerator<Staged> {
    const { onProgress } = this.#options;
    const padding = new Array<null>(extraColumns).fill(null);
    for await (const row of reader.records()) {
      if (onProgress && reader.rows % 1000 === 0) onProgress(reader.spec.name, reader.rows);
      yield extraColumns > 0 ? { ...row, values: [...row.values, ...padding] } : row;
    }
  }

  /** 1.1 says on the user what 1.2 says in roles.csv. */
  async #mergeUserRoles(
    merger: Merger,
    tenant: number,
    mode: Mode,
    users: readonly UserRole[],
  ): Promise<void> {
    const spec = fileSpec('1.2', 'roles')!;
    await merger.stage(spec, rolesOf(users), [{ column: 'position', type: 'smallint' }]);
    await merger.merge(spec, mode, [{ column: 'position', type: 'smallint' }]);
    if (mode === 'delta') {
      await this.#db.execute(
        `UPDATE people.role_assignment t SET record_status = 'tobedeleted'
         FROM ${Merger.stage('users')} u
         JOIN people.person p ON p.tenant_id = $1 AND p.sourced_id = u.sourced_id
         WHERE t.tenant_id = $1 AND t.person_id = p.id AND t.sourced_id IS NOT NULL
           AND t.record_status = 'active'
           AND NOT EXISTS (SELECT FROM ${Merger.stage('roles')} s WHERE s.sourced_id = t.sourced_id)`,
        [tenant],
      );
    }
  }

  #refused(): boolean {
    return !this.#lenient && this.#log.total > 0;
  }

  #refuseFaults(name: string): void {
    if (!this.#refused()) return;
    const { total } = this.#log;
    throw new OneRosterError(
      'ONEROSTER_FAULTS',
      `${name} has ${total === 1 ? 'one fault' : `${total.toLocaleString('en')} faults`}; nothing was imported`,
      'Repair the bundle, or import what can be with --lenient.',
      { log: this.#log },
    );
  }

  /** Rows that follow from the roster: which organisations are schools, who is a student, who is staff. */
  async #derive(tenant: number): Promise<void> {
    const statements = [
      `INSERT INTO organisation.school (tenant_id, organisation_id)
       SELECT tenant_id, id FROM organisation.organisation WHERE tenant_id = $1 AND type_code = 'school'
       ON CONFLICT DO NOTHING`,
      `INSERT INTO calendar.academic_year (tenant_id, id)
       SELECT tenant_id, id FROM calendar.academic_session WHERE tenant_id = $1 AND kind_code = 'schoolYear'
       ON CONFLICT DO NOTHING`,
      `INSERT INTO people.student (tenant_id, person_id)
       SELECT DISTINCT r.tenant_id, r.person_id FROM people.role_assignment r
       WHERE r.tenant_id = $1 AND r.role_code = 'student' AND r.record_status = 'active'
         AND NOT EXISTS (SELECT FROM people.student s WHERE s.tenant_id = $1 AND s.person_id = r.person_id)`,
      `INSERT INTO people.staff_member (tenant_id, person_id, is_teaching)
       SELECT r.tenant_id, r.person_id, bool_or(r.role_code = 'teacher') FROM people.role_assignment r
       WHERE r.tenant_id = $1 AND r.record_status = 'active'
         AND r.role_code NOT IN ('student', 'guardian', 'parent', 'relative')
         AND NOT EXISTS (SELECT FROM people.staff_member s WHERE s.tenant_id = $1 AND s.person_id = r.person_id)
       GROUP BY r.tenant_id, r.person_id`,
    ];
    for (const statement of statements) await this.#db.execute(statement, [tenant]);
  }
}

const SUBTYPES: Partial<
  Record<FileName, { table: string; key: string; of: string; column: string; value: string }>
> = {
  orgs: {
    table: 'organisation.school',
    key: 'organisation_id',
    of: 'organisation.organisation',
    column: 'type_code',
    value: 'school',
  },
  academicSessions: {
    table: 'calendar.academic_year',
    key: 'id',
    of: 'calendar.academic_session',
    column: 'kind_code',
    value: 'schoolYear',
  },
};

/** In bulk mode withdrawn records are mostly those that the file does not have. */
function withdrawnInFile(mode: Mode, counts: Counts): number {
  return mode === 'delta' ? counts.withdrawn : 0;
}

function* rolesOf(users: readonly UserRole[]): Generator<Staged> {
  for (const { user, role, organisations, status } of users) {
    if (role === null) continue;
    const places: (string | null)[] = organisations.length > 0 ? [...organisations] : [null];
    for (let position = 0; position < places.length; position++) {
      const place = places[position]!;
      const sourcedId = `role-${createHash('md5')
        .update(`${user}\0${place ?? ''}`)
        .digest('hex')}`;
      yield {
        line: 0,
        sourcedId,
        // sourced_id, record_status, source_modified_at, metadata, then the columns of roles.csv, then position
        values: [
          sourcedId,
          status,
          null,
          null,
          user,
          position === 0 ? 'primary' : 'secondary',
          role,
          null,
          null,
          place,
          null,
          String(position),
        ],
      };
    }
  }
}
