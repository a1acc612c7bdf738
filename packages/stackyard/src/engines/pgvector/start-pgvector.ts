import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { createInterface } from 'node:readline';
import { EngineError } from '../engine-error.ts';
import { entry } from './entry.ts';

export interface StartPgvectorOptions {
  /** Where the data stays; made when it is missing. */
  readonly dataDirectory: string;
  /** A free one where absent. */
  readonly port?: number;
  readonly database?: string;
  /** A random one where absent. */
  readonly password?: string;
  /** What Node is started with. `--liftoff-only` starts in half the time and a third of the memory, and computes slower. */
  readonly execArgv?: readonly string[];
}

/** A PostgreSQL with pgvector that runs until it is disposed of. */
export interface RunningPgvector extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
}

/** Starts the engine for tests and benchmarks: about a second on existing data, five to make it. */
export async function startPgvector(options: StartPgvectorOptions): Promise<RunningPgvector> {
  const { dataDirectory, port = 0, database = 'postgres' } = options;
  const password = options.password ?? randomBytes(18).toString('base64url');
  const cache = getCompileCacheDir();
  const child = spawn(process.execPath, [...(options.execArgv ?? []), entry()], {
    env: {
      PATH: process.env.PATH,
      ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }),
      PGVECTOR_PARENT: 'pipe',
      PGVECTOR_DATA: dataDirectory,
      PGVECTOR_HOST: '127.0.0.1',
      PGVECTOR_PORT: String(port),
      POSTGRES_USER: 'postgres',
      POSTGRES_PASSWORD: password,
      POSTGRES_DB: database,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const actual = await portOf(child);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${actual}/${encodeURIComponent(database)}`,
    port: actual,
    pid: child.pid as number,
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  const failed = once(child, 'close').then(() => {
    throw new EngineError('ENGINE_FAILED', `PGlite did not start: ${errors.trim()}`, 'See what it says.');
  });
  const ready = (async () => {
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      const port = /^ready on port (\d+)$/.exec(line)?.[1];
      if (port) return Number(port);
    }
    return failed;
  })();
  failed.catch(() => {});
  return Promise.race([ready, failed]);
}
