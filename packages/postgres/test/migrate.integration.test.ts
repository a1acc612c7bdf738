import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test as base, expect } from 'vitest';
import { migrate } from '../src/index.ts';
import { emptyDatabase } from './server.ts';

const test = base
  .extend('database', async ({}, { onCleanup }) => {
    const database = await emptyDatabase();
    onCleanup(() => database[Symbol.asyncDispose]());
    return database;
  })
  .extend('directory', async ({}, { onCleanup }) => {
    // A path of a kind that breaks patterns and shells.
    const directory = await mkdtemp(join(tmpdir(), 'migrations [x] {a,b} '));
    onCleanup(() => rm(directory, { recursive: true }));
    return directory;
  });

async function write(directory: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

test('files run once, in the order of their numbers, from every sub-folder', async ({
  database,
  directory,
}) => {
  await write(directory, {
    'people/0002_person.sql': 'CREATE TABLE person (id int PRIMARY KEY, tenant int REFERENCES tenant);',
    'core/0001_tenant.sql': 'CREATE TABLE tenant (id int PRIMARY KEY); -- the end',
    '0010_seed.sql': 'INSERT INTO tenant VALUES (1); INSERT INTO person VALUES (7, 1);',
    'README.md': 'not a migration',
  });
  const { url, client } = database;
  expect(await migrate({ url, directory })).toEqual({
    applied: ['core/0001_tenant.sql', 'people/0002_person.sql', '0010_seed.sql'],
    before: 0,
  });
  expect(await migrate({ client, directory })).toEqual({ applied: [], before: 3 });
  expect(await client.query('SELECT id FROM person')).toEqual([{ id: 7 }]);
});

test('an index can be made concurrently by a file that opts out of its transaction', async ({
  database,
  directory,
}) => {
  await write(directory, {
    '1_t.sql': 'CREATE TABLE t (id int);',
    '2_index.sql': '-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY t_id ON t (id);\n',
  });
  await migrate({ url: database.url, directory });
  const { valid } = await database.client.one<{ valid: boolean }>(
    "SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = 't_id'::regclass",
  );
  expect(valid).toBe(true);
});

test('a file that fails is named with its line, leaves nothing, and keeps the files before it', async ({
  database: { url, client },
  directory,
}) => {
  await write(directory, {
    '1_good.sql': 'CREATE TABLE good (id int);',
    '2_bad.sql': 'CREATE TABLE half (id int);\n\nALTER TABLE good ADD COLUMN x nonsense;',
  });
  await expect(migrate({ url, directory })).rejects.toMatchObject({
    code: 'POSTGRES_MIGRATION_FAILED',
    message: '2_bad.sql:3: type "nonsense" does not exist',
  });
  expect(await client.query("SELECT to_regclass('half') AS half, to_regclass('good')::text AS good")).toEqual(
    [{ half: null, good: 'good' }],
  );
  await write(directory, { '2_bad.sql': 'CREATE TABLE half (id int);' });
  expect(await migrate({ url, directory })).toEqual({ applied: ['2_bad.sql'], before: 1 });
});

test('edited, missing and late files are refused, all in one message', async ({
  database: { url },
  directory,
}) => {
  await write(directory, {
    '1_a.sql': 'CREATE TABLE a ();',
    '2_b.sql': 'CREATE TABLE b ();',
    '5_e.sql': 'CREATE TABLE e ();',
  });
  await migrate({ url, directory });
  await write(directory, { '1_a.sql': 'CREATE TABLE a (x int);', '3_late.sql': 'CREATE TABLE c ();' });
  await rm(join(directory, '2_b.sql'));
  const error = await migrate({ url, directory }).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: 'POSTGRES_MIGRATIONS' });
  expect((error as Error).message.split('\n').slice(1)).toEqual([
    '  1_a.sql: edited after it was applied',
    '  2_b.sql: applied to this database, and missing here',
    '  3_late.sql: sorts before 5_e.sql, which was applied already',
  ]);
});

test('other line ends are no edit', async ({ database: { url }, directory }) => {
  await write(directory, { '1_a.sql': 'CREATE TABLE a (\n);\n' });
  await migrate({ url, directory });
  await write(directory, { '1_a.sql': 'CREATE TABLE a (\r\n);\r\n' });
  expect((await migrate({ url, directory })).applied).toEqual([]);
});

