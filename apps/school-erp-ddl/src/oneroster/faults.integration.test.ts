import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { edit, folder, generated } from '../../test/bundles.ts';
import { useDatabase } from '../../test/database.ts';
import { bundleFiles } from '../generate/bundle.ts';
import { makeDistrict } from '../generate/district.ts';
import { OneRosterError } from './fault.ts';
import { importBundle } from './import.ts';
import { writeBundle } from './write.ts';

const db = useDatabase();

async function refused(path: string): Promise<OneRosterError> {
  const error = await importBundle(db.client, { path, tenant: 'strict' }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OneRosterError);
  expect(await db.client.query("SELECT FROM tenancy.tenant WHERE code = 'strict'")).toEqual([]);
  return error as OneRosterError;
}

type Damage = readonly [
  name: string,
  file: string,
  change: (text: string) => string,
  fault: object,
  /** Records that a lenient import has to leave out. */
  skipped: number,
];

const line = (n: number, change: (text: string) => string) => (text: string) =>
  text
    .split('\r\n')
    .map((row, i) => (i === n - 1 ? change(row) : row))
    .join('\r\n');
const field = (n: number, at: number, value: string) =>
  line(n, (row) => row.split(',').with(at, value).join(','));

const damages: readonly Damage[] = [
  [
    'a missing column',
    'orgs.csv',
    (text) => text.replace('name,type,identifier', 'name,identifier'),
    { file: 'orgs.csv', line: 1, column: 'type', code: 'COLUMN_MISSING' },
    0,
  ],
  [
    'columns in another order',
    'orgs.csv',
    (text) => text.replace('name,type', 'type,name'),
    { file: 'orgs.csv', line: 1, code: 'COLUMN_ORDER' },
    0,
  ],
  [
    'a column that the standard does not have',
    'orgs.csv',
    (text) => text.replace('parentSourcedId', 'parentSourcedId,colour'),
    { file: 'orgs.csv', line: 1, column: 'colour', code: 'COLUMN_UNKNOWN' },
    0,
  ],
  [
    'a dangling reference',
    'enrollments.csv',
    field(5, 3, 'nowhere'),
    { file: 'enrollments.csv', line: 5, column: 'classSourcedId', code: 'DANGLING_REFERENCE' },
    1,
  ],
  [
    'a dangling reference inside a file',
    'orgs.csv',
    field(3, 6, 'nowhere'),
    { file: 'orgs.csv', line: 3, column: 'parentSourcedId', code: 'DANGLING_REFERENCE' },
    0,
  ],
  [
    'a circle of parents',
    'orgs.csv',
    field(2, 6, 'org-0002'),
    { file: 'orgs.csv', line: 2, column: 'parentSourcedId', code: 'CIRCULAR_REFERENCE' },
    0,
  ],
  [
    'a record that is its own parent',
    'academicSessions.csv',
    field(3, 7, 'ses-1-1'),
    { file: 'academicSessions.csv', line: 3, column: 'parentSourcedId', code: 'CIRCULAR_REFERENCE' },
    0,
  ],
  [
    'a name that no index holds',
    'users.csv',
    field(2, 6, '学'.repeat(5000)),
    { file: 'users.csv', line: 2, column: 'givenName', code: 'VALUE_FORMAT' },
    0,
  ],
  [
    'a dangling reference in a list',
    'classes.csv',
    (text) => text.replace('ses-1-1,ses-1-2', 'ses-1-1,ses-7'),
    { file: 'classes.csv', line: 2, column: 'termSourcedIds', code: 'DANGLING_REFERENCE' },
    0,
  ],
  [
    'a duplicate id',
    'users.csv',
    (text) => `${text}${text.split('\r\n')[1]}\r\n`,
    { file: 'users.csv', column: 'sourcedId', code: 'DUPLICATE_ID' },
    1,
  ],
  [
    'a day that is not in the calendar',
    'demographics.csv',
    field(2, 3, '2019-02-30'),
    { file: 'demographics.csv', line: 2, column: 'birthDate', code: 'VALUE_FORMAT' },
    0,
  ],
  [
    'a session that ends before it starts',
    'academicSessions.csv',
    field(8, 6, '2020-01-01'),
    { file: 'academicSessions.csv', line: 8, column: 'endDate', code: 'DATE_ORDER' },
    1,
  ],
  [
    'a school year written as two years',
    'academicSessions.csv',
    field(2, 8, '2026-2027'),
    { file: 'academicSessions.csv', line: 2, column: 'schoolYear', code: 'VALUE_FORMAT' },
    0,
  ],
  [
    'a status in a bulk file',
    'orgs.csv',
    field(2, 1, 'active'),
    { file: 'orgs.csv', line: 2, column: 'status', code: 'VALUE_FORBIDDEN' },
    0,
  ],
  [
    'a word outside its list',
    'roles.csv',
    field(2, 4, 'main'),
    { file: 'roles.csv', line: 2, column: 'roleType', code: 'VALUE_FORMAT' },
    0,
  ],
  [
    'a required value that is blank',
    'enrollments.csv',
    field(2, 6, ''),
    { file: 'enrollments.csv', line: 2, column: 'role', code: 'VALUE_REQUIRED' },
    1,
  ],
  [
    'a record with too few fields',
    'orgs.csv',
    line(3, (row) => row.slice(0, row.lastIndexOf(','))),
    { file: 'orgs.csv', line: 3, code: 'FIELD_COUNT' },
    0,
  ],
  [
    'a quote that is never closed',
    'orgs.csv',
    (text) => text.replace(/,org-0001\r\n$/, ',"org-0001\r\n'),
    { file: 'orgs.csv', line: 4, code: 'CSV_SYNTAX' },
    0,
  ],
  [
    'a name in capitals in the manifest',
    'manifest.csv',
    (text) => text.replace('file.orgs,bulk', 'file.Orgs,bulk'),
    { file: 'manifest.csv', column: 'propertyName', code: 'MANIFEST' },
    0,
  ],
];

