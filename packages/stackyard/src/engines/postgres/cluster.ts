import { chmod, chown, mkdir, mkdtemp, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { mounted } from './placement.ts';
import { run } from './run.ts';
import type { ServerUser } from './server-user.ts';

export interface ClusterOptions {
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly dataDirectory: string;
  readonly superuser: string;
  readonly password: string;
  /** How clients over TCP prove who they are; `scram-sha-256` where absent. */
  readonly hostAuth?: string | undefined;
  readonly initdbArgs?: readonly string[] | undefined;
  /** False skips the final sync to disk, for data that nobody keeps. */
  readonly durable: boolean;
  /** Completes the cluster at its private place, before it gets its name. */
  readonly complete?: ((privateDirectory: string) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a data directory: UTF-8, the locale C.UTF-8 built into PostgreSQL (the same order on every machine), data
 * checksums, UTC. It is built under a private name and renamed at the end: an interruption at any moment leaves no
 * half-made data directory, and the next call clears the rest away.
 */
export async function createCluster(options: ClusterOptions): Promise<void> {
  const parent = dirname(options.dataDirectory);
  const prefix = `.${basename(options.dataDirectory)}.init-`;
  await mkdir(parent, { recursive: true });
  for (const left of await readdir(parent)) {
    if (left.startsWith(prefix)) await rm(join(parent, left), { recursive: true, force: true });
  }
  const workshop = await mkdtemp(join(parent, prefix));
  try {
    // The password goes through a file that only the server's user can read: an argument would show in `ps`.
    const passwordFile = join(workshop, 'password');
    await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 });
    await chmod(workshop, 0o700);
    if (options.user) {
      for (const path of [passwordFile, workshop]) await chown(path, options.user.uid, options.user.gid);
    }
    const data = join(workshop, 'data');
    await run(options.binaries.initdb, initdbArguments(options, data, passwordFile), {
      user: options.user,
      cwd: workshop,
      signal: options.signal,
    });
    await options.complete?.(data);
    options.signal?.throwIfAborted();
    await rmdir(options.dataDirectory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EBUSY') throw mounted(options.dataDirectory, error);
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(data, options.dataDirectory);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

function initdbArguments(options: ClusterOptions, data: string, passwordFile: string): string[] {
  const characters = { linux: 'C.UTF-8', darwin: 'en_US.UTF-8' }[process.platform as string] ?? 'C';
  return [
    ...['--pgdata', data, '--username', options.superuser, '--pwfile', passwordFile],
    ...['--auth-local', 'scram-sha-256', '--auth-host', options.hostAuth ?? 'scram-sha-256'],
    ...['--encoding', 'UTF8', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    ...['--locale', 'C', '--lc-ctype', characters, '--data-checksums', '--no-instructions'],
    ...['--set', 'timezone=UTC', '--set', 'log_timezone=UTC'],
    ...(options.durable ? [] : ['--no-sync']),
    ...(options.initdbArgs ?? []),
  ];
}
