import { copyFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createClient } from '@stackyard/postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { checkCatalog } from '../src/check/catalog.ts';
import { setUp } from '../src/cli/setup.ts';
import { bulkLoad } from '../src/load/bulk-load.ts';
import { describeSchema, findParts } from '../src/load/parts.ts';
import { keepJournal, recover } from '../src/load/recovery.ts';
import { sourcesIn } from '../src/load/sources.ts';
import { unload } from '../src/load/unload.ts';
import { folder } from './bundles.ts';
import { useDatabase } from './database.ts';

const db = useDatabase();
const TABLES = [
  'attendance.daily_mark',
  'attendance.roll',
  'assessment.mark',
  'fees.invoice',
  'fees.invoice_line',
  'fees.payment',
  'fees.allocation',
  'fees.journal_entry',
  'fees.journal_line',
];
const DERIVED = 'attendance.month_count';
let tenant: number;
let schema: string[];
let files: string;
let contents: string[];

beforeAll(async () => {
  await setUp(db.client);
  // Nothing else refers to rows that the tests take away.
  await db.client.execute('DELETE FROM fees.reminder; DELETE FROM fees.bank_statement_line');
  ({ tenant } = await db.client.one<{ tenant: number }>("SELECT tenancy.tenant_number('demo') AS tenant"));
  schema = await describeSchema(db.client);
  contents = await rows();
  files = await mkdtemp(join(tmpdir(), 'erp load '));
  for (const table of TABLES) await unload(db.client, table, tenant, files);
  // Whole months may go straight into their partition.
  await rename(join(files, 'attendance.daily_mark.tsv'), join(files, 'attendance.daily_mark_2026_11.tsv'));
}, 60_000);

beforeEach(() => empty());
afterAll(() => rm(files, { recursive: true }));

/** Every row of the tables, as text, in a fixed order; but for the transaction, which is the load's own. */
async function rows(): Promise<string[]> {
  const found: string[] = [];
  for (const table of [...TABLES, DERIVED]) {
    const lines = await db.client.query<{ line: string }>(
      `SELECT ((to_jsonb(t) - 'posted_in')::text) AS line FROM ${table} t ORDER BY 1`,
    );
    found.push(...lines.map(({ line }) => `${table} ${line}`));
  }
  return found;
}

const empty = () =>
  db.client.tx(async (tx) => {
    await tx.execute("SET LOCAL session_replication_role = 'replica'");
    for (const table of [...TABLES, DERIVED]) await tx.execute(`DELETE FROM ${table}`);
    await tx.execute('DELETE FROM fees.number_series');
  });

const load = async (path = files) => bulkLoad(db.client, { tenant: 'demo', sources: await sourcesIn(path) });

/** The files of one schema, or of every, one of them changed. */
async function changed(
  name: string,
  change: (lines: string[]) => string[],
  beside = name.slice(0, name.indexOf('.') + 1),
): Promise<string> {
  const path = await folder();
  for (const file of await readdir(files)) {
    if (file.startsWith(beside)) await copyFile(join(files, file), join(path, file));
  }
  const text = await readFile(join(path, name), 'utf8');
  await writeFile(join(path, name), `${change(text.trimEnd().split('\n')).join('\n')}\n`);
  return path;
}

test('a load leaves the rows, sums and catalog that the app would have left, and the app goes on from there', async () => {
  const report = await load();
  expect(report.rows['attendance.daily_mark_2026_11']).toBeGreaterThan(300);
  expect(await rows()).toEqual(contents);
  expect(await describeSchema(db.client)).toEqual(schema);
  const [payment] = await db.asTenant(tenant, (tx) =>
    tx.query<{ receipt_number: string; before: string }>(
      `SELECT p.receipt_number, (SELECT max(receipt_number) FROM fees.payment) AS before
       FROM (SELECT person_id FROM fees.invoice LIMIT 1) i, daily.take_payment(i.person_id, 'cash', 1) p`,
    ),
  );
  expect(Number(payment!.receipt_number)).toBe(Number(payment!.before) + 1);
});

async function november(): Promise<string[]> {
  return (await readFile(join(files, 'attendance.daily_mark_2026_11.tsv'), 'utf8')).trimEnd().split('\n');
}

