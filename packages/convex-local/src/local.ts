import { mkdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { generateInstanceSecret } from '@stackyard/convex-selfhost';
import { WebSocketServer } from 'ws';
import { Access } from './server/access.ts';
import { type CheckKey, keysIssuedFor } from './server/admin-key.ts';
import { Authenticator } from './server/authenticator.ts';
import { applyCors } from './server/cors.ts';
import { EngineHost } from './server/engine-host.ts';
import { FunctionLogs } from './server/function-logs.ts';
import { handleApi } from './server/http-api.ts';
import { requestUrl, sendError } from './server/http-body.ts';
import { LiveRegistry } from './server/live-registry.ts';
import { Site } from './server/site.ts';
import { SyncSession } from './server/sync-session.ts';

export interface ConvexLocalOptions {
  /** Folder for documents, code and files; made when it is not there. */
  readonly dataDirectory: string;
  /** Port of the API; 0 takes a free one. */
  readonly port: number;
  /** Port of HTTP actions; 0 takes a free one. */
  readonly sitePort: number;
  readonly instanceName: string;
  /** Admin keys and the urls of uploads come from it: 64 hexadecimal digits, new ones at each start unless given. */
  readonly instanceSecret?: string;
  /** Says whether an admin key is good here; those issued from the instance's name and secret unless told. */
  readonly checkKey?: CheckKey;
  /** Address to listen on, `127.0.0.1` by default. */
  readonly host?: string;
  /** Origins that clients use from outside, where they differ from the addresses listened on. */
  readonly cloudOrigin?: string;
  readonly siteOrigin?: string;
  /** One line for the person who watches. */
  readonly log?: (line: string) => void;
  /** Time a query or mutation may take, milliseconds; 1000 by default, as on Convex. */
  readonly functionTimeoutMs?: number;
  /** Time an action may take, milliseconds; ten minutes by default, as on Convex. */
  readonly actionTimeoutMs?: number;
}

/** A deployment that serves. Dispose it to stop. */
export interface RunningConvexLocal extends AsyncDisposable {
  readonly url: string;
  readonly siteUrl: string;
  readonly ports: { readonly api: number; readonly site: number };
}

const NOTICE = 'convex-local: for development and tests, not for production';
const MAX_FRAME_BYTES = 32 * 1024 * 1024;

async function listen(server: Server, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** The host's variables that npm needs: paths, proxies, its own configuration. */
function withoutSecrets(environment: NodeJS.ProcessEnv): Record<string, string | undefined> {
  const wanted = /^(PATH|HOME|USERPROFILE|TMPDIR|TEMP|TMP|LANG|NODE_EXTRA_CA_CERTS|npm_config_.*|.*_proxy)$/i;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => wanted.test(name)));
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

function serverFor(handler: () => Handler): Server {
  return createServer((request, response) => {
    if (applyCors(request, response)) return;
    handler()(request, response).catch((error) => sendError(response, error));
  });
}

/** Starts a Convex deployment for development and tests. Resolves when it serves. */
export async function startConvexLocal(options: ConvexLocalOptions): Promise<RunningConvexLocal> {
  const {
    host = '127.0.0.1',
    log = () => {},
    instanceSecret = generateInstanceSecret(),
    functionTimeoutMs = 1000,
    actionTimeoutMs = 600_000,
  } = options;
  const instance = { instanceName: options.instanceName, instanceSecret };
  mkdirSync(options.dataDirectory, { recursive: true, mode: 0o700 });
  await using releasers = new AsyncDisposableStack();
  const notReady: Handler = async (_, response) => void response.writeHead(503).end('starting');
  let handleRequest = notReady;
  let handleSite = notReady;
  const apiServer = serverFor(() => handleRequest);
  const siteServer = serverFor(() => handleSite);
  releasers.defer(() => stop(apiServer));
  releasers.defer(() => stop(siteServer));
  const api = await listen(apiServer, options.port, host);
  const site = await listen(siteServer, options.sitePort, host);
  const url = options.cloudOrigin ?? `http://${host}:${api}`;
  const siteUrl = options.siteOrigin ?? `http://${host}:${site}`;

  const engine = new EngineHost({
    dataDirectory: path.resolve(options.dataDirectory),
    instance,
    cloudUrl: url,
    siteUrl,
    functionTimeoutMs,
    actionTimeoutMs,
    hostEnvironment: withoutSecrets(process.env),
    hangAfterMs: functionTimeoutMs * 2,
  });
  releasers.defer(() => engine.close());
  const authenticator = new Authenticator();
  const access = new Access(options.checkKey ?? keysIssuedFor(instance), authenticator, engine, log);
  const registry = new LiveRegistry();
  const logs = new FunctionLogs();
  const sessions = new Set<SyncSession>();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
  });
  releasers.defer(() => {
    logs.close();
    for (const client of sockets.clients) client.terminate();
    sockets.close();
  });
  engine.listen((event) => {
    if (event.event === 'state') registry.apply(event);
    else if (event.event === 'execution') logs.add(event.execution);
    else if (event.event === 'deployed') authenticator.reset();
    else if (event.event === 'ready') {
      log(`${event.documents} documents`);
      for (const { file, soundBytes, lostBytes, keptAs } of event.damage) {
        const what =
          lostBytes > 0
            ? `what came before is here, the other ${lostBytes} bytes are`
            : 'all that it held is here, from what it was made of; it is';
        log(`${file} is damaged from byte ${soundBytes} on: ${what} kept as ${keptAs}`);
      }
    }
  });
  engine.onRestart = (reason) => {
    log(`the engine is restarted: ${reason}`);
    registry.clear();
    for (const session of sessions) session.close(1012, 'EngineRestarted');
  };
  log(NOTICE);
  await engine.start();

  const siteHandler = new Site(engine, access);
  const services = { host: engine, access, logs, instanceName: options.instanceName, cloudUrl: url, siteUrl };
  handleRequest = async (request, response) => {
    const target = requestUrl(request, url);
    if (target.pathname === '/http' || target.pathname.startsWith('/http/')) {
      target.pathname = target.pathname.slice('/http'.length) || '/';
      return await siteHandler.handle(request, response, target);
    }
    await handleApi({ ...services, request, response, url: target });
  };
  handleSite = async (request, response) =>
    await siteHandler.handle(request, response, requestUrl(request, siteUrl));
  apiServer.on('upgrade', (request, socket, head) => {
    if (!/^\/api\/(?:[^/]+\/)?sync(?:\?|$)/.test(request.url ?? '')) {
      socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      const session = new SyncSession(client, { host: engine, access, registry, log });
      sessions.add(session);
      client.on('close', () => sessions.delete(session));
    });
  });
  const owned = releasers.move();
  return { url, siteUrl, ports: { api, site }, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
