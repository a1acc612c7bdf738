import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../engine/caller.ts';
import { RequestError } from '../engine/function-error.ts';
import type { RunRequest } from '../engine/messages.ts';
import type { Access } from './access.ts';
import type { EngineHost } from './engine-host.ts';
import { newRequestId, publicMessage } from './error-messages.ts';
import type { FunctionLogs } from './function-logs.ts';
import { decodeUrl, isObject, parseJson, readBody, readJson, sendJson, sendText } from './http-body.ts';
import { receiveUpload, serveFile } from './storage-routes.ts';
import { decodeTimestamp, encodeTimestamp } from './timestamps.ts';
import { serveExport, TRANSFER_ROUTES } from './transfer-routes.ts';

export interface ApiServices {
  readonly host: EngineHost;
  readonly access: Access;
  readonly logs: FunctionLogs;
  readonly instanceName: string;
  readonly cloudUrl: string;
  readonly siteUrl: string;
}

export interface Exchange extends ApiServices {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

type Route = (exchange: Exchange) => Promise<void> | void;

/** What `/version` answers: the revision of Convex's protocol this follows, and that it is not the backend. */
const VERSION = 'stackyard-convex-local';

const FORMATS = new Set(['json', 'convex_encoded_json', 'convex_json', 'encoded_convex_json']);

/** The arguments of a call: an object, or an array that holds one. */
function argumentsOf(given: unknown): Record<string, unknown> {
  const args = (Array.isArray(given) ? given[0] : given) ?? {};
  if (!isObject(args)) throw new RequestError(400, 'BadJsonBody', 'The "args" are not an object.');
  return args;
}

async function runFunction(
  exchange: Exchange,
  kind: RunRequest['kind'],
  call: { path: string; args: unknown; format?: unknown; component?: string; at?: number },
  caller: Caller,
): Promise<void> {
  if (typeof call.path !== 'string') throw new RequestError(400, 'BadJsonBody', 'The body has no "path".');
  if (call.format !== undefined && call.format !== null && !FORMATS.has(String(call.format))) {
    throw new RequestError(400, 'BadFormat', `Unknown format "${call.format}".`);
  }
  const requestId = newRequestId();
  const response = await exchange.host.call('run', {
    kind,
    component: call.component ?? '',
    path: call.path,
    args: argumentsOf(call.args),
    caller,
    requestId,
    // An engine that is restarted in the middle must not apply the mutation twice.
    ...(kind === 'mutation' ? { idempotency: { session: `http-${requestId}`, id: 0 } } : {}),
    ...(call.at === undefined ? {} : { at: call.at }),
  });
  const logs = response.logLines.length === 0 ? {} : { logLines: response.logLines };
  if (!response.success) {
    sendJson(exchange.response, 200, {
      status: 'error',
      errorMessage: publicMessage(requestId, response.message),
      ...(response.data === undefined ? {} : { errorData: response.data }),
      logLines: response.logLines,
    });
    return;
  }
  const rest = JSON.stringify({ ...logs, logLines: response.logLines }).slice(1);
  sendText(
    exchange.response,
    200,
    `{"status":"success","value":${response.value},${rest}`,
    'application/json',
  );
}

function udf(kind: 'query' | 'mutation' | 'action'): Route {
  return async (exchange) => {
    const caller = await exchange.access.caller(exchange.request);
    const body = await readJson(exchange.request);
    await runFunction(exchange, kind, body as { path: string; args: unknown }, caller);
  };
}

/** The arguments of a query in a url. */
async function getQuery(exchange: Exchange): Promise<void> {
  const caller = await exchange.access.caller(exchange.request);
  const { searchParams } = exchange.url;
  const args = parseJson(searchParams.get('args') ?? '{}');
  await runFunction(exchange, 'query', { path: searchParams.get('path') ?? '', args }, caller);
}

async function anyFunction(exchange: Exchange): Promise<void> {
  const caller = await exchange.access.requireAdmin(exchange.request);
  const body = (await readJson(exchange.request)) as { path: string; args: unknown; componentPath?: string };
  await runFunction(exchange, 'any', { ...body, component: body.componentPath ?? '' }, caller);
}

async function queryBatch(exchange: Exchange): Promise<void> {
  const caller = await exchange.access.caller(exchange.request);
  const { queries } = await readJson(exchange.request);
  if (!Array.isArray(queries) || !queries.every((one) => isObject(one) && typeof one.path === 'string')) {
    throw new RequestError(400, 'BadJsonBody', 'The body has no "queries", each with a "path".');
  }
  const results = await Promise.all(
    (queries as Array<{ path: string; args: unknown }>).map(async ({ path, args }) => {
      const requestId = newRequestId();
      const response = await exchange.host.call('run', {
        kind: 'query',
        component: '',
        path,
        args: argumentsOf(args),
        caller,
        requestId,
      });
      return response.success
        ? { status: 'success', value: JSON.parse(response.value), logLines: response.logLines }
        : {
            status: 'error',
            errorMessage: publicMessage(requestId, response.message),
            ...(response.data === undefined ? {} : { errorData: response.data }),
            logLines: response.logLines,
          };
    }),
  );
  sendJson(exchange.response, 200, { results });
}

async function logs(exchange: Exchange): Promise<void> {
  await exchange.access.requireAdmin(exchange.request, false);
  const gone = new AbortController();
  exchange.response.on('close', () => gone.abort());
  const cursor = Number(exchange.url.searchParams.get('cursor') ?? 0);
  sendJson(exchange.response, 200, await exchange.logs.after(cursor, gone.signal));
}

/** An admin route whose body goes to the engine and whose answer comes back. */
function admin(
  method: 'startPush' | 'waitForSchema' | 'finishPush' | 'evaluateSchema' | 'configHashes',
  write = true,
): Route {
  return async (exchange) => {
    const body = await readJson(exchange.request);
    const { authorization } = exchange.request.headers;
    // Older routes carry the key in the body.
    if (authorization === undefined && typeof body.adminKey === 'string')
      await exchange.access.admin(body.adminKey);
    else await exchange.access.requireAdmin(exchange.request, write);
    sendJson(exchange.response, 200, await exchange.host.call(method, body));
  };
}

async function updateEnvironment(exchange: Exchange): Promise<void> {
  await exchange.access.requireAdmin(exchange.request);
  const body = (await readJson(exchange.request)) as {
    changes: Array<{ name: string; value: string | null }>;
  };
  for (const { name, value } of body.changes) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,39}$/.test(name)) {
      throw new RequestError(400, 'EnvVarNameInvalid', `Environment variable name "${name}" is not valid.`);
    }
    if (value != null && Buffer.byteLength(value) > 8192) {
      throw new RequestError(400, 'EnvVarTooLarge', `Environment variable "${name}" is larger than 8 KiB.`);
    }
  }
  await exchange.host.call('updateEnvironment', body.changes);
  sendJson(exchange.response, 200, null);
}

