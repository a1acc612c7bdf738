import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { ContractWorkspace, eventually, freePorts } from './contract/workspace.ts';

const query = async (config: pg.ClientConfig, text: string): Promise<unknown[]> => {
  const client = new pg.Client(config);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};

const docker = (args: string[], input = ''): string =>
  execFileSync('docker', args, { encoding: 'utf8', input });

/** A checkout with a PostgreSQL of an image, whose password a variable chooses. */
async function shop(image = 'postgres:17') {
  const [port] = await freePorts(1);
  const workspace = new ContractWorkspace('docker', {
    shop: {
      services: {},
      others: {
        postgres: {
          image,
          environment: { POSTGRES_PASSWORD: `\${SHOP_PASSWORD:-secret}`, POSTGRES_DB: 'shop' },
          ports: [`127.0.0.1:${port}:5432`],
          volumes: ['./data/shop/postgres:/var/lib/postgresql/data'],
          healthcheck: {
            test: ['CMD-SHELL', 'pg_isready -q -h 127.0.0.1 -U postgres -d shop'],
            interval: '1s',
            timeout: '3s',
            retries: 60,
          },
          stop_signal: 'SIGINT',
        },
      },
    },
  });
  const server = (password = 'secret', database = 'shop'): pg.ClientConfig => {
    return { host: '127.0.0.1', port: port!, user: 'postgres', password, database };
  };
  return { workspace, server };
}

const scratchContainers = ({ root }: ContractWorkspace) => {
  const ofWorkspace = `label=com.docker.compose.project.working_dir=${root}`;
  const filters = ['--filter', ofWorkspace, '--filter', 'name=stackyard-check-'];
  return docker(['ps', '--all', ...filters, '--format', '{{.Names}}']);
};

