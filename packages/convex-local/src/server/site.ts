import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EngineEvent } from '../engine/messages.ts';
import type { Access } from './access.ts';
import type { EngineHost } from './engine-host.ts';
import { newRequestId } from './error-messages.ts';
import { readBody, sendText } from './http-body.ts';

const MAX_BODY_BYTES = 20 * 1024 * 1024;

/** Hands requests to HTTP actions and streams their responses. */
export class Site {
  readonly #host: EngineHost;
  readonly #access: Access;
  readonly #open = new Map<string, ServerResponse>();

  constructor(host: EngineHost, access: Access) {
    this.#host = host;
    this.#access = access;
    host.listen((event) => {
      if (event.event === 'http') this.#receive(event);
    });
  }

  #receive(event: Extract<EngineEvent, { event: 'http' }>): void {
    const response = this.#open.get(event.requestId);
    if (response === undefined) return;
    if (event.head !== undefined) {
      response.statusCode = event.head.status;
      for (const [name, value] of event.head.headers) response.appendHeader(name, value);
      response.flushHeaders();
    }
    if (event.chunk !== undefined) response.write(event.chunk);
    if (event.end === true) {
      this.#open.delete(event.requestId);
      response.end();
    }
  }

  /** Answers a request; `pathname` is what the router sees. */
  async handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const requestId = newRequestId();
    const body = await readBody(request, MAX_BODY_BYTES);
    const caller = await this.#access.lenientCaller(request);
    const headers: Array<[string, string]> = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      headers.push([request.rawHeaders[i]!, request.rawHeaders[i + 1]!]);
    }
    this.#open.set(requestId, response);
    response.on('close', () => this.#open.delete(requestId));
    const { found } = await this.#host.call('httpAction', {
      url: url.href,
      method: request.method ?? 'GET',
      headers,
      body: body.length === 0 ? null : body,
      caller,
      requestId,
    });
    if (found) return;
    this.#open.delete(requestId);
    sendText(response, 404, 'This Convex deployment does not have HTTP actions enabled.');
  }
}
