import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@stackyard/postgres';
import type { Command } from 'commander';
import type { Client } from '../database.ts';
import { bundleFiles } from '../generate/bundle.ts';
import { makeDistrict } from '../generate/district.ts';
import { MIGRATIONS } from '../migrations.ts';
import { importBundle } from '../oneroster/import.ts';
import { writeBundle } from '../oneroster/write.ts';
import { databaseUrl, withClient } from './environment.ts';
import { print, table, useJson } from './output.ts';

const DEMO_TENANT = 'demo';
/** Small enough to load in a second or two, large enough to look like a district. */
const DEMO = { schools: 3, students: 900, seed: 1 };

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
      const done = await migrate({ url: databaseUrl(), directory: MIGRATIONS });
      print(done, () => `${done.applied.length} migrations applied, ${done.before} before.`);
    });

  program
    .command('setup')
    .description('migrate, and load a small made-up district once')
    .option('--json', 'print the result as JSON')
    .action(async (flags: { json?: boolean }) => {
      useJson(flags.json);
      const report = await withClient(setUp);
      print(report, () => setupText(report, databaseUrl()));
    });
}

/** Brings a database to the newest schema and gives it demo data where it has no tenant at all. */
export async function setUp(client: Client): Promise<SetupReport> {
  const { applied } = await migrate({ client, directory: MIGRATIONS });
  const tenants = await client.query('SELECT FROM tenancy.tenant WHERE code = $1', [DEMO_TENANT]);
  if (tenants.length === 0) await loadDemo(client);
  return { applied, loaded: tenants.length === 0, rows: await rowCounts(client) };
}

async function loadDemo(client: Client): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'erp-demo-'));
  try {
    const path = join(folder, 'demo-district');
    await writeBundle(
      path,
      bundleFiles(makeDistrict(DEMO), { version: '1.2', lineItems: 2, seed: DEMO.seed }),
    );
    await importBundle(client, { path, tenant: DEMO_TENANT });
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
  'assessment.result',
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
