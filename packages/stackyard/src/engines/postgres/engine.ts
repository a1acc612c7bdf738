import { readdir, readFile, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HealthError, postgres as probe } from '@stackyard/healthchecks';
import type { Engine, EngineContext, Launch } from '../../engine.ts';
import { EngineError } from '../engine-error.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { createCluster } from './cluster.ts';
import { checkExistingData } from './existing-data.ts';
import { type ImageEnvironment, readImageEnvironment } from './image-environment.ts';
import { readInitScripts } from './init-scripts.ts';
import { clearLeftovers } from './leftovers.ts';
import { placeBinaries, placeData } from './placement.ts';
import { provision } from './provision.ts';
import { serverEnvironment } from './run.ts';
import { serverArguments } from './server.ts';
import { type ServerUser, serverUser, takeOwnership } from './server-user.ts';
import { requestedSettings } from './settings.ts';
import { makeStamp, writeStamp } from './stamp.ts';

/** PostgreSQL from npm, for services that use the official `postgres` image. */
export const postgresEngine: Engine = {
  name: 'postgres',
  async prepare(context) {
    const wanted = await readImageEnvironment(context);
    const installed = await findBinaries();
    const settings = requestedSettings(context, installed.version);
    const mount = dataMount(context);
    const user = await serverUser(mount);
    const { dataDirectory, moved: dataMoved } = await placeData(mount, user);
    const { binaries, moved: binariesMoved } = await placeBinaries(installed, user);
    await prepareData(context, { binaries, user, dataDirectory, wanted });

    const { host, port } = context.address(5432);
    const url = connectionUrl(wanted, host, port);
    const notes = [
      user && `runs as ${user.name}, because PostgreSQL refuses to run as root`,
      binariesMoved && `programs in ${dirname(binaries.directory)}`,
      dataMoved && `data in ${dataDirectory}, because ${user?.name} cannot enter ${dirname(mount)}`,
    ].filter(Boolean);
    return {
      source: `PostgreSQL ${binaries.version} (embedded)`,
      command: binaries.postgres,
      args: serverArguments(dataDirectory, port, settings),
      environment: serverEnvironment(),
      cwd: dataDirectory,
      ...(user && { user: { uid: user.uid, gid: user.gid } }),
      stopSignal: 'SIGINT',
      stopGraceMs: 60_000,
      // Its own processes lead groups of their own: told to hurry, it ends them without a checkpoint, and loses nothing.
      abandonSignal: 'SIGQUIT',
      ready: readiness(url, dataDirectory),
      url: url.href,
      ...(notes.length > 0 && { note: notes.join('; ') }),
    };
  },
};

/** The image's data folder, as `PGDATA` or the image's default names it; the engine's own folder when none is mounted. */
function dataMount(context: EngineContext): string {
  const targets = [context.environment.PGDATA, '/var/lib/postgresql/data'];
  for (const target of targets) {
    const mount = target && context.mount(target);
    if (mount) return mount;
  }
  return join(context.stateDirectory, 'data');
}

interface Data {
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly dataDirectory: string;
  readonly wanted: ImageEnvironment;
}

/** Leaves a data directory that fits the wanted environment, or throws. */
async function prepareData(context: EngineContext, data: Data): Promise<void> {
  const { dataDirectory, wanted, user, binaries } = data;
  const { signal } = context;
  const major = binaries.version.split('.', 1)[0] as string;
  const stamp = await checkExistingData(dataDirectory, major, wanted);
  if (stamp) {
    await takeOwnership(dataDirectory, user);
    await clearLeftovers(dataDirectory, context.progress);
    if (stamp.database === wanted.database) return requireRoom(dataDirectory, 24);
    context.progress(`creating the database ${wanted.database}`);
    await provision({ ...data, scripts: [], signal });
    await writeStamp(dataDirectory, { ...stamp, database: wanted.database }, user);
    return;
  }
  await refuseOtherFiles(dataDirectory);
  await requireRoom(dirname(dataDirectory), 160);
  const scripts = await readInitScripts(context.mount('/docker-entrypoint-initdb.d'));
  context.progress('creating the data directory');
  const { user: superuser, password, database, hostAuth, initdbArgs } = wanted;
  await createCluster({
    ...{ binaries, user, dataDirectory, superuser, password, hostAuth, initdbArgs, signal, durable: true },
    async complete(privateDirectory) {
      await provision({ ...data, dataDirectory: privateDirectory, scripts, signal });
      await writeStamp(
        privateDirectory,
        await makeStamp({ major, user: superuser, database }, password),
        user,
      );
    },
  });
}

function connectionUrl(wanted: ImageEnvironment, host: string, port: number): URL {
  const url = new URL(`postgresql://${host}:${port}/${encodeURIComponent(wanted.database)}`);
  url.username = encodeURIComponent(wanted.user);
  url.password = encodeURIComponent(wanted.password);
  return url;
}

/**
 * Asks the server once its lock file says that it takes connections: while it recovers from a crash, each question
 * would only be a line of its log.
 */
function readiness(url: URL, dataDirectory: string): Launch['ready'] {
  return async (signal) => {
    const lock = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
    const state = lock.split('\n')[7]?.trim();
    if (state !== 'ready') {
      throw new HealthError('HEALTH_UNREADY', `PostgreSQL is ${state || 'not up'}, says its data directory`);
    }
    const { default: pg } = await import('pg');
    await probe(url, pg)(signal);
  };
}

/** A folder with something else in it is never taken for a database's. */
async function refuseOtherFiles(dataDirectory: string): Promise<void> {
  const entries = await readdir(dataDirectory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (entries.length === 0) return;
  throw new EngineError(
    'ENGINE_DATA_FOREIGN',
    `${dataDirectory} holds files, but no PostgreSQL data: ${entries.slice(0, 5).join(', ')}`,
    'Move them away, or mount another folder.',
  );
}

async function requireRoom(folder: string, megabytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = Math.floor((bavail * bsize) / 1024 ** 2);
  if (free >= megabytes) return;
  throw new EngineError(
    'ENGINE_DISK_FULL',
    `The disk that holds ${folder} has ${free} MB left; PostgreSQL needs ${megabytes} MB to start`,
    'Free some space, then try again.',
  );
}