async function testQuery(exchange: Exchange): Promise<void> {
  const caller = await exchange.access.requireAdmin(exchange.request, false);
  const body = (await readJson(exchange.request)) as {
    bundle: { source: string };
    componentId?: string | null;
  };
  const component = body.componentId ?? '';
  const response = await exchange.host.call('runTestQuery', {
    component,
    source: body.bundle.source,
    caller,
  });
  const { logLines } = response;
  sendJson(
    exchange.response,
    200,
    response.success
      ? { status: 'success', value: JSON.parse(response.value), logLines }
      : { status: 'error', errorMessage: publicMessage(newRequestId(), response.message), logLines },
  );
}

const ROUTES: Readonly<Record<string, Route>> = {
  ...TRANSFER_ROUTES,
  'POST /api/run_test_function': testQuery,
  'POST /api/query': udf('query'),
  'GET /api/query': getQuery,
  'POST /api/mutation': udf('mutation'),
  'POST /api/action': udf('action'),
  'POST /api/function': anyFunction,
  'POST /api/query_batch': queryBatch,
  'POST /api/query_ts': async ({ response, host }) =>
    sendJson(response, 200, { ts: encodeTimestamp(await host.call('timestamp', undefined as never)) }),
  'POST /api/query_at_ts': async (exchange) => {
    const caller = await exchange.access.caller(exchange.request);
    const body = (await readJson(exchange.request)) as { path: string; args: unknown; ts: string };
    await runFunction(exchange, 'query', { ...body, at: decodeTimestamp(body.ts) }, caller);
  },
  'GET /api/check_admin_key': async (exchange) => {
    const caller = await exchange.access.requireAdmin(exchange.request, false);
    const isReadOnly = (caller as { readOnly?: boolean }).readOnly === true;
    sendJson(exchange.response, 200, { success: true, allowedOps: null, isReadOnly });
  },
  'POST /echo': async ({ request, response }) => void response.end(await readBody(request)),
  'GET /version': ({ response }) => sendText(response, 200, VERSION),
  'GET /instance_name': ({ response, instanceName }) => sendText(response, 200, instanceName),
  'GET /instance_version': ({ response }) => sendText(response, 200, VERSION),
  'GET /': ({ response }) =>
    sendText(response, 200, 'A Convex deployment for development and tests. Not for production.\n'),
  'GET /.well-known/jwks.json': async ({ response, host }) =>
    sendJson(response, 200, await host.call('publicKeys', undefined as never)),
  'GET /.well-known/openid-configuration': ({ response, cloudUrl }) =>
    sendJson(response, 200, { issuer: cloudUrl, jwks_uri: `${cloudUrl}/.well-known/jwks.json` }),
  'GET /api/v1/get_canonical_urls': async ({ request, response, access, cloudUrl, siteUrl }) => {
    await access.requireAdmin(request, false);
    sendJson(response, 200, { convexCloudUrl: cloudUrl, convexSiteUrl: siteUrl });
  },
  'GET /api/stream_function_logs': logs,
  'GET /api/stream_udf_execution': logs,
  'POST /api/get_config_hashes': admin('configHashes', false),
  'POST /api/deploy2/start_push': admin('startPush'),
  'POST /api/deploy2/evaluate_push': admin('startPush'),
  'POST /api/deploy2/evaluate_schema': admin('evaluateSchema', false),
  'POST /api/deploy2/wait_for_schema': admin('waitForSchema'),
  'POST /api/deploy2/finish_push': admin('finishPush'),
  'POST /api/deploy2/report_push_completed': ({ response }) => sendJson(response, 200, null),
  'POST /api/update_environment_variables': updateEnvironment,
  'POST /api/storage/upload': receiveUpload,
};

/** Answers one request to the API port. */
export async function handleApi(exchange: Exchange): Promise<void> {
  const { request, response, url } = exchange;
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const known =
    ROUTES[`${method} ${url.pathname}`] ??
    ROUTES[`${method} ${url.pathname.replace(/^\/api\/\d+\.\d+\.\d+(-[\w.]+)?\//, '/api/')}`];
  if (known !== undefined) return await known(exchange);
  if (method === 'GET' && url.pathname.startsWith('/api/storage/')) return await serveFile(exchange);
  if (method === 'GET' && url.pathname.startsWith('/api/export/zip/')) return await serveExport(exchange);
  const run = /^\/api\/run\/(.+)$/.exec(url.pathname);
  if (method === 'POST' && run !== null) {
    const caller = await exchange.access.caller(request);
    const steps = decodeUrl(run[1]!).split('/');
    const name = steps.pop()!;
    const path = steps.length === 0 ? name : `${steps.join('/')}:${name}`;
    return await runFunction(exchange, 'any', { path, args: (await readJson(request)).args }, caller);
  }
  sendJson(response, 404, { code: 'NotFound', message: `No route for ${request.method} ${url.pathname}` });
}
