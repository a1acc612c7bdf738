import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openBackup } from '../src/backup/open-backup.ts';
import { identify, isAlive, signalGroup } from '../src/processes.ts';
import { readState, writeJson } from '../src/state.ts';
import { ContractWorkspace, eventually, freePorts } from './contract/workspace.ts';

const query = async (url: string, text: string): Promise<unknown[]> => {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};

/** A checkout with a PostgreSQL and a service of another kind that stores files. */
async function shop(volumes = ['./data/shop/postgres:/var/lib/postgresql/data']) {
  const [port, store] = await freePorts(2);
  const workspace = new ContractWorkspace('embedded', {
    shop: {
      services: { store: { port: store! } },
      others: {
        postgres: {
          image: 'postgres:17',
          environment: { POSTGRES_PASSWORD: `\${SHOP_PASSWORD:-secret}`, POSTGRES_DB: 'shop' },
          ports: [`127.0.0.1:${port}:5432`],
          volumes,
          healthcheck: { test: ['CMD', 'pg_isready'], interval: '1s', timeout: '3s', retries: 60 },
          'x-embedded': { engine: 'postgres' },
        },
      },
    },
  });
  chmodSync(workspace.root, 0o755); // as root, the server runs as a user who has to enter it
  return { workspace, url: `postgresql://postgres:secret@127.0.0.1:${port}/shop` };
}

const listed = ({ root }: ContractWorkspace, folder: string) =>
  existsSync(path.join(root, folder)) ? readdirSync(path.join(root, folder)).sort() : [];

const folders = (workspace: ContractWorkspace) => listed(workspace, 'data/shop');

test('a backup of a stack that works comes back whole, and what it replaces is kept', async () => {
  const { workspace, url } = await shop();
  await using _ = workspace;
  workspace.write('data/shop/store/deep/file', 'precious');
  expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
  await query(url, 'CREATE TABLE orders AS SELECT generate_series(1, 1000) AS number');
  // Somebody writes all the time.
  const writer = new pg.Client(url);
  await writer.connect();
  let written = 0;
  let writing = true;
  const busy = (async () => {
    await writer.query('CREATE TABLE noise (n int)');
    for (; writing; written += 1) await writer.query('INSERT INTO noise SELECT generate_series(1, 100)');
  })();
  const taken = await workspace.run(['backup', 'shop', '--json', '--output', 'saved']);
  const sofar = written;
  writing = false;
  await busy;
  await writer.end();
  expect(taken).toMatchObject({ code: 0 });
  expect(sofar).toBeGreaterThan(0);
  const { services } = JSON.parse(taken.stdout);
  const [store, postgres] = services.toSorted((a: { method: string }) => (a.method === 'online' ? 1 : -1));
  expect(postgres).toMatchObject({
    service: 'postgres',
    method: 'online',
    major: '17',
    as: 'engine postgres',
  });
  expect(postgres.rows['shop.public.orders']).toBe(1000);
  expect(postgres.rows['shop.public.noise'] % 100).toBe(0);
  expect(store).toMatchObject({ service: 'store', method: 'paused' });
  expect(statSync(path.join(workspace.root, 'saved')).mode & 0o777).toBe(0o700);
  // The stack goes on, the paused service too.
  const state = readState(path.join(workspace.root, '.stackyard/run/shop'))!;
  expect(Object.values(state.services).map(({ process }) => process && isAlive(process))).toEqual([
    true,
    true,
  ]);
  expect((await fetch(`http://127.0.0.1:${state.services.store!.ports![0]!.host}/health`)).status).toBe(200);

  await query(url, 'DELETE FROM orders');
  expect((await workspace.run(['restore', 'saved'])).stderr).toContain('STACKYARD_RESTORE_UP');
  await workspace.run(['down', 'shop']);
  workspace.write('data/shop/store/deep/file', 'changed');
  const restored = await workspace.run(['restore', 'saved']);
  expect(restored).toMatchObject({ code: 0, stderr: '' });
  expect(workspace.read('data/shop/store/deep/file')).toBe('precious');
  expect(folders(workspace)).toEqual(['postgres', 'store']);
  expect(workspace.leftovers()).toEqual([]);
  await workspace.run(['up', 'shop']);
  expect(await query(url, 'SELECT count(*)::int AS orders FROM orders')).toEqual([{ orders: 1000 }]);
  expect(await query(url, 'SELECT count(*)::int AS n FROM noise')).toEqual([
    { n: postgres.rows['shop.public.noise'] },
  ]);
  await workspace.run(['down', 'shop']);

  // What was replaced is kept.
  const replaced = await openBackup(/what it replaced is in (.*)/.exec(restored.stdout)![1]!);
  const [old] = replaced.manifest.services.filter(({ service }) => service === 'postgres');
  expect(old!.rows!['shop.public.orders']).toBe(0);
}, 120_000);