describe.each(damages)('%s', (_, file, change, fault, skipped) => {
  test('is named by a strict import, which changes nothing', async () => {
    const path = await generated('1.2');
    await edit(path, file, change);
    const { log, code, hint } = await refused(path);
    expect(code).toBe('ONEROSTER_FAULTS');
    expect(hint).toContain('--lenient');
    expect(log!.faults).toContainEqual(expect.objectContaining(fault));
  });

  test('is forgiven by a lenient import, which loads the rest', async () => {
    const path = await generated('1.2');
    await edit(path, file, change);
    const report = await importBundle(db.client, { path, tenant: 'lenient', lenient: true, dryRun: true });
    const { line: firstLine, ...summary } = fault as { line?: number };
    expect(report.forgiven).toContainEqual(
      expect.objectContaining({ ...summary, ...(firstLine && { firstLine }) }),
    );
    const lost = Object.values(report.files).reduce((sum, counts) => sum + counts.skipped, 0);
    expect(lost).toBe(skipped);
    expect(report.files.enrollments?.inserted).toBeGreaterThan(300);
  });
});

test('a strict import lists every fault of every file at once', async () => {
  const path = await generated('1.2');
  await edit(path, 'orgs.csv', field(2, 4, 'castle'));
  await edit(path, 'demographics.csv', field(3, 3, 'yesterday'));
  await edit(path, 'enrollments.csv', field(4, 5, 'nobody'));
  const { log } = await refused(path);
  expect(log!.faults.map((fault) => `${fault.file}:${fault.line} ${fault.column}`)).toEqual([
    'orgs.csv:2 type',
    'demographics.csv:3 birthDate',
    'enrollments.csv:4 userSourcedId',
  ]);
});

test('a missing column is one fault, not one more for every record', async () => {
  const path = await generated('1.2');
  await edit(path, 'orgs.csv', (text) => text.replace(',type,', ',metadata.type,'));
  const { log } = await refused(path);
  const codes = log!.faults.map((fault) => `${fault.line} ${fault.code}`);
  expect(codes).toEqual(['1 COLUMN_MISSING', '1 COLUMN_ORDER']);
});

test('what refers to a faulty record is not listed as a fault of its own', async () => {
  const path = await generated('1.2');
  await edit(path, 'academicSessions.csv', field(2, 5, '2026-02-30'));
  const { log, message } = await refused(path);
  expect(log!.faults).toEqual([expect.objectContaining({ file: 'academicSessions.csv', line: 2 })]);
  expect(message).toContain('has one fault;');
});

test('a line number counts the lines inside quoted fields', async () => {
  const path = await generated('1.2');
  await edit(path, 'orgs.csv', (text) => field(4, 4, 'castle')(text).replace('1000', '"10\r\n00"'));
  const { log } = await refused(path);
  expect(log!.faults).toEqual([expect.objectContaining({ file: 'orgs.csv', line: 5, column: 'type' })]);
});

test('a password never stands in a message', async () => {
  const path = await generated('1.2');
  await edit(path, 'users.csv', (text) => field(2, 16, 'hunter2')(field(2, 3, 'perhaps')(text)));
  const { log, message } = await refused(path);
  expect(JSON.stringify([message, log])).not.toContain('hunter2');
});

