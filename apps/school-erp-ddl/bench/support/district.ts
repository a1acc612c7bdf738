import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Client, createClient, migrate } from '@stackyard/postgres';
import { report, time } from '@stackyard/testing/bench';
import { from } from 'pg-copy-streams';
import { startPostgres } from 'stackyard/engines/postgres';
import { asTenant } from '../../src/database.ts';
import { bundleFiles } from '../../src/generate/bundle.ts';
import { makeDistrict } from '../../src/generate/district.ts';
import { writeLife } from '../../src/generate/life.ts';
import { fillFrame, fillOperations } from '../../src/generate/operations.ts';
import { bulkLoad } from '../../src/load/bulk-load.ts';
import { type Source, sourcesIn } from '../../src/load/sources.ts';
import { MIGRATIONS } from '../../src/migrations.ts';
import { importBundle } from '../../src/oneroster/import.ts';
import { writeBundle } from '../../src/oneroster/write.ts';

const number = (name: string, otherwise: number) => Number(process.env[`ERP_BENCH_${name}`] ?? otherwise);

/** Small where nothing is said, for CI; 50, 100000 and 220 are the full scale. */
const SCALE = { schools: number('SCHOOLS', 4), students: number('STUDENTS', 2000), days: number('DAYS', 44) };
/** Where the database stays for the next run; a temporary one where absent. The server's user must reach it. */
const KEPT = process.env.ERP_BENCH_DATA;

/**
 * A server of a few cores and gigabytes that has no replica. Commits wait for the disk. The server's own defaults are
 * for a much smaller machine.
 */
const SERVER = {
  shared_buffers: '2GB',
  effective_cache_size: '8GB',
  work_mem: '32MB',
  maintenance_work_mem: '768MB',
  max_wal_size: '16GB',
  checkpoint_timeout: '30min',
  wal_level: 'minimal',
  max_wal_senders: '0',
  random_page_cost: '1.1',
  jit: 'off',
  max_connections: '100',
};

/** The school year begins; its days are counted from there. */
export const YEAR_START = '2026-08-03';
/** A school day in the midst of a full month, with rolls of every day before it. */
export const LAST_DAY = schoolDay(SCALE.days);

export interface District extends AsyncDisposable {
  readonly client: Client;
  readonly tenant: number;
}

