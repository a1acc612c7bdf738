import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, expect } from 'vitest';
import { type Client, createClient } from '../src/index.ts';
import { testDatabases } from '../src/testing/index.ts';
import { serverUrl } from './server.ts';

const test = base.extend('url', serverUrl).extend('migrations', async ({}, { onCleanup }) => {
  const directory = await mkdtemp(join(tmpdir(), 'migrations '));
  onCleanup(() => rm(directory, { recursive: true }));
  await writeFile(
    join(directory, '1_t.sql'),
    `CREATE TABLE t (id int); -- ${randomBytes(8).toString('hex')}`,
  );
  return directory;
});

test('each database has the schema and the seed, and none sees what another holds', async ({
  url,
  migrations,
}) => {
  const seed = {
    version: '1',
    run: async (client: Client) => void (await client.execute('INSERT INTO t VALUES (1)')),
  };
  await using databases = testDatabases({ url, migrations, seed });
  await using first = await databases.open();
  await using second = await databases.open();
  await first.client.execute('INSERT INTO t VALUES (2)');
  expect(await first.client.query('SELECT id FROM t ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
  expect(await second.client.query('SELECT id FROM t')).toEqual([{ id: 1 }]);
});

test('the template is built once, however many ask at the same time', async ({ url, migrations }) => {
  let builds = 0;
  const seed = {
    version: '1',
    run: async () => {
      builds += 1;
    },
  };
  await Promise.all(
    [1, 2, 3].map(async () => {
      await using databases = testDatabases({ url, migrations, seed });
      await using _database = await databases.open();
    }),
  );
  expect(builds).toBe(1);
});

test('another migration makes another template', async ({ url, migrations }) => {
  {
    await using databases = testDatabases({ url, migrations });
    await using _database = await databases.open();
  }
  await writeFile(join(migrations, '2_u.sql'), 'CREATE TABLE u (id int);');
  await using databases = testDatabases({ url, migrations });
  await using database = await databases.open();
  expect(await database.client.query('SELECT * FROM u')).toEqual([]);
});

test('a template whose building fails leaves nothing, and the error reaches the test', async ({
  url,
  migrations,
}) => {
  const seed = {
    version: randomBytes(4).toString('hex'),
    run: () => Promise.reject(new Error('no seed today')),
  };
  await using databases = testDatabases({ url, migrations, seed });
  await expect(databases.open()).rejects.toThrow('no seed today');
  await using client = createClient({ url });
  const left = () => client.query("SELECT datname FROM pg_database WHERE datname LIKE 'tpl%build%'");
  await expect.poll(left).toEqual([]);
});

test('none is made that nobody takes, where none are wanted ahead', async ({ url, migrations }) => {
  await using databases = testDatabases({ url, migrations, ahead: 0 });
  await using client = createClient({ url });
  for (const taken of [1, 2]) {
    const { name } = await databases.open();
    const own = `${name.slice(0, name.lastIndexOf('_'))}_`;
    const there = await client.query('SELECT FROM pg_database WHERE starts_with(datname, $1)', [own]);
    expect(there.length).toBe(taken);
  }
});

test('all databases are gone when the supply is closed', async ({ url, migrations }) => {
  const databases = testDatabases({ url, migrations });
  const { name } = await databases.open();
  await databases.open();
  await databases.close();
  await using client = createClient({ url });
  const family = name.slice(0, name.lastIndexOf('_'));
  expect(
    await client.query('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [family]),
  ).toEqual([]);
});

test('what a killed process left is gone after the next use, and what a living one has is not', async ({
  url,
  migrations,
}) => {
  const module = new URL('../src/testing/index.ts', import.meta.url).href;
  const named = new URL(url);
  named.searchParams.set('application_name', 'ci');
  const script = `
    const { testDatabases } = await import(${JSON.stringify(module)});
    const databases = testDatabases(${JSON.stringify({ url: named, migrations })});
    console.log((await databases.open()).name);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [printed] = (await once(child.stdout, 'data')) as [Buffer];
  const name = String(printed).trim();
  const family = name.replace(/\d+$/, '');
  await using client = createClient({ url });
  const left = () => client.query('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [family]);
  const useOnce = async () => {
    await using databases = testDatabases({ url, migrations });
    await databases.open();
  };
  await useOnce();
  expect(await left()).toContainEqual({ datname: name });
  child.kill('SIGKILL');
  await once(child, 'exit');
  // The server learns of the end by itself.
  await expect
    .poll(async () => {
      await useOnce();
      return left();
    })
    .toEqual([]);
});
