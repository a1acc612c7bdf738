import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, test } from 'vitest';
import { postgresUrl } from '../postgres-url.ts';
import { composeModels, imageOf } from './compose-images.ts';
import { containerEngine } from './container-engine.ts';
import { removeStaleRuns } from './reaper.ts';

const root = resolve(import.meta.dirname, '../../../..');
const program = `
  import { startPostgresContainer } from ${JSON.stringify(fileURLToPath(new URL('./postgres-container.ts', import.meta.url)))};
  const { url } = await startPostgresContainer(${JSON.stringify(root)});
  console.log(url);
  setInterval(() => {}, 1000);
`;

/** Ids of the containers that publish a port. */
async function publishing(port: string): Promise<string[]> {
  const { container } = await containerEngine();
  const all = await container.dockerode.listContainers({ all: true });
  return all
    .filter(({ Ports }) => Ports.some((entry) => String(entry.PublicPort) === port))
    .map(({ Id }) => Id);
}

test('the server of the run is the one of the image that the Compose files name', async () => {
  const client = new pg.Client(await postgresUrl());
  await client.connect();
  const { rows } = await client.query("SELECT current_setting('data_directory') AS directory, version()");
  await client.end();
  expect(rows[0].directory).toBe('/var/lib/postgresql/data');
  const major = /:(\d+)/.exec(imageOf('postgres', composeModels(root)))?.[1];
  expect(rows[0].version).toMatch(new RegExp(`^PostgreSQL ${major}\\.`));
  const { container } = await containerEngine();
  const [id] = await publishing(new URL(await postgresUrl()).port);
  const { Config } = await container.inspect(container.getById(id as string));
  expect(Config.Image).toBe(imageOf('postgres', composeModels(root)));
});

test('after a SIGKILL of the process that started it, a container is gone', async () => {
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
  const { port } = new URL(line.trim());
  const [id] = await publishing(port);
  expect(id).toBeDefined();
  parent.kill('SIGKILL');
  const { container } = await containerEngine();
  const left = async () => {
    const all = await container.dockerode.listContainers({ all: true });
    return all.filter(({ Id }) => Id === id).length;
  };
  await expect.poll(left, { timeout: 20_000, interval: 200 }).toBe(0);
}, 60_000);

test('what a dead run left is removed by the next, and that of another place is not', async () => {
  const engine = await containerEngine();
  const image = imageOf('postgres', composeModels(root));
  const dead = { pid: 2 ** 30, startTime: '1', bootId: '' };
  const make = (owner: object) =>
    engine.container.create({
      Image: image,
      Labels: {
        'dev.stackyard.test-run': 'dead',
        'dev.stackyard.test-owner': JSON.stringify(owner),
      },
    });
  const namespace = readlinkSync('/proc/self/ns/pid');
  const left = await make({ ...dead, host: hostname(), namespace });
  const elsewhere = await make({ ...dead, host: 'elsewhere', namespace });
  try {
    await removeStaleRuns(engine);
    const ids = (await engine.container.dockerode.listContainers({ all: true })).map(({ Id }) => Id);
    expect(ids).not.toContain(left.id);
    expect(ids).toContain(elsewhere.id);
  } finally {
    await elsewhere.remove({ force: true, v: true });
  }
});

test('without a Docker engine the suite fails with one sentence', async () => {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const child = execFile(process.execPath, [vitest, 'run', '--mode', 'containers'], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DOCKER_HOST: 'tcp://127.0.0.1:1' },
  });
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(errors.trim()).toMatch(/^The container tests need a Docker engine and none answers: [^\n]*$/);
}, 60_000);
