import { accessSync, constants, mkdirSync } from 'node:fs';
import path from 'node:path';
import { http } from '@stackyard/healthchecks';
import type { Engine, EngineContext, Launch } from '../../engine.ts';
import { hostBasics } from '../../host-environment.ts';
import { EngineError } from '../engine-error.ts';
import { type ConvexCredentials, settleCredentials } from './credentials.ts';

const API_PORT = 3210;
const SITE_PORT = 3211;
const DATA_TARGET = '/convex/data';
const BINARY = 'convex-local-backend';
/** The sibling module that runs in the process of its own, in sources and in built packages. */
const LOCAL_PROCESS = path.join(import.meta.dirname, `local-process${path.extname(import.meta.filename)}`);

/**
 * Convex: the real backend where its binary is at hand (`CONVEX_BACKEND_BIN`, or `convex-local-backend` on the
 * PATH), else `@stackyard/convex-local`.
 */
export const convex: Engine = { name: 'convex', prepare: async (context) => plan(context) };

function plan(context: EngineContext): Launch {
  const data = context.mount(DATA_TARGET) ?? context.stateDirectory;
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const credentials = settleCredentials(data, context.environment);
  const binary = findBinary(context.hostVariables);
  return binary === undefined
    ? localLaunch(context, data, credentials)
    : backendLaunch(context, data, credentials, binary);
}

/** The real backend, when the machine has it. */
export function findBinary(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const given = environment.CONVEX_BACKEND_BIN;
  if (given) {
    if (isExecutable(given)) return path.resolve(given);
    throw new EngineError(
      'ENGINE_CONVEX_BINARY',
      `CONVEX_BACKEND_BIN is ${given}, which cannot be run.`,
      'point it at a convex-local-backend binary, or unset it to use the local stand-in',
    );
  }
  return (environment.PATH ?? '')
    .split(path.delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, BINARY))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What both ways of running share: where clients connect, and how to stop. */
function common(context: EngineContext) {
  const { host, port } = context.address(API_PORT);
  const url = `http://${host}:${port}`;
  return {
    url,
    ready: http(new URL('/version', url)),
    stopSignal: (context.service.stop_signal as NodeJS.Signals | undefined) ?? 'SIGINT',
    stopGraceMs: 10_000,
  };
}

function localLaunch(context: EngineContext, data: string, credentials: ConvexCredentials): Launch {
  const site = context.address(SITE_PORT);
  const api = context.address(API_PORT);
  return {
    ...common(context),
    source: 'convex-local (embedded; development and tests only)',
    command: process.execPath,
    args: [LOCAL_PROCESS],
    environment: {
      ...hostBasics(context.hostVariables),
      // Node then compiles the sources once and not at each start.
      NODE_COMPILE_CACHE: path.join(context.stateDirectory, 'compile-cache'),
      ...context.environment,
      INSTANCE_NAME: credentials.instanceName,
      INSTANCE_SECRET: credentials.instanceSecret,
      CONVEX_LOCAL_DATA: path.join(data, 'local'),
      CONVEX_LOCAL_HOST: api.host,
      CONVEX_LOCAL_PORT: String(api.port),
      CONVEX_LOCAL_SITE_PORT: String(site.port),
    },
    cwd: context.root,
    note: 'not the real Convex: for development and tests, not for production',
  };
}

function backendLaunch(
  context: EngineContext,
  data: string,
  credentials: ConvexCredentials,
  binary: string,
): Launch {
  const { environment } = context;
  const api = context.address(API_PORT);
  const site = context.address(SITE_PORT);
  const cluster = environment.POSTGRES_URL;
  return {
    ...common(context),
    source: 'convex-local-backend (binary)',
    // The backend takes its secret on the command line only. The shell puts it there and becomes the backend, so
    // that the secret stays out of everything Stackyard keeps.
    command: '/bin/sh',
    args: [
      '-c',
      'exec "$CONVEX_BACKEND_BIN" --instance-name "$INSTANCE_NAME" --instance-secret "$INSTANCE_SECRET" "$@"',
      BINARY,
      ...['--interface', api.host],
      ...['--port', String(api.port)],
      ...['--site-proxy-port', String(site.port)],
      ...['--local-storage', path.join(data, 'storage')],
      ...(cluster ? ['--db', 'postgres-v5'] : []),
      ...(environment.DO_NOT_REQUIRE_SSL ? ['--do-not-require-ssl'] : []),
      ...(environment.DISABLE_BEACON ? ['--disable-beacon'] : []),
      cluster || path.join(data, 'db.sqlite3'),
    ],
    environment: {
      ...hostBasics(context.hostVariables),
      ...environment,
      INSTANCE_NAME: credentials.instanceName,
      INSTANCE_SECRET: credentials.instanceSecret,
      CONVEX_BACKEND_BIN: binary,
    },
    cwd: data,
  };
}
