import { once } from 'node:events';
import { createServer } from 'node:net';
import { spawnGuarded } from '../../spawn-guarded.ts';
import { EngineError } from '../engine-error.ts';
import type { Binaries } from './binaries.ts';
import { failure, serverEnvironment } from './run.ts';
import type { ServerUser } from './server-user.ts';
import { serverWatchdog } from './watchdog.ts';

export interface ServerOptions {
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly dataDirectory: string;
  /** A free port is chosen where absent. */
  readonly port?: number | undefined;
  /** Server parameters, on top of the configuration files. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Deleted by the watchdog if this process dies. */
  readonly temporary?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A server that this process started and watches. */
export interface Server {
  readonly port: number;
  readonly pid: number;
  /** SIGINT rolls open transactions back and checkpoints; SIGQUIT leaves at once, as a crash would. */
  stop(signal: 'SIGINT' | 'SIGQUIT'): Promise<void>;
}

/** The command line of a server: TCP on 127.0.0.1 only, everything else as the data directory says. */
export function serverArguments(
  dataDirectory: string,
  port: number,
  settings: Readonly<Record<string, string>> = {},
): string[] {
  const all = { listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '', ...settings };
  return ['-D', dataDirectory, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** Starts a server and resolves when it accepts connections. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const attempts = options.port === undefined ? 5 : 1;
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    try {
      return await startOn(port, options);
    } catch (error) {
      // Another process may take the port between our look and the server's bind.
      if (!(error instanceof EngineError && error.code === 'ENGINE_PORT_BUSY') || attempt === attempts)
        throw error;
    }
  }
}

async function startOn(port: number, options: ServerOptions): Promise<Server> {
  options.signal?.throwIfAborted();
  let guard: Disposable | undefined;
  const child = spawnGuarded(
    options.binaries.postgres,
    serverArguments(options.dataDirectory, port, options.settings),
    {
      ...(options.user && { uid: options.user.uid, gid: options.user.gid }),
      cwd: options.dataDirectory,
      env: serverEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: process.platform !== 'win32',
    },
    (pid) => {
      guard = serverWatchdog(pid, options.temporary);
    },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  failed.catch(() => {});
  if (child.pid === undefined) return failed;
  const pid = child.pid;
  void ended.then(() => guard?.[Symbol.dispose]());

  let log = '';
  const accepting = new Promise<void>((resolve) => {
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      log = (log + chunk).slice(-16_384);
      if (log.includes('database system is ready to accept connections')) resolve();
    });
  });
  const abort = () => child.kill('SIGQUIT');
  options.signal?.addEventListener('abort', abort);
  try {
    const outcome = await Promise.race([
      accepting.then(() => 'accepting'),
      ended.then(() => 'ended'),
      failed,
    ]);
    options.signal?.throwIfAborted();
    if (outcome === 'ended') {
      throw /could not bind|could not create any TCP/.test(log)
        ? new EngineError('ENGINE_PORT_BUSY', `Port ${port} is taken`, 'Choose another port.')
        : failure('PostgreSQL ended while it started', log);
    }
  } catch (error) {
    abort();
    await ended;
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
  return {
    port,
    pid,
    async stop(signal) {
      const kill = setTimeout(() => child.kill('SIGKILL'), 15_000);
      child.kill(signal);
      await ended;
      clearTimeout(kill);
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has no port');
  return address.port;
}
