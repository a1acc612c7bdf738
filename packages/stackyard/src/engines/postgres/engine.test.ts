import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { EngineContext, Launch } from '../../engine.ts';
import { postgresEngine } from './engine.ts';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

/** Data as the first start leaves them, copied for every test that begins with the second. */
let made: Stack;
beforeAll(async () => {
  made = await freshStack();
  await made.prepare();
});
afterAll(() => rm(made.root, { recursive: true }));

interface Stack {
  readonly root: string;
  readonly mount: string;
  readonly notices: string[];
  prepare(change?: Partial<EngineContext>, environment?: Record<string, string>): Promise<Launch>;
  query(text: string, database?: string): Promise<unknown[]>;
}

/** A checkout with one PostgreSQL service that was started before. */
async function stack(): Promise<Stack> {
  const fresh = await newStack();
  await mkdir(join(fresh.mount, '..'));
  await promisify(execFile)('cp', ['-a', made.mount, fresh.mount]);
  return fresh;
}

/** A checkout with one PostgreSQL service, without data. */
async function newStack(mode?: number): Promise<Stack> {
  const fresh = await freshStack(mode);
  releases.push(() => rm(fresh.root, { recursive: true, force: true }));
  return fresh;
}

/** In a folder that every user can enter, unless `mode` says otherwise. */
async function freshStack(mode = 0o755): Promise<Stack> {
  const root = await mkdtemp(join(tmpdir(), 'stackyard engine '));
  await chmod(root, mode);
  const mount = join(root, 'data', 'postgres');
  const stateDirectory = join(root, 'state');
  await mkdir(stateDirectory);
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  const notices: string[] = [];
  const environment = { POSTGRES_PASSWORD: 'p@ss word', POSTGRES_DB: 'warehouse' };
  return {
    root,
    mount,
    notices,
    prepare: (change, variables) =>
      postgresEngine.prepare({
        serviceName: 'postgres',
        service: { image: 'postgres:17' },
        options: {},
        root,
        environment: { ...environment, ...variables },
        hostVariables: {},
        mount: (target) => (target === '/var/lib/postgresql/data' ? mount : undefined),
        address: () => ({ host: '127.0.0.1', port }),
        stateDirectory,
        progress: (message) => notices.push(message),
        signal: new AbortController().signal,
        ...change,
      }),
    async query(text, database = 'warehouse') {
      const client = new pg.Client({
        host: '127.0.0.1',
        port,
        user: 'postgres',
        password: 'p@ss word',
        database,
      });
      await client.connect();
      try {
        return (await client.query(text)).rows;
      } finally {
        await client.end();
      }
    },
  };
}

/** Runs a launch as a supervisor would, until it is ready. */
async function run(launch: Launch) {
  const child = spawn(launch.command, launch.args, {
    cwd: launch.cwd,
    env: launch.environment,
    stdio: 'ignore',
    ...(launch.user ?? {}),
  });
  const exited = once(child, 'exit');
  const stop = async (signal: NodeJS.Signals = launch.stopSignal) => {
    child.kill(signal);
    await exited;
  };
  releases.push(() => stop());
  for (;;) {
    try {
      await launch.ready(AbortSignal.timeout(5000));
      return { pid: child.pid as number, stop };
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null) throw error;
      await sleep(5);
    }
  }
}

test('the first start makes the database that the Compose environment names, and keeps it', async () => {
  const { prepare, query, mount } = await newStack();
  const first = await run(await prepare());
  await query("CREATE TABLE kept AS SELECT 'Ä' AS letter");
  await first.stop();
  await run(await prepare());
  expect(await query("SELECT letter, current_setting('data_checksums') AS checksums FROM kept")).toEqual([
    { letter: 'Ä', checksums: 'on' },
  ]);
  expect(await readdir(join(mount, '..'))).toEqual(['postgres']);
});

test('the launch says what runs, and has no secret in its arguments or environment', async () => {
  const { prepare } = await stack();
  const launch = await prepare();
  expect(launch.source).toMatch(/^PostgreSQL 17\.\d+ \(embedded\)$/);
  expect(JSON.stringify([launch.args, launch.environment])).not.toContain('p@ss');
});