test('an interrupted backup leaves nothing half-made; a reset takes a whole one first, which is refused where it does not fit', async () => {
  const { workspace, url } = await shop();
  await using _ = workspace;
  expect((await workspace.run(['backup'])).stderr).toContain('STACKYARD_BACKUP_EMPTY');
  await workspace.run(['up', 'shop']);
  const backups = () => listed(workspace, 'data/backups');
  const server = readState(path.join(workspace.root, '.stackyard/run/shop'))!.services.postgres!.process!;
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    signalGroup(server.pid, 'SIGSTOP'); // so that the backup does not get far
    const backup = workspace.start(['backup', 'shop']);
    try {
      await eventually(
        () => backups().length > 0,
        () => backup.output,
      );
      backup.kill(signal);
    } finally {
      signalGroup(server.pid, 'SIGCONT');
    }
    const { code } = await backup.outcome;
    if (signal === 'SIGKILL') expect(backups()).toHaveLength(1);
    else expect([code, backups(), folders(workspace)]).toEqual([130, [], ['postgres']]);
  }

  await query(url, 'CREATE TABLE orders AS SELECT generate_series(1, 10) AS number');
  const reset = await workspace.run(['reset', 'shop', '--yes']);
  expect(reset).toMatchObject({ code: 0, stderr: '' });
  const file = /a backup is in (.*)/.exec(reset.stdout)![1]!;
  expect(backups()).toEqual([path.basename(file)]); // what was killed has left nothing any more
  expect(folders(workspace)).toEqual([]);
  const sound = path.join(workspace.root, 'sound');
  cpSync(file, sound, { recursive: true });

  const refusals: Record<string, () => void> = {
    STACKYARD_BACKUP_DAMAGED: () => {
      const table = openSync(path.join(file, '0-postgres/0/global/pg_filenode.map'), 'r+');
      writeSync(table, 'x', 100);
      closeSync(table);
    },
    ENGINE_DATA_CREDENTIALS: () => workspace.write('.env', 'SHOP_PASSWORD=another\n'),
    STACKYARD_BACKUP_MISMATCH: () =>
      workspace.write(
        'apps/shop/compose.yaml',
        workspace
          .read('apps/shop/compose.yaml')
          .replace('"engine":"postgres"', '"engine":"process","command":["true"]'),
      ),
  };
  for (const [code, change] of Object.entries(refusals).reverse()) {
    const compose = workspace.read('apps/shop/compose.yaml');
    change();
    const refused = await workspace.run(['restore', file]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(code) });
    expect(existsSync(path.join(workspace.root, 'data/shop/postgres'))).toBe(false);
    workspace.write('apps/shop/compose.yaml', compose);
    workspace.write('.env', '');
  }
  // Where only its owner can enter the checkout, root's server needs its data elsewhere: once.
  chmodSync(workspace.root, 0o700);
  expect(await workspace.run(['restore', sound])).toMatchObject({ code: 0, stderr: '' });
  expect(folders(workspace)).toEqual(['postgres']);
  await workspace.run(['reset', 'shop', '--yes', '--no-backup']);
  expect(workspace.leftovers()).toEqual([]);
}, 120_000);

test('data where a disk is mounted can be backed up and deleted, and a restore says why it cannot replace them', async () => {
  const { workspace } = await shop();
  await using _ = workspace;
  const store = path.join(workspace.root, 'data/shop/store');
  mkdirSync(store, { recursive: true });
  using unmounting = new DisposableStack();
  try {
    execFileSync('mount', ['--bind', store, store], { stdio: 'ignore' });
    unmounting.defer(() => void execFileSync('umount', [store]));
  } catch {
    return; // only root may, and not everywhere
  }
  workspace.write('data/shop/store/file', 'precious');
  expect(await workspace.run(['backup', 'shop', '--output', 'saved'])).toMatchObject({ code: 0 });
  workspace.write('data/shop/store/file', 'changed');
  const refused = await workspace.run(['restore', 'saved']);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('STACKYARD_RESTORE_MOUNT') });
  expect(refused.stderr).toContain(`mount the disk a folder higher: at ${path.dirname(store)}`);
  expect(workspace.read('data/shop/store/file')).toBe('changed');
  expect(folders(workspace)).toEqual(['store']);
  const reset = await workspace.run(['reset', 'shop', '--yes', '--no-backup']);
  expect(reset).toMatchObject({ code: 0, stderr: '' });
  expect(readdirSync(store)).toEqual([]);
}, 60_000);

test('what a dead owner has left running ends before its data are copied', async () => {
  const { workspace } = await shop();
  await using _ = workspace;
  workspace.write('data/shop/store/file', 'precious');
  const writer = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  onTestFinished(() => void writer.kill());
  const left = identify(writer.pid!)!;
  mkdirSync(path.join(workspace.root, '.stackyard/run/shop'), { recursive: true });
  writeJson(path.join(workspace.root, '.stackyard/run/shop/state.json'), {
    ...{ variant: 'shop', root: workspace.root, driver: 'embedded', mode: 'up', phase: 'ready' },
    ...{ startedAt: '', profiles: [], notes: [], owner: { ...left, startTime: 'of another' } },
    services: { store: { state: 'healthy', process: left } },
  });
  expect(await workspace.run(['backup', 'shop', '--output', 'saved'])).toMatchObject({ code: 0, stderr: '' });
  expect(isAlive(left)).toBe(false);
}, 60_000);

