import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { issueAdminKey } from '@stackyard/convex-selfhost';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { EngineContext, Launch } from '../../engine.ts';
import { convex } from './engine.ts';

let folder: string;
let ports: number[];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'convex engine '));
  ports = [await freePort(), await freePort()];
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function context(
  environment: Record<string, string> = {},
  hostVariables: Record<string, string> = { PATH: process.env.PATH! },
): EngineContext {
  return {
    serviceName: 'convex',
    service: {},
    options: {},
    root: folder,
    environment,
    hostVariables,
    mount: (target) => (target === '/convex/data' ? path.join(folder, 'data') : undefined),
    address: (port) => ({ host: '127.0.0.1', port: ports[port === 3210 ? 0 : 1]! }),
    stateDirectory: path.join(folder, 'state'),
    progress: () => {},
    signal: new AbortController().signal,
  };
}

function run(launch: Launch) {
  return spawn(launch.command, launch.args, { env: launch.environment, cwd: launch.cwd, stdio: 'ignore' });
}

async function untilReady(launch: Launch): Promise<void> {
  await vi.waitFor(() => launch.ready(AbortSignal.timeout(1000)), { timeout: 15_000, interval: 50 });
}

test('the local deployment serves, and takes the keys of its own instance alone', async () => {
  const launch = await convex.prepare(context({ INSTANCE_NAME: 'agents' }));
  expect(launch.args.join(' ')).not.toContain(launch.environment.INSTANCE_SECRET!);
  const child = run(launch);
  try {
    await untilReady(launch);
    const check = async (instanceName: string) => {
      const key = issueAdminKey({ instanceName, instanceSecret: launch.environment.INSTANCE_SECRET! });
      const headers = { authorization: `Convex ${key}` };
      return (await fetch(`${launch.url}/api/check_admin_key`, { headers })).status;
    };
    expect(await check('agents')).toBe(200);
    expect(await check('others')).toBe(401);
  } finally {
    child.kill(launch.stopSignal);
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
  }
});

test('credentials are kept in the data folder, readable by their owner alone', async () => {
  const first = await convex.prepare(context());
  const second = await convex.prepare(context());
  expect(second.environment.INSTANCE_SECRET).toBe(first.environment.INSTANCE_SECRET);
  const file = path.join(folder, 'data', 'credentials', 'instance_secret');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await expect(convex.prepare(context({ INSTANCE_SECRET: 'f'.repeat(64) }))).rejects.toMatchObject({
    code: 'ENGINE_CONVEX_CREDENTIALS',
  });
});

test('CONVEX_BACKEND_BIN runs the real binary with its documented flags', async () => {
  const binary = path.join(folder, 'convex-local-backend');
  const seen = path.join(folder, 'arguments');
  writeFileSync(binary, `#!/bin/sh\nprintf '%s\\n' "$@" > '${seen}'\n`, { mode: 0o755 });
  const launch = await convex.prepare(
    context({ INSTANCE_NAME: 'agents', DISABLE_BEACON: 'true' }, { CONVEX_BACKEND_BIN: binary }),
  );
  expect(launch.args.join(' ')).not.toContain(launch.environment.INSTANCE_SECRET!);
  await once(run(launch), 'exit');
  expect(readFileSync(seen, 'utf8').trim().split('\n')).toEqual([
    ...['--instance-name', 'agents'],
    ...['--instance-secret', launch.environment.INSTANCE_SECRET],
    ...['--interface', '127.0.0.1'],
    ...['--port', String(ports[0])],
    ...['--site-proxy-port', String(ports[1])],
    ...['--local-storage', path.join(folder, 'data', 'storage')],
    '--disable-beacon',
    path.join(folder, 'data', 'db.sqlite3'),
  ]);
});

test('a CONVEX_BACKEND_BIN that cannot be run is refused', async () => {
  const missing = { CONVEX_BACKEND_BIN: path.join(folder, 'nothing') };
  await expect(convex.prepare(context({}, missing))).rejects.toMatchObject({ code: 'ENGINE_CONVEX_BINARY' });
});
