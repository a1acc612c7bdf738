import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type Check, checkup } from '../src/doctor/index.ts';
import { findWorkspace } from '../src/workspace.ts';
import { ContractWorkspace, freePorts } from './contract/workspace.ts';

async function workspaceOn(port: number): Promise<ContractWorkspace> {
  const workspace = new ContractWorkspace('embedded', {
    shop: {
      services: {},
      others: {
        postgres: {
          image: 'postgres:17',
          environment: { POSTGRES_PASSWORD: `\${SHOP_PASSWORD:-secret}` },
          ports: [`127.0.0.1:\${SHOP_PORT:-${port}}:5432`],
          volumes: ['./data/shop/postgres:/var/lib/postgresql/data'],
          'x-embedded': { engine: 'postgres' },
        },
      },
    },
  });
  workspace.write('package.json', '{ "packageManager": "pnpm@12.0.0" }');
  return workspace;
}

test('a sound checkout passes, each check on its line', async () => {
  const [port] = await freePorts(1);
  await using workspace = await workspaceOn(port!);
  const { code, stdout } = await workspace.run(['doctor']);
  expect(stdout).not.toContain('failure');
  expect(code).toBe(0);
  const subjects = stdout.split('\n').map((line) => line.slice(9).split('  ')[0]);
  for (const subject of ['node', 'pnpm', 'docker', 'disk', 'memory', 'clock', 'shop ports', 'env files'])
    expect(subjects).toContain(subject);
});

test('what is odd is a warning with its fix, and ends with 0', async () => {
  const [port] = await freePorts(1);
  await using workspace = await workspaceOn(port!);
  workspace.write(
    '.env',
    "SHOP_PASSWORD=pa$$wo#rd\nSHOP_PASWORD=`x`\n# a comment with $\nQUOTED='$#`'\nCUT=ab$cd\nMEANT=$CUT$PATH\n",
  );
  chmodSync(path.join(workspace.root, '.env'), 0o644);
  utimesSync(path.join(workspace.root, 'package.json'), 4e9, 4e9);
  const { code, stdout } = await workspace.run(['doctor', '--json']);
  expect(code).toBe(0);
  const warnings = (JSON.parse(stdout) as Check[]).filter(({ result }) => result === 'warning');
  expect(warnings.every(({ fix }) => fix)).toBe(true);
  const messages = warnings.map(({ message }) => message).join('\n');
  expect(messages).toContain('.env can be read by every user');
  expect(messages).toContain('.env:1 has an unquoted $');
  expect(messages).toContain('.env:2 has an unquoted `');
  expect(messages).toContain('.env sets SHOP_PASWORD, which nothing reads');
  expect(messages).toContain('files of this checkout are');
  expect(messages).toContain('.env:5 has an unquoted $');
  expect(messages).not.toMatch(/\.env:[346]/);
});

test('the engine that the env file of a variant names is asked for too', async () => {
  const [port] = await freePorts(1);
  await using workspace = await workspaceOn(port!);
  workspace.variant('other', { services: {} });
  workspace.write('.env', 'DOCKER_HOST=unix:///nowhere-of-all.sock\n');
  workspace.write(
    'apps/shop/.env',
    'STACKYARD_DRIVER=docker\nDOCKER_HOST=unix:///nowhere-of-the-shop.sock\n',
  );
  // There is no other program than this one.
  workspace.write('docker', '#!/bin/sh\necho "cannot connect to $DOCKER_HOST" >&2; exit 1\n');
  chmodSync(path.join(workspace.root, 'docker'), 0o755);
  const checks = await checkup(findWorkspace(workspace.root), { PATH: workspace.root });
  const ofDocker = checks.filter(({ subject }) => subject.endsWith('docker'));
  expect(ofDocker.map(({ subject, result, message }) => [subject, result, message])).toEqual([
    ['docker', 'warning', 'no Docker engine answers at unix:///nowhere-of-all.sock'],
    ['shop docker', 'failure', 'no Docker engine answers at unix:///nowhere-of-the-shop.sock'],
  ]);
});