test('names without a number, and numbers used twice, are refused before anything runs', async ({
  database: { url, client },
  directory,
}) => {
  await write(directory, {
    '0001_a.sql': 'CREATE TABLE a ();',
    'x/1_b.sql': 'CREATE TABLE b ();',
    'people.sql': 'CREATE TABLE c ();',
  });
  await expect(migrate({ url, directory })).rejects.toMatchObject({
    code: 'POSTGRES_MIGRATIONS',
    message: expect.stringMatching(/people\.sql: .*\n.*(0001_a|1_b)\.sql, .*the number 1/),
  });
  expect(await client.query("SELECT to_regclass('schema_migrations') AS t")).toEqual([{ t: null }]);
});

test('several processes that migrate at once apply each file once', async ({
  database: { url },
  directory,
}) => {
  await write(directory, {
    '1_t.sql': 'CREATE TABLE t (id int);',
    '2_index.sql': '-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY t_id ON t (id);',
  });
  const results = await Promise.all([1, 2, 3, 4].map(() => migrate({ url, directory })));
  expect(results.map(({ applied }) => applied.length).toSorted()).toEqual([0, 0, 0, 2]);
});

test('files that end their transaction are refused before anything runs, all of them at once', async ({
  database: { url, client },
  directory,
}) => {
  await write(directory, {
    '1_t.sql': 'CREATE TABLE t (id int);',
    '2_commit.sql': "-- no; COMMIT;\nSELECT '; ROLLBACK;';\ncommit;\nSELECT 1/0;",
    '3_begin.sql': 'BEGIN;\nSELECT 1;\nCOMMIT;',
    '4_body.sql': 'DO $$ BEGIN PERFORM 1; COMMIT; END $$;',
  });
  await expect(migrate({ url, directory })).rejects.toMatchObject({
    code: 'POSTGRES_MIGRATIONS',
    message: expect.stringMatching(
      /:\n {2}2_commit\.sql:3: COMMIT [^\n]*\n {2}3_begin\.sql:1: BEGIN [^\n]*$/,
    ),
  });
  expect(await client.query("SELECT 1 FROM pg_class WHERE relname = 't'")).toEqual([]);
});

test('who waits too long for another migration says so', async ({ database: { url, client }, directory }) => {
  await write(directory, { '1_t.sql': 'CREATE TABLE t (id int);' });
  await client.connection(async (connection) => {
    await connection.query("SELECT pg_advisory_lock(hashtextextended('stackyard migrate public', 0))");
    await expect(migrate({ url, directory, waitMs: 60 })).rejects.toMatchObject({
      code: 'POSTGRES_MIGRATION_LOCKED',
    });
    await connection.query('SELECT pg_advisory_unlock_all()');
  });
});

test('a migration gives up on a table that is locked, instead of holding up everybody', async ({
  database: { url, client },
  directory,
}) => {
  await write(directory, { '1_t.sql': 'CREATE TABLE t (id int);' });
  await migrate({ url, directory });
  await write(directory, { '2_t.sql': 'ALTER TABLE t ADD COLUMN x int;' });
  await client.tx(async (tx) => {
    await tx.query('SELECT * FROM t');
    await expect(migrate({ url, directory, lockTimeoutMs: 50 })).rejects.toMatchObject({ sqlState: '55P03' });
  });
  expect((await migrate({ url, directory, lockTimeoutMs: 50 })).applied).toEqual(['2_t.sql']);
});

test('what a file sets for its session reaches neither the next file nor the client', async ({
  database: { client },
  directory,
}) => {
  await write(directory, {
    '1_a.sql': "CREATE SCHEMA side; SELECT set_config('search_path', 'side', false); CREATE TABLE a ();",
    '2_b.sql': 'CREATE TABLE b ();',
  });
  await migrate({ client, directory });
  expect(
    await client.query("SELECT to_regclass('side.a')::text AS a, to_regclass('public.b')::text AS b"),
  ).toEqual([{ a: 'side.a', b: 'b' }]);
});
