import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@stackyard/postgres';
import type { Command } from 'commander';
import { type Client, enterTenant } from '../database.ts';
import { bundleFiles } from '../generate/bundle.ts';
import { makeDistrict } from '../generate/district.ts';
import { fillOperations } from '../generate/operations.ts';
import { MIGRATIONS } from '../migrations.ts';
import { importPackage } from '../oneroster/import.ts';
import { openPackage } from '../oneroster/package.ts';
import { writeBundle } from '../oneroster/write.ts';
import { databaseUrl, withClient } from './environment.ts';
import { print, table, useJson } from './output.ts';

const DEMO_TENANT = 'demo';
/** Small enough to load in a second, large enough to look like a district. */
const DEMO = { schools: 2, students: 80, seed: 1 };
const DEMO_DAYS = { from: '2026-11-09', to: '2026-11-13', yearStart: '2026-08-03' };

interface SetupReport {
  readonly applied: readonly string[];
  readonly loaded: boolean;
  readonly rows: Readonly<Record<string, number>>;
}

export function addSetupCommands(program: Command): void {
  program
    .command('migrate')
    .description('apply the migrations that the database does not have yet')
    .option('--json', 'print the result as JSON')
    .action(async (flags: { json?: boolean }) => {
      useJson(flags.json);
      const done = await withClient(async (client) => {
        const migrated = await migrate({ client, directory: MIGRATIONS });
        await ensureMonths(client);
        return migrated;
      });
      print(done, () => `${done.applied.length} migrations applied, ${done.before} before.`);
    });

  program
    .command('setup')
    .description('migrate, and load a small made-up district with some weeks of school life once')
    .option('--json', 'print the result as JSON')
    .action(async (flags: { json?: boolean }) => {
      useJson(flags.json);
      const report = await withClient(setUp);
      print(report, () => setupText(report, databaseUrl()));
    });
}

/** Brings a database to the newest schema, with the months to come, and gives it demo data where it has none. */
export async function setUp(client: Client): Promise<SetupReport> {
  const { applied } = await migrate({ client, directory: MIGRATIONS });
  await ensureMonths(client);
  const tenants = await client.query('SELECT FROM tenancy.tenant WHERE code = $1', [DEMO_TENANT]);
  if (tenants.length === 0) await loadDemo(client);
  return { applied, loaded: tenants.length === 0, rows: await rowCounts(client) };
}

/** Makes the monthly partitions up to a year from now. */
async function ensureMonths(client: Client): Promise<void> {
  const parents = await client.query<{ name: string }>(
    `SELECT partrelid::regclass::text AS name FROM pg_partitioned_table
     WHERE to_regclass(partrelid::regclass || to_char(now() + interval '1 year', '_YYYY_MM')) IS NULL`,
  );
  await client.tx(async (tx) => {
    await tx.execute('SET LOCAL ROLE erp_owner');
    for (const { name } of parents) {
      await tx.execute(
        `CALL tenancy.ensure_months('${name}', current_date, (current_date + interval '1 year')::date)`,
      );
    }
  });
}

/**
 * Removes the demo tenant and loads it again; other tenants are not touched. Where there are none, numbers begin at 1
 * again, and with them the demo is the same as before: chance goes by numbers. Returns how many rows went.
 */
export async function resetDemo(client: Client): Promise<number> {
  const removed = await client.tx(async (tx) => {
    const [tenant] = await tx.query<{ id: number }>('SELECT id FROM tenancy.tenant WHERE code = $1', [
      DEMO_TENANT,
    ]);
    if (!tenant) return 0;
    const tables = await tx.query<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
       WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^(pg_|information_schema$|public$)'`,
    );
    // Final rows refuse to go and keys refuse to be left alone; this tenant goes as a whole, so neither is asked.
    await tx.execute("SET LOCAL session_replication_role = 'replica'");
    let rows = 0;
    for (const { name } of tables)
      rows += await tx.execute(`DELETE FROM ${name} WHERE tenant_id = $1`, [tenant.id]);
    await tx.execute('DELETE FROM tenancy.tenant WHERE id = $1', [tenant.id]);
    if ((await tx.query('SELECT FROM tenancy.tenant LIMIT 1')).length === 0) {
      await tx.query(
        `SELECT setval(c.oid::regclass, 1, false) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'S' AND n.nspname !~ '^(pg_|information_schema$|public$)'`,
      );
    }
    return rows;
  });
  await loadDemo(client);
  return removed;
}

/** All of it or nothing: a start that is interrupted here loads it the next time. */
async function loadDemo(client: Client): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'erp-demo-'));
  try {
    const path = join(folder, 'demo-district');
    await writeBundle(
      path,
      bundleFiles(makeDistrict(DEMO), { version: '1.2', lineItems: 1, seed: DEMO.seed }),
    );
    await using pack = await openPackage(path);
    await client.tx(async (tx) => {
      await importPackage(tx, pack, { path, tenant: DEMO_TENANT });
      const { id } = await tx.one<{ id: number }>('SELECT tenancy.tenant_number($1) AS id', [DEMO_TENANT]);
      await enterTenant(tx, id);
      await fillOperations(tx, DEMO_DAYS);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const COUNTED = [
  'tenancy.tenant',
  'organisation.organisation',
  'people.person',
  'people.student',
  'people.guardianship',
  'academics.course',
  'academics.section',
  'enrolment.section_enrolment',
  'attendance.daily_mark',
  'timetable.slot',
  'assessment.mark',
  'fees.invoice',
  'fees.journal_line',
];

async function rowCounts(client: Client): Promise<Record<string, number>> {
  const counts = COUNTED.map((name) => `(SELECT count(*)::integer FROM ${name}) AS "${name}"`);
  return client.one<Record<string, number>>(`SELECT ${counts.join(', ')}`);
}

function setupText(report: SetupReport, url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return [
    report.applied.length > 0 ? `Applied ${report.applied.length} migrations.` : 'The schema is up to date.',
    ...(report.loaded ? ['Loaded a made-up district into the tenant demo.'] : []),
    '',
    table(['table', 'rows'], Object.entries(report.rows)),
    '',
    `Connect:   psql ${shown.href}`,
    "As the app: BEGIN; SET LOCAL ROLE erp_app; SELECT tenancy.enter(tenancy.tenant_number('demo'));",
    'Your own roster: stackyard exec school-erp-ddl -- erp import <bundle.zip> --tenant <code>',
  ].join('\n');
}