test('rows of several months find their partitions through the table, and pieces add up', async () => {
  const path = await folder();
  const [header, ...lines] = await november();
  const half = lines.length >> 1;
  const december = lines.slice(0, half).map((line) => line.replace('2026-11-', '2026-12-'));
  await writeFile(join(path, 'attendance.daily_mark.1.tsv'), `${[header, ...december].join('\n')}\n`);
  await writeFile(join(path, 'attendance.daily_mark.2.tsv'), `${[header, ...lines].join('\n')}\n`);
  const report = await load(path);
  expect(report.rows).toEqual({ 'attendance.daily_mark': half + lines.length });
  expect(await db.client.one('SELECT count(*)::integer AS n FROM attendance.daily_mark_2026_12')).toEqual({
    n: half,
  });
  const counted = 'SELECT sum(present + late + absent + excused)::integer AS n FROM attendance.month_count';
  expect(await db.client.one(counted)).toEqual({ n: half + lines.length });
  expect(await describeSchema(db.client)).toEqual(schema);
});

test('a file of the whole and one of a month add up', async () => {
  const path = await folder();
  const [header, ...lines] = await november();
  const half = lines.length >> 1;
  await writeFile(
    join(path, 'attendance.daily_mark.tsv'),
    `${[header, ...lines.slice(0, half)].join('\n')}\n`,
  );
  await writeFile(
    join(path, 'attendance.daily_mark_2026_11.tsv'),
    `${[header, ...lines.slice(half)].join('\n')}\n`,
  );
  await load(path);
  expect(await db.client.one('SELECT count(*)::integer AS n FROM attendance.daily_mark')).toEqual({
    n: lines.length,
  });
});

const cell = (column: number, value: string) => (lines: string[]) =>
  lines.map((line, i) => (i === 1 ? line.split('\t').with(column, value).join('\t') : line));
const twice = (lines: string[]) => [...lines, lines[1]!];
const halfToo = (lines: string[]) => [...lines, lines[1]!.split('\t').with(2, 'AM').join('\t')];
const reversal = (lines: string[]) =>
  lines.with(2, lines[2]!.split('\t').with(6, lines[1]!.split('\t')[0]!).join('\t'));
const without = (lines: string[]) => lines.toSpliced(1, 1);

test.each([
  ['a mark of nobody', 'attendance.daily_mark_2026_11.tsv', cell(0, '99999999'), /daily_mark_person_fkey/],
  ['a code that does not exist', 'attendance.daily_mark_2026_11.tsv', cell(4, 'ZZ'), /daily_mark_code_fkey/],
  ['two marks a session', 'attendance.daily_mark_2026_11.tsv', twice, /daily_mark_2026_11_pkey/],
  [
    'a day of another month',
    'attendance.daily_mark_2026_11.tsv',
    cell(1, '2026-12-01'),
    /partition constraint/,
  ],
  ['a value that is none', 'attendance.daily_mark_2026_11.tsv', cell(1, 'x'), /date: "x"[\s\S]*line 2/],
  [
    'a day and a half of it',
    'attendance.daily_mark_2026_11.tsv',
    halfToo,
    /mark of the whole day and one of a half/,
  ],
  ['a score above the paper', 'assessment.mark.tsv', cell(3, '101'), /mark_(bounds|once)_check/],
  ['an entry out of balance', 'fees.journal_line.tsv', cell(5, '1.00'), /posting \d+ has 2 lines/],
  ['a reversal of something else', 'fees.journal_entry.tsv', reversal, /does not undo what it reverses/],
  ['an entry of one line', 'fees.journal_line.tsv', without, /posting \d+ has 1 lines/],
  // Found last, when all else is in its place: here with the tables of every schema.
  ['a gap in the receipts', 'fees.payment.tsv', cell(5, '99999'), /numbers of tenant/, ''],
  ['a total that is not the sum', 'fees.invoice_line.tsv', without, /invoice \d+: total/],
  ['a payment that covers more than it is', 'fees.allocation.tsv', cell(3, '7.00'), /(payment|invoice) /],
] as [string, string, (lines: string[]) => string[], RegExp, string?][])(
  '%s is refused, and nothing of the load stays',
  async (_, file, change, message, beside) => {
    const path = await changed(file, change, beside);
    await expect(load(path)).rejects.toMatchObject({
      code: 'LOAD_REFUSED',
      message: expect.stringMatching(message),
    });
    expect(await rows()).toEqual([]);
    expect(await describeSchema(db.client)).toEqual(schema);
  },
);