test('text that is not UTF-8 is named with its place', async () => {
  const path = await generated('1.2');
  const bytes = await readFile(join(path, 'orgs.csv'));
  bytes[bytes.lastIndexOf('School')] = 0xff;
  await writeFile(join(path, 'orgs.csv'), bytes);
  const { log } = await refused(path);
  expect(log!.faults).toEqual([
    expect.objectContaining({ file: 'orgs.csv', line: 4, column: 'name', code: 'ENCODING' }),
  ]);
});

test('a record that breaks off is one fault, whatever its missing fields would have been', async () => {
  const path = await generated('1.2');
  await edit(
    path,
    'users.csv',
    line(3, (row) => row.split(',').slice(0, 3).join(',')),
  );
  const { log } = await refused(path);
  expect(log!.faults).toEqual([expect.objectContaining({ file: 'users.csv', line: 3, code: 'FIELD_COUNT' })]);
});

test('a record with a NUL that is faulty in another way as well is named with its place', async () => {
  const path = await generated('1.2');
  await edit(path, 'orgs.csv', (text) => `${text}\0odd`);
  const { log } = await refused(path);
  expect(log!.faults.map((fault) => fault.code)).toEqual(expect.arrayContaining(['ENCODING', 'FIELD_COUNT']));
});

test.each(['manifest.csv', 'orgs.csv'])('a %s that never ends a record is refused early', async (file) => {
  const path = await generated('1.2');
  await edit(path, file, (text) => `${text}${'0'.repeat(3 * 1024 * 1024)}`);
  const { code, message } = await refused(path);
  expect(code).toBe('ONEROSTER_TOO_LARGE');
  expect(message).toMatch(new RegExp(`^${file}:\\d+: `));
});

test('a NUL or half a character in a header or a value stops no lenient import', async () => {
  const path = await generated('1.2');
  await edit(path, 'orgs.csv', (text) => text.replace('parentSourcedId', 'parentSourcedId,col\0our'));
  await edit(path, 'users.csv', field(2, 3, `${'x'.repeat(56)}😀 and more`));
  const report = await importBundle(db.client, { path, tenant: 'nul', lenient: true });
  expect(report.forgiven.map((fault) => fault.column)).toContain('col\uFFFDour');
});

test('names in another case, a common folder and files of other kinds are forgiven', async () => {
  const path = join(await folder(), 'nested.zip');
  const files = bundleFiles(makeDistrict({ schools: 1, students: 10, seed: 1 }), { version: '1.1' });
  await writeBundle(path, [
    ...files.map((file) => ({
      ...file,
      name: `export/${file.name === 'orgs.csv' ? 'Orgs.CSV' : file.name}`,
    })),
    { name: 'export/readme.txt', lines: () => ['hello'] },
  ]);
  const report = await importBundle(db.client, { path, tenant: 'nested', lenient: true });
  expect(report.files.orgs?.inserted).toBe(2);
  expect(report.forgiven.map((fault) => fault.file)).toContain('export/readme.txt');
});

test('what stands beside the folder of the files is no reason to miss them', async () => {
  const path = join(await folder(), 'mac.zip');
  const files = bundleFiles(makeDistrict({ schools: 1, students: 10, seed: 1 }), { version: '1.2' });
  await writeBundle(path, [
    ...files.map((file) => ({ ...file, name: `export/${file.name}` })),
    ...['__MACOSX/export/._orgs.csv', '.DS_Store'].map((name) => ({ name, lines: () => ['x'] })),
  ]);
  const report = await importBundle(db.client, { path, tenant: 'mac', lenient: true });
  expect(report.files.orgs?.inserted).toBe(2);
});

test('a package without a manifest has every fault of its files listed', async () => {
  const path = await generated('1.2');
  await rm(join(path, 'manifest.csv'));
  await edit(path, 'orgs.csv', field(2, 4, 'castle'));
  const { log } = await refused(path);
  expect(log!.faults.map((fault) => `${fault.file}:${fault.line} ${fault.code}`)).toEqual([
    'manifest.csv:0 FILE_MISSING',
    'orgs.csv:2 VALUE_FORMAT',
  ]);
});

test('a folder that holds nothing of OneRoster is refused in both modes', async () => {
  const path = await folder();
  await writeFile(join(path, 'letter.txt'), 'Dear all');
  expect(await refused(path)).toMatchObject({ code: 'ONEROSTER_VERSION' });
  await expect(importBundle(db.client, { path, tenant: 'strict', lenient: true })).rejects.toThrow('no file');
});

test('a path that is not there says so', async () => {
  expect(await refused(join(await folder(), 'nothing.zip'))).toMatchObject({
    code: 'ONEROSTER_PACKAGE_UNREADABLE',
  });
});