describe('a backup of a stack in containers', { timeout: 180_000 }, () => {
  test('is a dump that brings back databases, roles and rows, under the password of today', async () => {
    const { workspace, server } = await shop();
    await using _ = workspace;
    expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
    await query(server(), 'CREATE TABLE orders AS SELECT generate_series(1, 1000) AS number');
    await query(server(), `CREATE ROLE "a clerk" LOGIN PASSWORD 'x'; ALTER TABLE orders OWNER TO "a clerk"`);
    await query(
      server(),
      `CREATE TABLE "odd ""t.a" AS SELECT E'line\\n\\\\.\\nCOPY public.x (y) FROM stdin;' AS text;
       CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
       CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS one; CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM orders`,
    );
    await query(server(), `CREATE DATABASE "odd = na/me"`);
    await query(server('secret', 'odd = na/me'), 'CREATE TABLE kept AS SELECT 1 AS one');
    const taken = await workspace.run(['backup', 'shop', '--json', '--output', 'saved']);
    expect(taken).toMatchObject({ code: 0 });
    const [postgres] = JSON.parse(taken.stdout).services;
    expect(postgres).toMatchObject({
      as: 'image postgres:17',
      method: 'dump',
      major: '17',
    });
    expect(postgres.rows).toEqual({
      'shop.public.orders': 1000,
      'shop.public.odd "t.a': 1,
      'shop.public.nothing': 1,
      'odd = na/me.public.kept': 1,
    });
    await query(server(), 'DELETE FROM orders');
    await workspace.run(['down', 'shop']);

    workspace.write('.env', 'SHOP_PASSWORD=another-secret\n');
    workspace.write('data/shop/postgres/old', 'goes with the old data');
    const restored = await workspace.run(['restore', 'saved']);
    // What is there was made with the other password, so it cannot be proven, and is not replaced.
    expect(restored).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('STACKYARD_DATA_CREDENTIALS'),
    });
    expect(workspace.read('data/shop/postgres/old')).toBe('goes with the old data');
    await workspace.run(['reset', 'shop', '--yes', '--no-backup']);
    expect(await workspace.run(['restore', 'saved'])).toMatchObject({ code: 0, stderr: '' });
    expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
    expect(
      await query(
        server('another-secret'),
        "SELECT count(*)::int AS orders, (SELECT tableowner FROM pg_tables WHERE tablename = 'orders') AS owner FROM orders",
      ),
    ).toEqual([{ orders: 1000, owner: 'a clerk' }]);
    expect(await query(server('another-secret', 'odd = na/me'), 'SELECT one FROM kept')).toEqual([
      { one: 1 },
    ]);
    const reset = await workspace.run(['reset', 'shop', '--yes']);
    expect(reset).toMatchObject({ code: 0, stderr: '' });
    expect(reset.stdout).toContain('a backup is in ');
    expect(scratchContainers(workspace)).toBe('');
    expect(workspace.leftovers()).toEqual([]);
  });

  test('is a physical copy, and says why, where the image has only an older pg_dump', async () => {
    const image = 'stackyard-test/postgres:older-dump';
    docker(
      ['build', '--quiet', '--tag', image, '-'],
      `FROM postgres:17\nRUN printf '#!/bin/sh\\necho "pg_dump (PostgreSQL) 15.18"\\n' >/usr/local/bin/pg_dump && chmod +x /usr/local/bin/pg_dump\n`,
    );
    try {
      const { workspace, server } = await shop(image);
      await using _ = workspace;
      expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
      await query(server(), 'CREATE TABLE orders AS SELECT generate_series(1, 1000) AS number');
      const taken = await workspace.run(['backup', 'shop', '--output', 'saved']);
      expect(taken).toMatchObject({ code: 0, stderr: '' });
      expect(taken.stdout).toContain(
        'copied online: the pg_dump 15 of its image is older than the server, 17',
      );
      await query(server(), 'DELETE FROM orders');
      await workspace.run(['down', 'shop']);
      const restored = await workspace.run(['restore', 'saved']);
      expect(restored).toMatchObject({ code: 0, stderr: '' });
      expect(restored.stdout).toContain('1000 rows verified');
      expect(restored.stdout).toMatch(/what it replaced is in .*data\/backups\/shop-/);
      expect(await workspace.run(['up', 'shop'])).toMatchObject({ code: 0, stderr: '' });
      expect(await query(server(), 'SELECT count(*)::int AS orders FROM orders')).toEqual([{ orders: 1000 }]);
    } finally {
      docker(['rmi', '--force', image]);
    }
  });

  test('that was killed leaves no dump running, and a damaged one is refused', async () => {
    const { workspace, server } = await shop();
    await using _ = workspace;
    await workspace.run(['up', 'shop']);
    await query(
      server(),
      'CREATE TABLE orders AS SELECT n, md5(n::text) FROM generate_series(1, 200000) AS n',
    );
    // The dump waits for this table until the transaction ends.
    const blocker = new pg.Client(server());
    blocker.on('error', () => {}); // when this test fails, its server goes first
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
    const dumps = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pg_dump' AND datname = 'shop'";
    const dumping = async () => (await query(server(), dumps)).length === 1;
    const ofWorkspace = `label=com.docker.compose.project.working_dir=${workspace.root}`;
    const ofService = 'label=com.docker.compose.service=postgres';
    const id = docker(['ps', '--quiet', '--filter', ofWorkspace, '--filter', ofService]).trim();
    const killDump = `for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != pg_dump ] || kill -KILL "\${p#/proc/}"; done 2>/dev/null`;
    for (const signal of ['SIGKILL', 'SIGINT', 'SIGKILL of the dump'] as const) {
      const backup = workspace.start(['backup', 'shop', '--output', 'saved']);
      await eventually(dumping, () => backup.output);
      if (signal === 'SIGKILL of the dump') docker(['exec', id, 'sh', '-c', killDump]);
      else backup.kill(signal);
      await backup.outcome;
      await eventually(
        async () => !(await dumping()) && scratchContainers(workspace) === '',
        () => `still there: ${scratchContainers(workspace)}`,
      );
    }
    await blocker.end();
    // The server took none of these deaths for a crash of its own.
    expect((await workspace.run(['logs', 'shop', 'postgres'])).stdout).not.toContain('reinitializing');

    expect(await workspace.run(['backup', 'shop', '--output', 'saved'])).toMatchObject({ code: 0 });
    await workspace.run(['down', 'shop']);
    const folder = path.join(workspace.root, 'saved/0-postgres/0');
    const [dump] = readdirSync(folder).filter((name) => name.endsWith('-shop.dump'));
    const file = path.join(folder, dump!);
    const handle = openSync(file, 'r+');
    writeSync(handle, 'damage', Math.floor(statSync(file).size / 2));
    closeSync(handle);
    const refused = await workspace.run(['restore', 'saved']);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('STACKYARD_BACKUP_DAMAGED') });
    expect(existsSync(path.join(workspace.root, 'data/shop/postgres/PG_VERSION'))).toBe(true);
    expect(scratchContainers(workspace)).toBe('');
  });
});
