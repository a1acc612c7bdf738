import { parentPort, workerData } from 'node:worker_threads';
import { Engine, type EngineOptions, modulesRoot } from './engine.ts';
import { installEnvironment } from './environment.ts';
import { RequestError } from './function-error.ts';
import { runHttpAction } from './http-actions.ts';
import type { EngineCalls, EngineEvent, FromEngine, ToEngine } from './messages.ts';

type Handlers = {
  [Method in keyof EngineCalls]: (
    params: Parameters<EngineCalls[Method]>[0],
  ) => ReturnType<EngineCalls[Method]> | Promise<unknown>;
};

const port = parentPort!;
const send = (message: FromEngine) => port.postMessage(message);
const emit = (event: EngineEvent) => send(event);

// A promise that user code forgot must not end the engine; Convex only logs such a rejection, too.
process.on('unhandledRejection', () => {});

const options = workerData as EngineOptions;
installEnvironment(modulesRoot(options.dataDirectory));
const engine = new Engine(options, emit);
process.on('uncaughtException', (error) => engine.runner.watch.uncaught(error));

const handlers: Handlers = {
  ping: () => null,
  run: (request) => engine.runner.run(request),
  subscribe: async ({ token, queries, caller }) => {
    await engine.subscribe(
      token,
      queries.map((query) => ({ ...query, caller })),
    );
    return null;
  },
  release: (ids) => {
    engine.release(ids);
    return null;
  },
  timestamp: () => engine.timestamp,
  authProviders: () => engine.deployer.current.record.auth,
  publicKeys: () => engine.publicKeys(),
  configHashes: () => engine.deployer.configHashes(),
  startPush: (request) => engine.deployer.start(request),
  waitForSchema: (request) => engine.waitForSchema(request as never),
  finishPush: (request) => engine.finishPush(request as never),
  evaluateSchema: () => ({ componentSchemaEvaluations: {}, newComponentDefinitions: [] }),
  updateEnvironment: async (changes) => {
    await engine.updateEnvironment(changes);
    return null;
  },
  httpAction: (request) => runHttpAction(engine, request, emit),
  storeFile: async ({ token, bytes, contentType, sha256 }) => {
    const component = engine.files.componentOf(token);
    return { storageId: await engine.storeFile(component, bytes, contentType, sha256) };
  },
  findFile: (key) => engine.files.byKey(key),
  export: async ({ includeStorage }) => {
    await engine.transfers.export(engine.timestamp, includeStorage);
    return null;
  },
  exportFile: (ts) => engine.transfers.exportFile(ts),
  startUpload: () => engine.transfers.startUpload(),
  addUploadPart: ({ uploadToken, part, bytes }) => engine.transfers.addPart(uploadToken, part, bytes),
  finishUpload: ({ uploadToken, request }) => engine.transfers.finishUpload(uploadToken, request),
  performImport: async (importId) => {
    await engine.transfers.perform(importId);
    return null;
  },
  runTestQuery: ({ component, source, caller }) => engine.runTestQuery(component, source, caller),
  close: () => {
    engine.close();
    return null;
  },
};

port.on('message', async ({ id, method, params }: ToEngine) => {
  try {
    const handler = handlers[method] as (params: unknown) => unknown;
    send({ id, result: await handler(params) });
  } catch (error) {
    const { status, code } =
      error instanceof RequestError ? error : { status: 500, code: 'InternalServerError' };
    send({ id, error: { message: error instanceof Error ? error.message : String(error), status, code } });
  }
});

try {
  await engine.start();
} catch (error) {
  const { message, code = 'InternalServerError' } = error as Error & { code?: string };
  emit({ event: 'failed', message, code });
}
