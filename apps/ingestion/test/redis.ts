import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { redis, waitUntil } from '@stackyard/healthchecks';

export interface RunningRedis extends AsyncDisposable {
  readonly url: string;
  /** Ends it as a crash would; with `start` it comes back empty. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** The machine's own Redis (Debian: `apt-get install redis-server`), without persistence. */
export async function startRedis(): Promise<RunningRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  const url = `redis://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const args = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      folder,
    ];
    const started = spawn('redis-server', args, { stdio: 'ignore' });
    child = started;
    const failed = once(started, 'error').then(([error]) => {
      throw new Error('redis-server does not start (Debian: apt-get install redis-server)', { cause: error });
    });
    failed.catch(() => {});
    await Promise.race([waitUntil(redis(url), { timeoutMs: 10_000 }), failed]);
  }

  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  await start();
  return {
    url,
    start,
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