test('lines on an account that only sums others are refused', async () => {
  const postable = (yes: boolean) =>
    db.asTenant(tenant, (tx) =>
      tx.execute('UPDATE fees.account SET is_postable = $1 WHERE code = $2', [yes, '4000']),
    );
  await postable(false);
  await expect(load()).rejects.toMatchObject({
    code: 'LOAD_REFUSED',
    message: expect.stringMatching(/account 4000/),
  });
  await postable(true);
});

test('files that cannot be meant are refused before anything is touched, all at once', async () => {
  const path = await folder();
  await writeFile(join(path, 'fees.invoices.csv'), 'id\n');
  await writeFile(join(path, 'fees.invoice.csv'), 'id,tenant_id,colour\n');
  await writeFile(join(path, `${DERIVED}.csv`), 'person_id,month,organisation_id\n');
  await expect(load(path)).rejects.toMatchObject({
    code: 'LOAD_SOURCE',
    message: [
      'attendance.month_count.csv: attendance.month_count is written by triggers alone',
      'fees.invoice.csv: tenant_id is for --tenant to say',
      'fees.invoice.csv: fees.invoice has no column colour',
      'fees.invoices.csv: there is no table fees.invoices of a tenant',
    ].join('\n'),
  });
  await writeFile(join(path, 'invoice.csv'), 'id\n');
  await writeFile(join(path, 'fees.payment.csv'), '1,2; DROP TABLE x\n');
  await expect(load(path)).rejects.toMatchObject({
    code: 'LOAD_SOURCE',
    message: expect.stringMatching(/fees\.payment\.csv: the first line[\s\S]*\ninvoice\.csv: the name/),
  });
});

test('a load that breaks off for another reason leaves nothing either, and does not blame the files', async () => {
  const [first, ...others] = await sourcesIn(files);
  const open = () => Readable.from([]).destroy(new Error('the disk is gone'));
  await expect(
    bulkLoad(db.client, { tenant: 'demo', sources: [{ ...first!, open }, ...others] }),
  ).rejects.toMatchObject({
    code: 'LOAD_REFUSED',
    message: 'the disk is gone',
    hint: expect.stringMatching(/empty again; load once more/),
  });
  expect(await rows()).toEqual([]);
  expect(await describeSchema(db.client)).toEqual(schema);
});

test('tables with rows are refused, and keep them', async () => {
  await load();
  await expect(load()).rejects.toMatchObject({ code: 'LOAD_NOT_EMPTY' });
  expect(await rows()).toEqual(contents);
});

test('a table with a trigger that has no set form is refused', async () => {
  const path = await folder();
  await writeFile(join(path, 'inventory.stock_move.csv'), 'item_id\n');
  await expect(load(path)).rejects.toMatchObject({
    code: 'LOAD_TRIGGER',
    message: expect.stringContaining('stock_move_sum'),
  });
});

test('a load that died half-way is undone from its note, and keeps others out until then', async () => {
  const parts = await findParts(db.client, [...TABLES, DERIVED], tenant);
  await keepJournal(db.client, { tables: [...TABLES, DERIVED], parts, before: schema });
  await db.client.execute(
    `INSERT INTO attendance.daily_mark (tenant_id, person_id, day, organisation_id, code) VALUES (99, 99, '2026-11-02', 99, '?')`,
  );
  await db.client.execute(parts.find((part) => part.kind === 'index')!.putBack);
  const key = parts.find((part) => part.name === 'mark_person_fkey')!.pieces[0]!;
  await db.client.execute(key.statements[0]!);
  await expect(load()).rejects.toMatchObject({ code: 'LOAD_RUNNING' });
  expect((await checkCatalog(db.client)).map((finding) => finding.rule)).toContain('interrupted-load');
  expect(await recover(db.client)).toEqual([...TABLES, DERIVED]);
  expect(await rows()).toEqual([]);
  expect(await describeSchema(db.client)).toEqual(schema);
  expect(await recover(db.client)).toEqual([]);
});

test('a role that row-level security binds cannot load', async () => {
  const role = `load_${process.pid}`;
  await db.client.execute(`CREATE ROLE ${role} LOGIN PASSWORD '${role}' IN ROLE erp_migrator`);
  const url = new URL(db.url);
  url.username = role;
  url.password = role;
  try {
    await using client = createClient({ url: url.href });
    await expect(bulkLoad(client, { tenant: 'demo', sources: await sourcesIn(files) })).rejects.toMatchObject(
      {
        code: 'LOAD_ROLE',
      },
    );
  } finally {
    await db.client.execute(`DROP ROLE ${role}`);
  }
});
