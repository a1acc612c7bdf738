// Warm `stackyard up --driver docker` against Compose itself with a poll of the container's health, and the embedded
// driver beside it, in one run: the same Compose files, PostgreSQL alone, data there before.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findTools } from '../src/drivers/docker/tool.ts';
import { choosePort } from '../src/ports.ts';

const rounds = 5;
const bin = path.join(import.meta.dirname, '..', 'src', 'bin', 'stackyard.js');
const root = mkdtempSync(path.join(tmpdir(), 'stackyard-bench-'));
chmodSync(root, 0o755); // the server's user has to reach its data

/** Variants that differ in their data only: an engine refuses what another one made. */
const variants = ['contained', 'embedded', 'bare'];
for (const name of variants) {
  const port = await choosePort();
  const postgres = {
    image: 'postgres:17',
    environment: { POSTGRES_PASSWORD: 'bench', POSTGRES_DB: 'bench' },
    ports: [`127.0.0.1:${port}:5432`],
    volumes: [`./data/${name}/postgres:/var/lib/postgresql/data`],
    healthcheck: {
      test: ['CMD-SHELL', 'pg_isready -q -h 127.0.0.1 -U postgres -d bench'],
      interval: '1s',
      timeout: '3s',
      retries: 60,
    },
    stop_signal: 'SIGINT',
    'x-embedded': { engine: 'postgres' },
  };
  write(`apps/${name}/compose.yaml`, JSON.stringify({ services: { postgres } }));
  write(`apps/${name}/package.json`, JSON.stringify({ name, private: true }));
}
write('infra/compose.yaml', 'services:\n  base: { image: postgres:17, profiles: [never] }\n');

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${path.basename(command)} ${args.join(' ')} ended with ${code}\n${said}`);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const cli = (...args: string[]) => run(process.execPath, [bin, ...args]);
const { compose: tool } = await findTools(process.env);
const project = path.basename(root).toLowerCase();
const compose = (...args: string[]) =>
  run(tool.program, [
    ...tool.prefix,
    ...['--project-name', project, '--project-directory', root],
    ...['--file', 'infra/compose.yaml', '--file', 'apps/bare/compose.yaml', ...args],
  ]);

/** What `up --wait` does in Compose v2, and a person with 1.29 by hand. */
async function composeUp(): Promise<void> {
  await compose('up', '-d', 'postgres');
  const filter = `label=com.docker.compose.project=${project}`;
  const id = execFileSync('docker', ['ps', '--quiet', '--filter', filter], { encoding: 'utf8' }).trim();
  const health = () =>
    execFileSync('docker', ['inspect', '--format', '{{.State.Health.Status}}', id], { encoding: 'utf8' });
  while (health().trim() !== 'healthy') await sleep(50);
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

try {
  // Once each, so that images, data and caches are warm.
  await cli('up', 'contained', '--driver', 'docker');
  await cli('down', 'contained');
  await cli('up', 'embedded', '--driver', 'embedded');
  await cli('down', 'embedded');
  await composeUp();
  await compose('down');

  const times = { docker: [] as number[], compose: [] as number[], embedded: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    times.compose.push(await timed(composeUp));
    await compose('down');
    times.docker.push(await timed(() => cli('up', 'contained', '--driver', 'docker')));
    await cli('down', 'contained');
    times.embedded.push(await timed(() => cli('up', 'embedded', '--driver', 'embedded')));
    await cli('down', 'embedded');
  }
  const [docker, baseline, embedded] = [times.docker, times.compose, times.embedded].map(median);
  const row = (label: string, value: string, target: string) =>
    console.log(`${label.padEnd(58)}${value.padStart(10)}  ${target}`);
  const tools = `${[tool.program, ...tool.prefix].join(' ')} ${tool.version}`;
  row('warm stackyard up --driver docker, median', `${docker!.toFixed(0)} ms`, 'target <= baseline + 500 ms');
  row(`${tools} up -d and a poll of its health, median`, `${baseline!.toFixed(0)} ms`, 'baseline');
  row('difference', `${(docker! - baseline!).toFixed(0)} ms`, 'target <= 500 ms');
  row('warm stackyard up --driver embedded, median', `${embedded!.toFixed(0)} ms`, '');
  row('embedded : docker', `${(embedded! / docker!).toFixed(2)} x`, 'target <= 0.5 x');
  if (docker! > baseline! + 500 || embedded! > docker! * 0.5) process.exitCode = 1;
} finally {
  for (const name of ['contained', 'embedded']) await cli('down', name);
  await compose('down');
  rmSync(root, { recursive: true, force: true });
}
