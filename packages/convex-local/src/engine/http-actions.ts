import type { Engine } from './engine.ts';
import { currentCall, host } from './environment.ts';
import { FunctionError } from './function-error.ts';
import type { EngineEvent, HttpActionRequest } from './messages.ts';
import { asFunctionError } from './user-error.ts';

interface Handler {
  invokeHttpAction(request: Request): Promise<Response>;
}

interface Router {
  lookup(path: string, method: string): readonly [Handler, string, string] | null;
}

/** The component and path a request goes to: the longest mount that fits, else the app itself. */
function route(engine: Engine, pathname: string, component = ''): { component: string; pathname: string } {
  const mounts = engine.deployer.current.definition(component)?.definition.httpMounts ?? {};
  for (const [prefix, reference] of Object.entries(mounts).sort(([a], [b]) => b.length - a.length)) {
    if (!pathname.startsWith(prefix)) continue;
    const child = reference.split('/').at(-1)!;
    const rest = `/${pathname.slice(prefix.length)}`;
    return route(engine, rest, component === '' ? child : `${component}/${child}`);
  }
  return { component, pathname };
}

/** Sends a body as it comes; one that is there at once gets its length announced. */
async function sendBody(
  response: Response,
  head: (headers: Array<readonly [string, string]>) => void,
  send: (chunk: Uint8Array) => void,
): Promise<void> {
  const headers = [...response.headers];
  const reader = response.body?.getReader();
  const first = await reader?.read();
  const firstChunk = first?.value as Uint8Array | undefined;
  const second = first === undefined || first.done ? undefined : reader!.read();
  const pending = Symbol('pending');
  const soon = new Promise<typeof pending>((resolve) => host.setImmediate(() => resolve(pending)));
  const next = second === undefined ? undefined : await Promise.race([second, soon]);
  const whole = next === undefined || (next !== pending && next.done);
  if (
    whole &&
    !response.headers.has('content-length') &&
    response.status !== 204 &&
    response.status !== 304
  ) {
    headers.push(['content-length', String(firstChunk?.length ?? 0)]);
  }
  head(headers);
  if (firstChunk !== undefined) send(firstChunk);
  for (let part = await second; part !== undefined && !part.done; part = await reader!.read()) {
    send(part.value as Uint8Array);
  }
}

/** Runs an HTTP action and streams its response as events. */
export async function runHttpAction(
  engine: Engine,
  request: HttpActionRequest,
  emit: (event: EngineEvent) => void,
): Promise<{ found: boolean }> {
  const url = new URL(request.url);
  const target = route(engine, url.pathname);
  const definition = engine.deployer.current.definition(target.component);
  if (definition?.modules['http.js'] === undefined) return { found: false };
  const started = host.now();
  const logLines: string[] = [];
  let error: string | null = null;
  let identifier = `${request.method} ${target.pathname}`;
  const head = (status: number, headers: ReadonlyArray<readonly [string, string]>) =>
    emit({ event: 'http', requestId: request.requestId, head: { status, headers } });
  const scope = engine.actionScope(identifier, target.component, request.caller, logLines);
  let sent = false;
  try {
    const work = currentCall.run(scope, async () => {
      const exports = await engine.loader.load(definition.directory, 'http.js');
      const found = (exports.default as Router).lookup(target.pathname, request.method);
      if (found === null) {
        sent = true;
        head(404, [['content-type', 'text/plain;charset=UTF-8']]);
        const text = `No HttpAction routed for ${target.pathname}`;
        emit({ event: 'http', requestId: request.requestId, chunk: Buffer.from(text) });
        return;
      }
      identifier = `${found[1]} ${found[2]}`;
      const withoutBody = request.method === 'GET' || request.method === 'HEAD' || request.body === null;
      const response = await found[0].invokeHttpAction(
        new Request(request.url, {
          method: request.method,
          headers: request.headers as Array<[string, string]>,
          ...(withoutBody ? {} : { body: request.body as Uint8Array<ArrayBuffer> }),
        }),
      );
      if (!(response instanceof Response)) throw new Error('The HTTP action did not return a Response.');
      sent = true;
      await sendBody(
        response,
        (headers) => head(response.status, headers),
        (chunk) => emit({ event: 'http', requestId: request.requestId, chunk }),
      );
    });
    await engine.runner.watch.run(scope, work);
  } catch (thrown) {
    const failure = asFunctionError(thrown, engine.loader.originOf(definition.directory));
    error = failure.message;
    if (!sent) {
      head(500, [['content-type', 'application/json']]);
      const body = JSON.stringify({
        code: `[Request ID: ${request.requestId}] Server Error: ${error.split('\n')[0]}`,
        trace: error,
        ...(failure instanceof FunctionError && failure.data !== undefined ? { data: failure.data } : {}),
      });
      emit({ event: 'http', requestId: request.requestId, chunk: Buffer.from(body) });
    }
  }
  emit({ event: 'http', requestId: request.requestId, end: true });
  emit({
    event: 'execution',
    execution: {
      udfType: 'HttpAction',
      componentPath: target.component === '' ? null : target.component,
      identifier,
      logLines,
      timestamp: host.now() / 1000,
      executionTime: (host.now() - started) / 1000,
      success: null,
      error,
      requestId: request.requestId,
      caller: 'HttpEndpoint',
    },
  });
  return { found: true };
}