/** The district of the scale, in a database with a second tenant: made, loaded and measured, or found from before. */
export async function openDistrict(): Promise<District> {
  if (KEPT) await mkdir(KEPT, { recursive: true });
  const stack = new AsyncDisposableStack();
  const server = stack.use(
    await startPostgres({
      durability: 'full',
      password: 'bench',
      settings: SERVER,
      ...(KEPT && { dataDirectory: join(KEPT, 'postgres') }),
    }),
  );
  const client = stack.use(createClient({ url: server.url, connections: 60 }));
  const marker = KEPT && join(KEPT, 'district.json');
  const before = marker && (await readFile(marker, 'utf8').catch(() => undefined));
  if (before === undefined) await make(client);
  else if (before !== JSON.stringify(SCALE)) throw new Error(`${KEPT} holds another scale: ${before}`);
  if (marker) await writeFile(marker, JSON.stringify(SCALE));
  const { tenant } = await client.one<{ tenant: number }>("SELECT tenancy.tenant_number('bench') AS tenant");
  return { client, tenant, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function make(client: Client): Promise<void> {
  const folder = await mkdtemp(join(KEPT ?? tmpdir(), 'erp-bench-'));
  try {
    report({
      name: 'all migrations from empty',
      value: await time(() => migrate({ client, directory: MIGRATIONS })),
      unit: 'ms',
      target: { value: 5000 },
    });
    const tenant = await roster(client, 'bench', SCALE.schools, SCALE.students, folder);
    const year = { from: YEAR_START, to: LAST_DAY, yearStart: YEAR_START, lessons: 5, exams: 14 };
    const frame = await time(() => asTenant(client, tenant, (tx) => fillFrame(tx, year)));
    report({ name: 'placements, timetable, exams, fee structures', value: frame, unit: 'ms' });
    await client.execute('VACUUM ANALYZE');
    const files = join(folder, 'life');
    await mkdir(files);
    const made = await time(() => writeLife(client, { ...year, tenant, folder: files }));
    report({ name: 'a year of school life, written as files', value: made, unit: 'ms' });
    const sources = await sourcesIn(files);
    const bare = await copyBare(client, sources, tenant, 1);
    const both = await copyBare(client, sources, tenant, 2);
    let rows = 0;
    await client.execute('CHECKPOINT');
    const loaded = await time(async () => {
      const done = await bulkLoad(client, { tenant: 'bench', sources });
      rows = Object.values(done.rows).reduce((a, b) => a + b, 0);
      for (const [table, count] of Object.entries(done.rows))
        console.log(`  ${table.padEnd(40)} ${count.toLocaleString('en').padStart(12)}`);
    });
    const figure = { name: `load of ${rows.toLocaleString('en')} rows`, value: loaded, unit: 'ms' } as const;
    report({
      ...figure,
      baseline: { name: 'bare COPY', value: bare },
      // Reading the catalog takes half a second, which counts only where there is little to load.
      ...(rows > 5_000_000 && { target: { ratio: 2 } }),
    });
    report({ ...figure, baseline: { name: 'two COPY at once', value: both } });
    const other = await roster(client, 'neighbour', 2, 600, folder);
    await asTenant(client, other, (tx) =>
      fillOperations(tx, { ...year, from: schoolDay(SCALE.days - 10), lessons: 1, exams: 1 }),
    );
    await client.execute('VACUUM ANALYZE');
    await client.execute('CHECKPOINT');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function roster(
  client: Client,
  code: string,
  schools: number,
  students: number,
  folder: string,
): Promise<number> {
  const path = join(folder, `${code}-roster`);
  await writeBundle(path, bundleFiles(makeDistrict({ schools, students, seed: 1 }), { version: '1.2' }));
  const taken = await time(() => importBundle(client, { path, tenant: code }));
  report({ name: `roster of ${students.toLocaleString('en')} students`, value: taken, unit: 'ms' });
  await rm(path, { recursive: true });
  return (await client.one<{ tenant: number }>('SELECT tenancy.tenant_number($1) AS tenant', [code])).tenant;
}

/**
 * The same files through COPY into tables without any key, index or rule, one after the other on each connection. Like
 * the load, it begins with nothing left to write from before.
 */
async function copyBare(
  client: Client,
  sources: readonly Source[],
  tenant: number,
  connections: number,
): Promise<number> {
  await client.execute('CREATE SCHEMA bare');
  const target = (table: string) => `bare.${table.replace('.', '_')}`;
  for (const table of new Set(sources.map((source) => source.table))) {
    await client.execute(`CREATE TABLE ${target(table)} (LIKE ${table} INCLUDING DEFAULTS)`);
    await client.execute(`ALTER TABLE ${target(table)} ALTER tenant_id SET DEFAULT ${tenant}`);
  }
  await client.execute('CHECKPOINT');
  const queue = sources.toSorted((a, b) => b.bytes - a.bytes);
  const work = () =>
    client.connection(async (connection) => {
      for (let source = queue.shift(); source; source = queue.shift()) {
        const { table, columns, open } = source;
        const copy = `COPY ${target(table)} (${columns.join(', ')}) FROM STDIN (FORMAT text, HEADER true)`;
        await pipeline(open(), connection.query(from(copy)));
      }
    });
  const taken = await time(() => Promise.all(Array.from({ length: connections }, work)));
  await client.execute('DROP SCHEMA bare CASCADE');
  return taken;
}

/** The day so many school days after the year began. */
function schoolDay(days: number): string {
  const weeks = Math.floor((days - 1) / 5);
  return new Date(Date.parse(YEAR_START) + (weeks * 7 + ((days - 1) % 5)) * 86_400_000)
    .toISOString()
    .slice(0, 10);
}
