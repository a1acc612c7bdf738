// `stackyard backup` and `stackyard restore` of a PostgreSQL of 1 GB, against raw copies there and back of the same:
// of the files (`cp -a`), and under docker, where a dump copies rows, of the rows (COPY, to a file and into a table with
// the same indexes). What is not on the disk is no backup: backup and restore end with a sync, so the copies they are
// held to do too. The log that loading left behind is shortened first: it would double what `cp` has to copy, and
// nothing else.
//
//   node bench/backup.ts [--gigabytes 1] [--driver docker]
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { choosePort } from '../src/ports.ts';

const target = 1.5;
const { values } = parseArgs({
  options: { gigabytes: { type: 'string', default: '1' }, driver: { type: 'string', default: 'embedded' } },
});
const { driver } = values;
const gigabytes = Number(values.gigabytes);
const bin = path.join(import.meta.dirname, '..', 'src', 'bin', 'stackyard.js');
const root = mkdtempSync(path.join(tmpdir(), 'stackyard-bench-'));
chmodSync(root, 0o755); // the server's user has to reach its data
const port = await choosePort();
mkdirSync(path.join(root, 'infra'));
mkdirSync(path.join(root, 'apps', 'shop'), { recursive: true });
writeFileSync(
  path.join(root, 'infra', 'compose.yaml'),
  'services:\n  base: { image: postgres:17, profiles: [never] }\n',
);
writeFileSync(path.join(root, 'apps', 'shop', 'package.json'), '{ "name": "shop" }');
writeFileSync(
  path.join(root, 'apps', 'shop', 'compose.yaml'),
  `services:
  postgres:
    image: postgres:17
    environment: { POSTGRES_PASSWORD: secret, POSTGRES_DB: shop }
    ports: ["127.0.0.1:${port}:5432"]
    volumes: ["./data/shop/postgres:/var/lib/postgresql/data"]
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -q -h 127.0.0.1 -d shop"]
      interval: 1s
      retries: 60
    x-embedded: { engine: postgres }
`,
);

function cli(...args: string[]): number {
  return timed(() =>
    execFileSync(process.execPath, [bin, ...args], {
      cwd: root,
      env: { ...process.env, STACKYARD_DRIVER: driver },
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
}

function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

async function fill(): Promise<void> {
  const client = new pg.Client(`postgresql://postgres:secret@127.0.0.1:${port}/shop`);
  await client.connect();
  const logUpTo = async (size: string) => {
    await client.query(`ALTER SYSTEM SET max_wal_size = '${size}'`);
    await client.query('SELECT pg_reload_conf()');
  };
  await logUpTo('4GB');
  await client.query('CREATE TABLE event (id bigint PRIMARY KEY, at timestamptz, payload text)');
  const rows = Math.round((gigabytes * 1e9) / 1150);
  await client.query(
    `INSERT INTO event SELECT n, now(), repeat(md5(n::text), 32) FROM generate_series(1, $1::int) n`,
    [rows],
  );
  await client.query('VACUUM ANALYZE event');
  await logUpTo('96MB');
  for (let segments = 9; segments > 8; ) {
    await client.query('SELECT pg_switch_wal()');
    await client.query('CHECKPOINT');
    const { rows } = await client.query<{ count: number }>('SELECT count(*)::int FROM pg_ls_waldir()');
    segments = rows[0]!.count;
  }
  await client.query('ALTER SYSTEM RESET ALL');
  await client.end();
}

/** Milliseconds of a copy of a folder, and of the wait for the disk after it. */
function copy(from: string, to: string): { readonly copied: number; readonly durable: number } {
  const copied = timed(() => execFileSync('cp', ['-a', from, to]));
  return { copied, durable: copied + timed(() => execFileSync('sync', ['-f', to])) };
}

/** Milliseconds of a copy of the rows out to a file of the server's container, which its disk has, and in again. */
function copyRows(): { readonly out: number; readonly back: number } {
  const ofProject = ['--filter', `label=com.docker.compose.project.working_dir=${root}`];
  const id = execFileSync('docker', ['ps', '--quiet', ...ofProject], { encoding: 'utf8' }).trim();
  const inside = (...command: string[]) =>
    execFileSync('docker', ['exec', '--env', 'PGPASSWORD=secret', id, ...command], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  const psql = (sql: string) =>
    inside('psql', '--host=127.0.0.1', '--username=postgres', '--dbname=shop', '-c', sql);
  const out = timed(() => {
    psql("\\copy event TO '/tmp/rows'");
    inside('sync', '-f', '/tmp/rows');
  });
  psql('CREATE TABLE back (LIKE event INCLUDING ALL)');
  return { out, back: timed(() => psql("\\copy back FROM '/tmp/rows'")) };
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

try {
  cli('up', 'shop');
  await fill();
  const folder = path.join(root, 'shop-backup');
  const data = path.join(root, 'data', 'shop', 'postgres');
  execFileSync('sync', ['-f', root]);
  const backup = cli('backup', 'shop', '--output', folder);
  cli('down', 'shop');
  const [kilobytes] = execFileSync('du', ['-sk', realpathSync(data)], { encoding: 'utf8' }).split('\t');
  const aside = path.join(root, 'aside');
  const there = copy(data, aside);
  const back = copy(aside, path.join(root, 'back'));
  rmSync(aside, { recursive: true });
  rmSync(path.join(root, 'back'), { recursive: true });
  cli('reset', 'shop', '--yes', '--no-backup');
  execFileSync('sync', ['-f', root]);
  const restore = cli('restore', folder);
  const took = backup + restore;
  const against = (what: string, raw: number) => {
    console.log(`${(took / raw).toFixed(2)} x ${what}: ${seconds(raw)}`);
    return took / raw;
  };
  console.log(
    `backup ${seconds(backup)} + verified restore ${seconds(restore)} of ${gigabytes} GB, ${driver}: ${seconds(took)}`,
  );
  const gigabytesCopied = `${(Number(kilobytes) / 1e6).toFixed(2)} GB`;
  against(`cp -a there and back of ${gigabytesCopied}, not on the disk yet`, there.copied + back.copied);
  let ratio = against(
    `the same and sync (${seconds(there.durable)}, ${seconds(back.durable)})`,
    there.durable + back.durable,
  );
  if (driver === 'docker') {
    cli('up', 'shop');
    const rows = copyRows();
    ratio = against(`COPY out (${seconds(rows.out)}) and in (${seconds(rows.back)})`, rows.out + rows.back);
  }
  console.log(`${ratio <= target ? 'reached' : 'MISSED'} <= ${target} x the last line`);
  if (ratio > target) process.exitCode = 1;
} finally {
  cli('down', 'shop');
  rmSync(root, { recursive: true, force: true });
}