test('a disk that only the data lie on is looked at too', async () => {
  const [port] = await freePorts(1);
  await using workspace = await workspaceOn(port!);
  // A memory disk, as Linux has it.
  const memory = '/dev/shm';
  const isOther = statSync(memory, { throwIfNoEntry: false })?.dev !== statSync(workspace.root).dev;
  if (process.platform !== 'linux' || !isOther) return;
  const elsewhere = mkdtempSync(path.join(memory, 'doctor-'));
  try {
    symlinkSync(elsewhere, path.join(workspace.root, 'data'));
    for (const folder of [workspace.root, elsewhere]) chmodSync(folder, 0o755); // root's server has to enter them
    const { stdout } = await workspace.run(['doctor', '--json']);
    expect((JSON.parse(stdout) as Check[]).find(({ subject }) => subject === 'shop disk')?.message).toMatch(
      /^data\/shop\/postgres: .* free$/,
    );
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
});

test('a folder in the place of an env file is named, and the other checks go on', async () => {
  const [port] = await freePorts(1);
  await using workspace = await workspaceOn(port!);
  mkdirSync(path.join(workspace.root, '.env'));
  const checks = await checkup(findWorkspace(workspace.root), { PATH: workspace.root });
  expect(checks.find(({ subject }) => subject === 'shop files')).toMatchObject({
    result: 'failure',
    message: expect.stringContaining('.env: it cannot be read: EISDIR'),
  });
  expect(checks.at(-1)?.subject).toBe('env files');
});

const memory = '/dev/shm';
const isRootWithMemoryDisk =
  process.getuid?.() === 0 &&
  existsSync(memory) &&
  statSync(memory).dev !== statSync('/var/lib', { throwIfNoEntry: false })?.dev;
test.runIf(isRootWithMemoryDisk)(
  'so is the disk that root will put them on, where the user of the server cannot enter the checkout',
  async () => {
    const root = mkdtempSync(path.join(memory, 'doctor-')); // nobody else enters it
    try {
      const service = { image: 'postgres:17', volumes: ['./data/shop/postgres:/var/lib/postgresql/data'] };
      const services = { postgres: { ...service, 'x-embedded': { engine: 'postgres' } } };
      for (const [folder, content] of Object.entries({
        infra: { base: { image: 'x' } },
        'apps/shop': services,
      })) {
        mkdirSync(path.join(root, folder), { recursive: true });
        writeFileSync(path.join(root, folder, 'compose.yaml'), JSON.stringify({ services: content }));
      }
      writeFileSync(path.join(root, 'apps/shop/package.json'), '{ "name": "shop" }');
      const checks = await checkup(findWorkspace(root), { PATH: root });
      expect(checks.find(({ subject }) => subject === 'shop disk')?.message).toMatch(
        /^data\/shop\/postgres \(in \/var\/lib[\w/-]*\): .* free$/,
      );
    } finally {
      rmSync(root, { recursive: true });
    }
  },
);

test('what would stop a start is a failure, and ends with 1', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await using workspace = await workspaceOn(port);
  workspace.write('data/shop/postgres/PG_VERSION', '16\n');
  const { code, stdout } = await workspace.run(['doctor', '--json']);
  server.close();
  expect(code).toBe(1);
  const failures = (JSON.parse(stdout) as Check[]).filter(({ result }) => result === 'failure');
  expect(failures).toEqual([
    {
      subject: 'shop ports',
      result: 'failure',
      message: expect.stringContaining(`${port} (postgres) is held by pid ${process.pid}`),
      fix: expect.stringMatching(/SHOP_PORT=\d+.*--isolated/),
    },
    {
      subject: 'shop data',
      result: 'failure',
      message: expect.stringContaining('were made by PostgreSQL 16; this is PostgreSQL 17'),
      fix: expect.stringContaining('Three ways out'),
    },
  ]);
});