test('scripts of the image run once, in the order of their names', async () => {
  const { prepare, query, root, mount } = await newStack();
  const scripts = join(root, 'initdb.d');
  await mkdir(scripts);
  await writeFile(join(scripts, '2.sql'), "INSERT INTO seen VALUES ('second');");
  await writeFile(join(scripts, '1.sql'), 'CREATE TABLE seen (what text); SELECT 1;');
  const mounts: Record<string, string> = {
    '/var/lib/postgresql/data': mount,
    '/docker-entrypoint-initdb.d': scripts,
  };
  const change = { mount: (target: string) => mounts[target] };
  const first = await run(await prepare(change));
  await first.stop();
  await run(await prepare(change));
  expect(await query('SELECT what FROM seen')).toEqual([{ what: 'second' }]);
});

test('another database name creates that database beside the first', async () => {
  const { prepare, query } = await stack();
  await run(await prepare({}, { POSTGRES_DB: 'second' }));
  expect(await query('SELECT 1 AS one', 'second')).toEqual([{ one: 1 }]);
  expect(await query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('parameters of the command and of x-embedded reach the server', async () => {
  const { prepare, query } = await stack();
  const service = { image: 'postgres:17', command: ['postgres', '-c', 'max_connections=33'] };
  await run(await prepare({ service, options: { settings: { work_mem: '5MB' } } }));
  expect(
    await query("SELECT current_setting('max_connections') AS a, current_setting('work_mem') AS b"),
  ).toEqual([{ a: '33', b: '5MB' }]);
});

test('another password is refused, with three ways out and without either password', async () => {
  const { prepare } = await stack();
  const refusal = await prepare({}, { POSTGRES_PASSWORD: 'changed' }).catch((error: unknown) => error);
  expect(refusal).toMatchObject({
    code: 'ENGINE_DATA_CREDENTIALS',
    hint: expect.stringMatching(/restore.*migrate.*reset/s),
  });
  expect(`${refusal} ${JSON.stringify(refusal)}`).not.toMatch(/p@ss|changed/);
});

test('data that are damaged, of another major version or of the container image are refused', async () => {
  const { prepare, mount } = await stack();
  await writeFile(join(mount, 'PG_VERSION'), '16\n');
  await expect(prepare()).rejects.toMatchObject({ code: 'ENGINE_DATA_MAJOR' });
  await writeFile(join(mount, 'PG_VERSION'), '\0\x7f');
  await expect(prepare()).rejects.toMatchObject({
    code: 'ENGINE_DATA_DAMAGED',
    message: expect.stringMatching(/PG_VERSION names no version/),
  });
  await writeFile(join(mount, 'PG_VERSION'), '17\n');
  await writeFile(join(mount, 'stackyard.json'), '{"engine":"postgres"}');
  await expect(prepare()).rejects.toMatchObject({ code: 'ENGINE_DATA_STAMP' });
  await rm(join(mount, 'stackyard.json'));
  await expect(prepare()).rejects.toMatchObject({ code: 'ENGINE_DATA_FOREIGN' });
});

test('a folder with other files in it is left alone', async () => {
  const { prepare, mount } = await newStack();
  await mkdir(mount, { recursive: true });
  await writeFile(join(mount, 'thesis.txt'), 'precious');
  await expect(prepare()).rejects.toMatchObject({ code: 'ENGINE_DATA_FOREIGN' });
  expect(await readFile(join(mount, 'thesis.txt'), 'utf8')).toBe('precious');
});

test('everything wrong with the environment or the service is listed at once', async () => {
  const { prepare } = await newStack();
  const environment = { POSTGRES_PASSWORD: '', POSTGRES_HOST_AUTH_METHOD: 'peer' };
  await expect(prepare({}, environment)).rejects.toMatchObject({
    code: 'ENGINE_ENVIRONMENT',
    message: expect.stringMatching(/POSTGRES_HOST_AUTH_METHOD.*POSTGRES_PASSWORD is not set/s),
  });
  const service = { image: 'postgres:16', command: ['bash'] };
  await expect(prepare({ service })).rejects.toMatchObject({
    code: 'ENGINE_SERVICE',
    message: expect.stringMatching(/PostgreSQL 16.*bash/s),
  });
});

test('an interruption during the first start leaves nothing half-made', async () => {
  const { prepare, mount } = await newStack();
  const stop = new AbortController();
  const preparing = prepare({ signal: stop.signal });
  preparing.catch(() => {});
  const parent = join(mount, '..');
  while (!(await readdir(parent).catch(() => [])).some((name) => name.includes('.init-'))) await sleep(5);
  stop.abort();
  await expect(preparing).rejects.toThrow(/abort/i);
  expect(await readdir(parent)).toEqual([]);
  await run(await prepare());
});

test('after a SIGKILL of the server, the next start recovers what was committed', async () => {
  const { prepare, query } = await stack();
  const first = await run(await prepare());
  await query('CREATE TABLE kept AS SELECT 42 AS answer');
  await first.stop('SIGKILL');
  await run(await prepare());
  expect(await query('SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
});

test('a server that still recovers is not asked, for each question would be a line of its log', async () => {
  const { prepare, mount } = await stack();
  const { ready } = await prepare();
  const lines = ['1', mount, '0', '5432', '', '127.0.0.1', '', 'starting'];
  await writeFile(join(mount, 'postmaster.pid'), lines.join('\n'));
  await expect(ready(AbortSignal.timeout(5000))).rejects.toThrow('PostgreSQL is starting');
});

test("a lock file that names somebody else's process is cleared, and that process lives on", async () => {
  const { prepare, query, mount } = await stack();
  const first = await run(await prepare());
  const lock = await readFile(join(mount, 'postmaster.pid'), 'utf8');
  await first.stop();
  const { user } = await prepare();
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore', ...(user ?? {}) });
  releases.push(async () => bystander.kill('SIGKILL'));
  await once(bystander, 'spawn');
  await writeFile(join(mount, 'postmaster.pid'), lock.replace(/^\d+/, String(bystander.pid)));
  await run(await prepare());
  expect(await query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
});

test('a server that somebody runs on the same data is named, not signalled', async () => {
  const { prepare, query } = await stack();
  const { pid } = await run(await prepare());
  await expect(prepare()).rejects.toMatchObject({
    code: 'ENGINE_DATA_IN_USE',
    message: expect.stringContaining(String(pid)),
  });
  expect(await query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('a server whose supervisor died is stopped, and nothing is lost', async () => {
  const { prepare, query, notices } = await stack();
  const launch = await prepare();
  // A shell starts the server in the background and ends, so that the server has no parent left.
  const shell = spawn('/bin/sh', ['-c', '"$@" >/dev/null 2>&1 & ', 'sh', launch.command, ...launch.args], {
    cwd: launch.cwd,
    env: launch.environment,
    stdio: 'ignore',
    ...(launch.user ?? {}),
  });
  await once(shell, 'exit');
  while (
    await launch.ready(AbortSignal.timeout(5000)).then(
      () => false,
      () => true,
    )
  )
    await sleep(5);
  await query('CREATE TABLE kept AS SELECT 42 AS answer');
  await run(await prepare());
  expect(notices.at(-1)).toMatch(/left behind/);
  expect(await query('SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
});

test('a checkout that only its owner can enter works, with a link at the mount where data had to go elsewhere', async () => {
  const { prepare, query, mount } = await newStack(0o700);
  const launch = await prepare();
  releases.push(async () => launch.user && rm(launch.cwd, { recursive: true, force: true }));
  const first = await run(launch);
  await query('CREATE TABLE kept AS SELECT 42 AS answer');
  await first.stop();
  await run(await prepare());
  expect(await query('SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  const isLink = (await lstat(mount)).isSymbolicLink();
  expect(isLink).toBe(launch.user !== undefined);
  expect(launch.note ?? '').toContain(isLink ? await readlink(mount) : '');
});
