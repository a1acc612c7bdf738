import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from '@stackyard/healthchecks';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EngineContext, Launch } from '../../engine.ts';
import { pgvector } from './index.ts';

let root: string;
const running: ChildProcess[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pgvector engine-'));
});
afterEach(async () => {
  for (const child of running.splice(0)) await end(child, 'SIGKILL');
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function context(data: string, environment: Record<string, string> = {}): Promise<EngineContext> {
  const port = await freePort();
  return {
    serviceName: 'postgres',
    service: {},
    options: {},
    root,
    environment: { POSTGRES_PASSWORD: 'secret', POSTGRES_DB: 'app', ...environment },
    hostVariables: { PATH: process.env.PATH! },
    mount: () => join(root, data),
    address: () => ({ host: '127.0.0.1', port }),
    stateDirectory: root,
    progress: () => {},
    signal: new AbortController().signal,
  } as EngineContext;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function start(launch: Launch): { child: ChildProcess; errors: () => string } {
  // It starts often here and computes little.
  const args = ['--liftoff-only', ...launch.args];
  const child = spawn(launch.command, args, { cwd: launch.cwd, env: launch.environment });
  running.push(child);
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  return { child, errors: () => errors };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

async function client(launch: Launch, { address }: EngineContext): Promise<pg.Client> {
  await waitUntil((signal) => launch.ready(signal), { timeoutMs: 30_000 });
  const { POSTGRES_USER: user, POSTGRES_PASSWORD: password, POSTGRES_DB: database } = launch.environment;
  const opened = new pg.Client({ ...address(5432), user: user!, password: password!, database: database! });
  opened.on('error', () => {});
  await opened.connect();
  return opened;
}

describe('the engine pgvector', () => {
  test('keeps what was committed when its process is killed, and forgets what was not', {
    timeout: 120_000,
  }, async () => {
    // What a first start leaves that was cut off.
    await mkdir(join(root, 'crash.part', 'base'), { recursive: true });
    await writeFile(join(root, 'crash.part', 'PG_VERSION'), '18\n');
    const where = await context('crash', { POSTGRES_USER: 'someone' });
    const launch = await pgvector.prepare(where);
    expect(launch.source).toMatch(/^PGlite 0\.5\.14, PostgreSQL 18 with pgvector/);
    expect([launch.command, ...launch.args].join(' ')).not.toContain('secret');
    const first = start(launch);
    const one = await client(launch, where);
    await one.query('CREATE EXTENSION vector; CREATE EXTENSION btree_gin; CREATE TABLE kept (n int)');
    await one.query('INSERT INTO kept SELECT generate_series(1, 1000)');
    await one.query('BEGIN; INSERT INTO kept VALUES (-1)');
    const second = start({ ...launch, environment: { ...launch.environment, PGVECTOR_PORT: '0' } });
    await once(second.child, 'exit');
    expect(second.errors()).toContain('already serves');
    await end(first.child, 'SIGKILL');

    const again = start(await pgvector.prepare(where));
    const two = await client(launch, where);
    const { rows } = await two.query('SELECT count(*)::int AS n, current_user AS who FROM kept');
    expect(rows).toEqual([{ n: 1000, who: 'someone' }]);
    await two.end();
    await end(again.child, 'SIGTERM');
    expect(again.child.exitCode).toBe(0);
    expect((await readdir(root)).filter((name) => name.includes('lock'))).toEqual([]);
  });

  test('refuses the data of another engine, and of another database, with the ways out', async () => {
    await mkdir(join(root, 'foreign'), { recursive: true });
    await writeFile(join(root, 'foreign', 'PG_VERSION'), '17\n');
    const foreign = await context('foreign');
    await expect(pgvector.prepare(foreign)).rejects.toMatchObject({
      code: 'ENGINE_DATA_MISMATCH',
      message: expect.stringContaining('engine is postgres, not pgvector; postgres is 17, not 18'),
      hint: expect.stringContaining('stackyard reset'),
    });
  });

  test('needs a place for its data', async () => {
    const where = { ...(await context('none')), mount: () => undefined };
    await expect(pgvector.prepare(where)).rejects.toMatchObject({ code: 'ENGINE_NO_DATA_MOUNT' });
  });
});
