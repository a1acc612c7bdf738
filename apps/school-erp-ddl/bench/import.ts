/**
 * How long an import of some 30,000 enrolments takes (unzip, check, stage, merge), against a bare COPY of the rows
 * that it leaves behind: into the same tables with their keys, and, harder, into tables without any.
 *
 *   ./pnpmw bench import
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, migrate } from '@stackyard/postgres';
import { report } from '@stackyard/testing/bench';
import { startPostgres } from 'stackyard/engines/postgres';
import { bundleFiles } from '../src/generate/bundle.ts';
import { makeDistrict } from '../src/generate/district.ts';
import { MIGRATIONS } from '../src/migrations.ts';
import { importBundle } from '../src/oneroster/import.ts';
import { writeBundle } from '../src/oneroster/write.ts';

const ROUNDS = 3;
const TABLES = [
  'organisation.organisation',
  'calendar.academic_calendar',
  'calendar.academic_session',
  'academics.course',
  'people.person',
  'people.role_assignment',
  'people.demographic',
  'academics.section',
  'academics.section_session',
  'enrolment.section_enrolment',
];

const folder = await mkdtemp(join(tmpdir(), 'erp-bench-'));
await using server = await startPostgres({});
await using client = createClient({ url: server.url });
try {
  const path = join(folder, 'bundle.zip');
  const district = makeDistrict({ schools: 15, students: 4200, seed: 1, guardians: false });
  await writeBundle(path, bundleFiles(district, { version: '1.2' }));
  await migrate({ client, directory: MIGRATIONS });

  const imports: number[] = [];
  const copies: number[] = [];
  const loose: number[] = [];
  let rows = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    const report = await importBundle(client, { path, tenant: `bench-${round}` });
    imports.push(performance.now() - started);
    rows = report.files.enrollments!.inserted;
    const loads = await rowsOf(client, `bench-${round}`, `copy-${round}`);
    copies.push(await copyAll(client, loads, false));
    loose.push(await copyAll(client, loads, true));
  }
  const figure = {
    name: `import of ${rows.toLocaleString('en')} enrolments`,
    value: Math.min(...imports),
    unit: 'ms',
  };
  report({
    ...figure,
    baseline: { name: 'COPY with keys', value: Math.min(...copies) },
    target: { value: 4000, ratio: 3 },
  });
  report({ ...figure, baseline: { name: 'COPY without any key', value: Math.min(...loose) } });
} finally {
  await rm(folder, { recursive: true, force: true });
}

interface Load {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The rows of a tenant, ready to be copied as those of another. */
async function rowsOf(db: Client, from: string, to: string): Promise<Load[]> {
  await db.execute('INSERT INTO tenancy.tenant (code, name) VALUES ($1, $1)', [to]);
  const { source, target } = await db.one<{ source: number; target: number }>(
    'SELECT tenancy.tenant_number($1) AS source, tenancy.tenant_number($2) AS target',
    [from, to],
  );
  const loads: Load[] = [];
  for (const table of TABLES) {
    const columns = (
      await db.query<{ name: string }>(
        `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
           AND NOT attisdropped AND attgenerated = '' AND attname <> 'tenant_id'`,
        [table],
      )
    ).map((row) => row.name);
    const values = columns.map((column) => `${column}::text`).join(', ');
    const found = await db.query<Record<string, string>>(
      `SELECT ${values} FROM ${table} WHERE tenant_id = $1 ORDER BY ${columns[0]}`,
      [source],
    );
    loads.push({
      table,
      columns: ['tenant_id', ...columns],
      rows: found.map((row) => [String(target), ...Object.values(row)]),
    });
  }
  return loads;
}

/** Copies the rows with COPY alone, and returns how long that took. */
async function copyAll(db: Client, loads: readonly Load[], withoutKeys: boolean): Promise<number> {
  return db.tx(async (tx) => {
    const names = new Map(loads.map(({ table }) => [table, table]));
    if (withoutKeys) {
      for (const { table } of loads) {
        const plain = `public.plain_${table.replace('.', '_')}`;
        await tx.execute(`DROP TABLE IF EXISTS ${plain}`);
        await tx.execute(`CREATE TABLE ${plain} (LIKE ${table})`);
        names.set(table, plain);
      }
    }
    const started = performance.now();
    await tx.execute('SET CONSTRAINTS ALL DEFERRED');
    for (const { table, columns, rows } of loads) await tx.copyInto(names.get(table)!, columns, rows);
    return performance.now() - started;
  });
}
