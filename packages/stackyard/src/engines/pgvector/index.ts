import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { postgres as postgresProbe } from '@stackyard/healthchecks';
import pg from 'pg';
import type { Engine, EngineContext, Launch } from '../../engine.ts';
import { hostBasics } from '../../host-environment.ts';
import { EngineError } from '../engine-error.ts';
import { inspect, POSTGRES_MAJOR } from './data-directory.ts';
import { entry } from './entry.ts';

export { type RunningPgvector, type StartPgvectorOptions, startPgvector } from './start-pgvector.ts';

const DATA = '/var/lib/postgresql/data';

/**
 * PostgreSQL with pgvector and without Docker: PGlite (PostgreSQL compiled to WebAssembly) in one Node process,
 * behind the ordinary PostgreSQL protocol.
 *
 * Options in `x-embedded`: `idleInTransactionSeconds` (30), how long an open transaction may be idle while others wait.
 */
export const pgvector: Engine = {
  name: 'pgvector',
  async prepare(context) {
    const directory = context.mount(DATA);
    if (directory === undefined) {
      throw new EngineError(
        'ENGINE_NO_DATA_MOUNT',
        `Service "${context.serviceName}" mounts nothing at ${DATA}, so its data has no place.`,
        `Add a bind mount to the service: "./data/<variant>/postgres:${DATA}".`,
      );
    }
    const user = context.environment.POSTGRES_USER || 'postgres';
    const database = context.environment.POSTGRES_DB || user;
    const password = context.environment.POSTGRES_PASSWORD || undefined;
    const state = await inspect(directory, { engine: 'pgvector', postgres: POSTGRES_MAJOR, user, database });
    if (state === 'empty') context.progress('creating a database with pgvector, about 5 s the first time');
    const { host, port } = context.address(5432);
    const url = new URL(`postgresql://${host}:${port}/${encodeURIComponent(database)}`);
    url.username = user;
    url.password = password ?? '';
    return {
      source: `PGlite ${await version()}, PostgreSQL ${POSTGRES_MAJOR} with pgvector (embedded)`,
      command: process.execPath,
      args: [entry()],
      environment: {
        ...hostBasics(context.hostVariables),
        PGVECTOR_DATA: directory,
        PGVECTOR_HOST: host,
        PGVECTOR_PORT: String(port),
        ...idleLimit(context),
        POSTGRES_USER: user,
        POSTGRES_DB: database,
        ...(password === undefined ? {} : { POSTGRES_PASSWORD: password }),
      },
      cwd: context.stateDirectory,
      stopSignal: 'SIGTERM',
      stopGraceMs: 20_000,
      ready: postgresProbe(url, pg),
      url: url.href,
      note: 'one backend shared by all connections: transactions run one after another, no statement can be interrupted, and what a power cut may lose is up to the operating system',
    } satisfies Launch;
  },
};

function idleLimit({ options }: EngineContext): Record<string, string> {
  const seconds = options.idleInTransactionSeconds;
  if (seconds === undefined) return {};
  if (typeof seconds !== 'number' || !(seconds > 0)) {
    throw new EngineError(
      'ENGINE_OPTION_INVALID',
      'x-embedded.idleInTransactionSeconds is not a number above 0.',
      'Write it as a plain number of seconds, for example 30.',
    );
  }
  return { PGVECTOR_IDLE_IN_TRANSACTION_MS: String(Math.round(seconds * 1000)) };
}

async function version(): Promise<string> {
  const manifest = fileURLToPath(new URL('../package.json', import.meta.resolve('@electric-sql/pglite')));
  return JSON.parse(await readFile(manifest, 'utf8')).version;
}
