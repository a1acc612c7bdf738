// `stackyard backup` and `stackyard restore` of a PostgreSQL of 1 GB, which start and count both copies, against
// `cp -a` of the same files there and back, each waited for on the disk. The log that loading them left behind is
// shortened first: it would double what `cp` has to copy, and nothing else.
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

/** Copies a folder and waits for the disk. */
const copy = (from: string, to: string): number =>
  timed(() => {
    execFileSync('cp', ['-a', from, to]);
    execFileSync('sync', ['-f', to]);
  });

try {
  cli('up', 'shop');
  await fill();
  const file = path.join(root, 'shop.tar');
  const data = path.join(root, 'data', 'shop', 'postgres');
  execFileSync('sync', ['-f', root]);
  const backup = cli('backup', 'shop', '--output', file);
  cli('down', 'shop');
  const [kilobytes] = execFileSync('du', ['-sk', realpathSync(data)], { encoding: 'utf8' }).split('\t');
  const aside = path.join(root, 'aside');
  const raw = copy(data, aside);
  const rawBack = copy(aside, path.join(root, 'back'));
  rmSync(aside, { recursive: true });
  rmSync(path.join(root, 'back'), { recursive: true });
  cli('reset', 'shop', '--yes', '--no-backup');
  execFileSync('sync', ['-f', root]);
  const restore = cli('restore', file);
  const ratio = (backup + restore) / (raw + rawBack);
  const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`;
  console.log(`cp copies ${(Number(kilobytes) / 1e6).toFixed(2)} GB`);
  console.log(`backup ${seconds(backup)}, cp there ${seconds(raw)}`);
  console.log(`restore ${seconds(restore)}, cp back ${seconds(rawBack)}`);
  console.log(
    `backup + verified restore of ${gigabytes} GB, ${driver}: ${seconds(backup + restore)}; cp there and back ${seconds(raw + rawBack)}; ` +
      `${ratio.toFixed(2)} x; ${ratio <= target ? 'reached' : 'MISSED'} <= ${target} x`,
  );
  if (ratio > target) process.exitCode = 1;
} finally {
  cli('down', 'shop');
  rmSync(root, { recursive: true, force: true });
}
