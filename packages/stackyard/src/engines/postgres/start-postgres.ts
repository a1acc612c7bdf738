import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Binaries, exists, findBinaries } from './binaries.ts';
import { createCluster } from './cluster.ts';
import { placeBinaries } from './placement.ts';
import { type Server, startServer } from './server.ts';
import { firstUnreachable, type ServerUser, serverUser } from './server-user.ts';

export interface StartPostgresOptions {
  /** Where the data stays. Without it they live in memory or in the temporary folder, and go when the server stops. */
  readonly dataDirectory?: string;
  /** A free one where absent. */
  readonly port?: number;
  /** `none` (the default) never waits for the disk: fast, and lost in a crash. `full` is PostgreSQL's default. */
  readonly durability?: 'none' | 'full';
  readonly superuser?: string;
  /** A random one where absent; needed to open a data directory again. */
  readonly password?: string;
  /** Server parameters on top, such as `{ max_connections: '300' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A PostgreSQL that runs until it is disposed of, or until this process ends, however it ends. */
export interface RunningPostgres extends AsyncDisposable {
  /** Connection URL of the superuser, for the database `postgres`. */
  readonly url: string;
  readonly port: number;
  /** Such as `17.10`. */
  readonly version: string;
  /** Process id of the postmaster. */
  readonly pid: number;
  readonly dataDirectory: string;
}

/**
 * Starts a PostgreSQL for tests and benchmarks, in about a second.
 *
 * ```ts
 * await using postgres = await startPostgres();
 * const client = createClient({ url: postgres.url });
 * ```
 *
 * @throws EngineError
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<RunningPostgres> {
  const user = await serverUser();
  const { binaries } = await placeBinaries(await findBinaries(), user);
  const durability = options.durability ?? 'none';
  const superuser = options.superuser ?? 'postgres';
  const password = options.password ?? randomBytes(18).toString('base64url');
  const temporary =
    options.dataDirectory === undefined ? await temporaryDirectory(binaries, user) : undefined;
  const dataDirectory = resolve(options.dataDirectory ?? join(temporary as string, 'data'));
  let server: Server;
  try {
    if (!(await exists(join(dataDirectory, 'PG_VERSION')))) {
      const durable = durability === 'full';
      const { signal } = options;
      // Many rounds of hashing protect a weak password; a random one needs them not, and connects faster.
      const initdbArgs = options.password === undefined ? ['--set', 'scram_iterations=1'] : [];
      await createCluster({
        binaries,
        user,
        dataDirectory,
        superuser,
        password,
        initdbArgs,
        durable,
        signal,
      });
    }
    server = await startServer({
      binaries,
      user,
      dataDirectory,
      port: options.port,
      settings: { ...(durability === 'none' ? volatile : {}), ...options.settings },
      temporary,
      signal: options.signal,
    });
  } catch (error) {
    if (temporary) await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  const credentials = `${encodeURIComponent(superuser)}:${encodeURIComponent(password)}`;
  return {
    url: `postgresql://${credentials}@127.0.0.1:${server.port}/postgres`,
    port: server.port,
    version: binaries.version,
    pid: server.pid,
    dataDirectory,
    async [Symbol.asyncDispose]() {
      await server.stop(temporary ? 'SIGQUIT' : 'SIGINT');
      if (temporary) await rm(temporary, { recursive: true, force: true });
    },
  };
}

/** Nothing waits for the disk, and nothing runs in the background that would disturb a measurement. */
const volatile = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  checkpoint_timeout: '1d',
  max_wal_size: '1GB',
  autovacuum: 'off',
};

/** A container's /dev/shm is often 64 MB: too small for a cluster and its test databases. */
const roomNeeded = 1024 ** 3;

async function temporaryDirectory(binaries: Binaries, user: ServerUser | undefined): Promise<string> {
  const candidates = [...(process.platform === 'linux' ? ['/dev/shm'] : []), tmpdir(), '/var/tmp'];
  for (const candidate of candidates) {
    const room = await statfs(candidate).catch(() => undefined);
    if (!room || (room.bavail * room.bsize < roomNeeded && candidate === '/dev/shm')) continue;
    const directory = await mkdtemp(join(candidate, `stackyard-postgres-${binaries.version}-`)).catch(
      () => undefined,
    );
    if (directory === undefined) continue;
    if (!user) return directory;
    await chown(directory, user.uid, user.gid);
    await chmod(directory, 0o700);
    if ((await firstUnreachable(user, [directory])) === undefined) return directory;
    await rm(directory, { recursive: true, force: true });
  }
  throw new Error(`No temporary folder that ${user?.name ?? 'this user'} can use: ${candidates.join(', ')}`);
}
