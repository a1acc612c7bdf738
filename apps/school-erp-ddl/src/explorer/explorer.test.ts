import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '@stackyard/postgres';
import { postgresUrl } from '@stackyard/testing';
import { expect, onTestFinished, test } from 'vitest';
import { folder } from '../../test/bundles.ts';
import { useDatabase } from '../../test/database.ts';
import { setUp } from '../cli/setup.ts';
import { MIGRATIONS } from '../migrations.ts';
import { Reapply } from './reapply.ts';

const db = useDatabase();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

test('the explorer answers with schema, counts, diagrams and sample queries, and ends on SIGTERM', async () => {
  await setUp(db.client);
  const port = await freePort();
  const child = spawn(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url))], {
    env: { PATH: process.env.PATH, DATABASE_URL: db.url, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).json();

  expect(await get('/readyz')).toMatchObject({ status: 'ready' });
  const domains = (await get('/api/schema')) as { name: string; tables: unknown[] }[];
  expect(domains.find((domain) => domain.name === 'fees')!.tables.length).toBeGreaterThan(25);
  const counts = (await get('/api/counts')) as { name: string; rows: number }[];
  expect(counts.map((count) => count.name)).toContain('attendance.daily_mark');
  const svg = await (await fetch(`http://127.0.0.1:${port}/diagrams/audit.svg`)).text();
  expect(svg).toContain('data-table="audit.entry"');
  const samples = (await get('/api/samples?tenant=demo')) as { name: string }[];
  expect(samples.length).toBeGreaterThan(15);
  for (const { name } of samples) {
    const result = (await get(`/api/run?tenant=demo&sample=${name}`)) as { plan?: string; error?: string };
    expect({ name, plan: result.plan }).toEqual({ name, plan: expect.stringContaining('Execution Time') });
  }
  expect(await get('/api/run?tenant=demo&sample=drop')).toEqual({ error: 'there is no such sample' });

  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
}, 60_000);

test('a draft migration is applied again after an edit, and a committed one is not', async () => {
  // A repository of its own with the first migrations, because drafts are what git does not hold.
  const repository = await folder();
  const directory = join(repository, 'migrations');
  cpSync(join(MIGRATIONS, 'tenancy'), join(directory, 'tenancy'), { recursive: true });
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
      cwd: repository,
    });
  git('init', '-q');
  git('add', '.');
  git('commit', '-qm', 'first');

  const server = await postgresUrl();
  const name = `erp_reapply_${process.pid}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  const admin = createClient({ url: server });
  onTestFinished(async () => {
    for (const suffix of ['', '_before_drafts', '_replaced', '_outdated']) {
      await admin.execute(`DROP DATABASE IF EXISTS ${name}${suffix} WITH (FORCE)`);
    }
    await admin.close();
  });
  await admin.execute(`CREATE DATABASE ${name}`);
  const { migrate } = await import('@stackyard/postgres');
  await migrate({ url: url.href, directory });
  const reapply = new Reapply(url.href, directory);
  const released: string[] = [];
  const update = () => reapply.update(async () => void released.push('released'));
  const columns = async () => {
    await using client = createClient({ url: url.href });
    const rows = await client.query<{ name: string }>(
      "SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass('tenancy.draft') AND attnum > 0",
    );
    return rows.map((row) => row.name);
  };

  expect(await update()).toEqual({ kind: 'nothing' });
  const draft = join(directory, '9000_draft.sql');
  writeFileSync(draft, 'CREATE TABLE tenancy.draft (one integer);');
  expect(await update()).toEqual({ kind: 'applied', files: ['9000_draft.sql'] });
  expect(await columns()).toEqual(['one']);

  writeFileSync(draft, 'CREATE TABLE tenancy.draft (one integer, two integer);');
  const started = performance.now();
  expect(await update()).toEqual({ kind: 'reapplied', files: ['9000_draft.sql'], kept: `${name}_replaced` });
  expect(await columns()).toEqual(['one', 'two']);
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(released).toHaveLength(2);

  rmSync(draft);
  expect(await update()).toMatchObject({ kind: 'reapplied', files: [] });
  expect(await columns()).toEqual([]);

  writeFileSync(join(directory, 'tenancy/0002_tenants.sql'), 'SELECT 1;');
  await expect(update()).rejects.toThrow('edited after it was applied');
}, 60_000);
