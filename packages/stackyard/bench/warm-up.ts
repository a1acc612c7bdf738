// only: school-erp-ddl
// Command start to ready of `stackyard up`, warm and first, against `pg_ctl -w start` of the same data directory.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findBinaries } from '../src/engines/postgres/binaries.ts';
import { choosePort } from '../src/ports.ts';

const rounds = 7;
const variant = 'school-erp-ddl';
const repository = path.join(import.meta.dirname, '..', '..', '..');
const bin = path.join(import.meta.dirname, '..', 'src', 'bin', 'stackyard.js');

const root = mkdtempSync(path.join(tmpdir(), 'stackyard-bench-'));
chmodSync(root, 0o755); // the server's user has to reach its data
const app = path.join(root, 'apps', variant);
mkdirSync(app, { recursive: true });
cpSync(path.join(repository, 'infra', 'compose.yaml'), path.join(root, 'infra', 'compose.yaml'));
for (const entry of ['compose.yaml', 'package.json']) {
  cpSync(path.join(repository, 'apps', variant, entry), path.join(app, entry));
}
for (const entry of ['src', 'db', 'node_modules']) {
  symlinkSync(path.join(repository, 'apps', variant, entry), path.join(app, entry));
}
const port = await choosePort();
const environment = { ...process.env, SCHOOL_ERP_POSTGRES_PORT: String(port) };

/** Milliseconds that a command takes. */
async function timed(
  command: string,
  args: readonly string[],
  user?: { uid: number; gid: number },
): Promise<number> {
  const began = performance.now();
  const child = spawn(command, args, {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit'],
    ...user,
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`${path.basename(command)} ${args.join(' ')} ended with ${code}`);
  return performance.now() - began;
}

const cli = (...args: string[]) => timed(process.execPath, [bin, ...args]);
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

try {
  const first = await cli('up', variant);
  await cli('down', variant);
  const warm: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    warm.push(await cli('up', variant));
    await cli('down', variant);
  }

  const data = path.join(root, 'data', variant, 'postgres');
  const { uid, gid } = statSync(data);
  const user = process.getuid?.() === 0 ? { uid, gid } : undefined;
  const { directory } = await findBinaries();
  const control = path.join(directory, 'bin', 'pg_ctl');
  const options = ['-D', data, '-o', `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=`];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    bare.push(
      await timed(control, ['-w', '-s', ...options, '-l', path.join(data, 'bench.log'), 'start'], user),
    );
    await timed(control, ['-w', '-s', '-D', data, '-m', 'fast', 'stop'], user);
  }

  const figure = median(warm);
  const baseline = median(bare);
  const row = (label: string, value: string, target: string) =>
    console.log(`${label.padEnd(44)}${value.padStart(10)}  ${target}`);
  row('warm stackyard up, median', `${figure.toFixed(0)} ms`, 'target <= 1000 ms');
  row('pg_ctl -w start, same data, median', `${baseline.toFixed(0)} ms`, 'baseline');
  row('ratio', `${(figure / baseline).toFixed(1)} x`, 'target <= 10 x');
  row('first stackyard up, initdb and schema included', `${first.toFixed(0)} ms`, 'target <= 5000 ms');
  if (figure > 1000 || figure > 10 * baseline || first > 5000) process.exitCode = 1;
} finally {
  execFileSync(process.execPath, [bin, 'down', variant], { cwd: root, env: environment, stdio: 'ignore' });
  rmSync(root, { recursive: true, force: true });
}
