// `stackyard backup` and `stackyard restore` of a PostgreSQL of 1 GB, against raw copies there and back of the same:
// of the files (`cp -a`), and under docker, where a dump copies rows, of the rows (COPY, to a file and into a table with
// the same indexes). What is not on the disk is no backup: backup and restore end with a sync, so the copies they are
// held to do too. The log that loading left behind is shortened first: it would double what `cp` has to copy, and
// nothing else.
//
// Everything is done several times, in turns, and medians are compared.
//
//   node bench/backup.ts [--gigabytes 1] [--rounds 3] [--driver docker]
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { choosePort } from '../src/ports.ts';

const target = 1.5;
const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    driver: { type: 'string', default: 'embedded' },
  },
});
const { driver } = values;
const gigabytes = Number(values.gigabytes);
const bin = path.join(import.meta.dirname, '..', 'src', 'bin', 'stackyard.js');
const root = mkdtempSync(path.join(tmpdir(), 'stackyard-bench-'));
chmodSync(root, 0o755); // the server's user has to reach its data
const data = path.join(root, 'data', 'shop', 'postgres');
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

/** Milliseconds of a copy of the rows out to a file of the server's container, until the disk has it, and in again. */
function copyRows(): number {
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
  const back = timed(() => psql("\\copy back FROM '/tmp/rows'"));
  psql('DROP TABLE back');
  return out + back;
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

const median = (figures: readonly number[]): number =>
  figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!;

interface Round {
  readonly backup: number;
  readonly restore: number;
  readonly there: ReturnType<typeof copy>;
  readonly back: ReturnType<typeof copy>;
}

/** A backup of the stack, which is up; raw copies of what it has stored; and a restore of the backup, which leaves it down. */
function round(): Round {
  const [saved, aside, again] = ['saved', 'aside', 'again'].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ];
  const settle = () => execFileSync('sync', ['-f', root]);
  settle();
  const backup = cli('backup', 'shop', '--output', saved);
  cli('down', 'shop');
  settle();
  const there = copy(data, aside);
  const back = copy(aside, again);
  for (const folder of [aside, again]) rmSync(folder, { recursive: true });
  cli('reset', 'shop', '--yes', '--no-backup');
  settle();
  const restore = cli('restore', saved);
  rmSync(saved, { recursive: true });
  return { backup, restore, there, back };
}

try {
  const rounds: Round[] = [];
  for (let number = 0; number < Number(values.rounds); number += 1) {
    cli('up', 'shop');
    if (number === 0) await fill();
    rounds.push(round());
  }
  const [kilobytes] = execFileSync('du', ['-sk', realpathSync(data)], { encoding: 'utf8' }).split('\t');
  const each = rounds.map(({ backup, restore }) => backup + restore);
  const took = median(each);
  const of = (figure: (round: Round) => number) => seconds(median(rounds.map(figure)));
  console.log(
    `backup ${of((one) => one.backup)} + verified restore ${of((one) => one.restore)} of ${gigabytes} GB, ${driver}: ` +
      `${seconds(took)}, the median of ${each.map(seconds).join(', ')}`,
  );
  const against = (what: string, raw: readonly number[]) => {
    const ratio = took / median(raw);
    console.log(
      `${ratio.toFixed(2)} x ${what}: ${seconds(median(raw))}, the median of ${raw.map(seconds).join(', ')}`,
    );
    return ratio;
  };
  const cp = `cp -a there and back of ${(Number(kilobytes) / 1e6).toFixed(2)} GB`;
  against(
    `${cp}, not on the disk yet`,
    rounds.map(({ there, back }) => there.copied + back.copied),
  );
  let ratio = against(
    `${cp}, and sync`,
    rounds.map(({ there, back }) => there.durable + back.durable),
  );
  if (driver === 'docker') {
    cli('up', 'shop');
    ratio = against('COPY out to a file, and in to a table', rounds.map(copyRows));
  }
  console.log(`${ratio <= target ? 'reached' : 'MISSED'} <= ${target} x the last line`);
  if (ratio > target) process.exitCode = 1;
} finally {
  cli('down', 'shop');
  rmSync(root, { recursive: true, force: true });
}