test('folders come back with their modes, and no backup is where a restore or a reset would delete it', async () => {
  const { workspace } = await shop();
  await using _ = workspace;
  const store = path.join(workspace.root, 'data/shop/store');
  workspace.write('data/shop/store/deep/file', 'precious');
  const modes = () => [store, path.join(store, 'deep')].map((folder) => statSync(folder).mode & 0o7777);
  chmodSync(store, 0o755);
  chmodSync(path.join(store, 'deep'), 0o777);
  expect(await workspace.run(['backup', 'shop', '--output', 'saved'])).toMatchObject({ code: 0 });
  chmodSync(store, 0o700);
  const among = await workspace.run(['backup', 'shop', '--output', 'data/shop/store/new/saved']);
  expect(among).toMatchObject({ code: 2, stderr: expect.stringContaining('would go with these data') });
  symlinkSync('nowhere', path.join(workspace.root, 'dangling'));
  for (const output of ['saved/manifest.json', 'saved/manifest.json/new', 'dangling']) {
    const taken = await workspace.run(['backup', 'shop', '--output', output]);
    expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining('is no folder') });
  }
  cpSync(path.join(workspace.root, 'saved'), path.join(store, 'saved'), { recursive: true });
  const within = await workspace.run(['restore', 'data/shop/store/saved']);
  expect(within).toMatchObject({ code: 2, stderr: expect.stringContaining('would go with these data') });
  expect(listed(workspace, 'data/shop/store')).toEqual(['deep', 'saved']);
  workspace.write('data/shop/.store.replaced-1-0/old', 'of a restore that was killed');
  expect(await workspace.run(['restore', 'saved'])).toMatchObject({ code: 0, stderr: '' });
  expect(folders(workspace)).toEqual(['store']);
  expect(modes()).toEqual([0o755, 0o777]);
}, 60_000);

test.skipIf(process.platform !== 'linux')(
  'a reset that is interrupted when its backup is all but done deletes nothing',
  async () => {
    const { workspace } = await shop();
    await using _ = workspace;
    workspace.write('data/shop/store/file', 'precious');
    const [syncing, go] = ['syncing', 'go'].map((name) => path.join(workspace.root, name));
    execFileSync('mkfifo', [go!]);
    workspace.write('bin/sync', `#!/bin/sh\necho >'${syncing}'\nread -r _ <'${go}'\n`);
    chmodSync(path.join(workspace.root, 'bin/sync'), 0o755);
    const PATH = [path.join(workspace.root, 'bin'), process.env.PATH].join(path.delimiter);
    const reset = workspace.start(['reset', 'shop', '--yes'], { env: { PATH } });
    await eventually(
      () => existsSync(syncing!),
      () => reset.output,
    );
    reset.kill('SIGINT');
    writeFileSync(go!, '\n');
    expect(await reset.outcome).toMatchObject({ code: 130 });
    expect(workspace.read('data/shop/store/file')).toBe('precious');
    expect(listed(workspace, 'data/backups')).toHaveLength(1);
  },
  60_000,
);

test('a PostgreSQL that mounts nothing is copied online too, and comes back', async () => {
  const { workspace, url } = await shop([]);
  await using _ = workspace;
  await workspace.run(['up', 'shop']);
  await query(url, 'CREATE TABLE orders AS SELECT generate_series(1, 1000) AS number');
  expect(await workspace.run(['backup', 'shop', '--output', 'saved'])).toMatchObject({ code: 0, stderr: '' });
  expect(workspace.read('saved/0-postgres/0/data/backup_label.old')).toContain('stackyard backup');
  await workspace.run(['down', 'shop']);
  const restored = await workspace.run(['restore', 'saved']);
  expect(restored).toMatchObject({ code: 0, stderr: '' });
  expect(restored.stdout).toContain('1000 rows verified');
  expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
  expect(await query(url, 'SELECT count(*)::int AS orders FROM orders')).toEqual([{ orders: 1000 }]);
}, 60_000);

test('a backup has the services of every profile that the stack runs with', async () => {
  await using workspace = new ContractWorkspace('embedded', {
    shop: {
      services: {},
      others: {
        extra: {
          image: 'node:24',
          profiles: ['more'],
          volumes: ['./data/shop/extra:/data'],
          'x-embedded': { engine: 'process', command: ['sleep', '600'] },
        },
      },
    },
  });
  workspace.write('data/shop/extra/file', 'precious');
  const up = await workspace.run(['up', 'shop', '--profile', 'more']);
  expect(up).toMatchObject({ code: 0, stderr: '' });
  const taken = await workspace.run(['backup', 'shop', '--output', 'saved']);
  expect(taken).toMatchObject({ code: 0, stderr: '' });
  expect(workspace.read('saved/0-extra/0/file')).toBe('precious');
  await workspace.run(['down', 'shop']);
  const refused = await workspace.run(['restore', 'saved']);
  expect(refused.stderr).toContain('or only with its --profile');
  const restored = await workspace.run(['restore', 'saved', '--profile', 'more']);
  expect(restored).toMatchObject({ code: 0, stderr: '' });
}, 60_000);
