import type { WebSocket } from 'ws';
import type { Caller } from '../engine/caller.ts';
import { RequestError } from '../engine/function-error.ts';
import type { RunResponse } from '../engine/messages.ts';
import type { LiveResult, QueryResult } from '../engine/subscriptions.ts';
import { MultiMap } from '../multi-map.ts';
import type { Access } from './access.ts';
import type { EngineHost } from './engine-host.ts';
import { newRequestId, publicMessage } from './error-messages.ts';
import type { LiveRegistry } from './live-registry.ts';
import { type ClientMessage, clientMessage } from './sync-protocol.ts';
import { encodeTimestamp } from './timestamps.ts';

interface ActiveQuery {
  readonly component: string;
  readonly path: string;
  readonly args: unknown;
  journal: string | null;
  live: number | undefined;
  /** The answer that the client has. */
  sent: QueryResult | undefined;
}

interface Version {
  querySet: number;
  identity: number;
  ts: number;
}

const PING_MS = 15_000;
/** Calls of one client that may wait for the engine; beyond that its socket is not read. */
const MAX_WAITING_CALLS = 256;
/** A client that lets this much pile up unread is cut off. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

export interface SessionServices {
  readonly host: EngineHost;
  readonly access: Access;
  readonly registry: LiveRegistry;
  readonly log: (line: string) => void;
}

/** One WebSocket of a client, following Convex's sync protocol. */
export class SyncSession {
  readonly #socket: WebSocket;
  readonly #services: SessionServices;
  readonly #queries = new Map<number, ActiveQuery>();
  readonly #subscribers = new MultiMap<number, number>();
  #version: Version = { querySet: 0, identity: 0, ts: 0 };
  /** Versions asked for by the client; they run ahead of those sent. */
  #wanted = { querySet: 0, identity: 0 };
  #caller: Caller = { identity: null, admin: false };
  #sessionId: string | undefined;
  #inbox: Promise<void> = Promise.resolve();
  #owedTs = 0;
  #waitingCalls = 0;
  /** Set when this side ends the connection: what the client sent after that counts no more. */
  #ending = false;
  #closed = false;
  readonly #ping: NodeJS.Timeout;

  constructor(socket: WebSocket, services: SessionServices) {
    this.#socket = socket;
    this.#services = services;
    this.#ping = setInterval(() => this.#send({ type: 'Ping' }), PING_MS);
    socket.on('message', (data, binary) => {
      if (binary) return this.#fail('Binary messages are not part of the protocol');
      this.#inbox = this.#inbox
        .then(() => this.#receive(String(data)))
        .catch((error) => this.#onError(error));
    });
    socket.on('close', () => this.#onClose());
    socket.on('error', () => {});
  }

  #onError(error: unknown): void {
    if (error instanceof RequestError && error.status === 503) {
      this.close(1012, error.code);
      return;
    }
    this.#fail(error instanceof Error ? error.message : String(error));
  }

  /** Ends the connection because of what the client sent. */
  #fail(message: string): void {
    this.#send({ type: 'FatalError', error: message });
    this.close(1008, 'ProtocolError');
  }

  close(code: number, reason: string): void {
    this.#ending = true;
    this.#socket.close(code, reason);
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#ping);
    this.#services.registry.settle(this);
    const released = [...this.#queries.values()].flatMap(({ live }) => live ?? []);
    for (const live of new Set(released)) this.#services.registry.remove(live, this);
    if (released.length > 0) void this.#services.host.call('release', released).catch(() => {});
    this.#queries.clear();
  }

  #send(message: Record<string, unknown>): void {
    this.#sendText(JSON.stringify(message));
  }

  #sendText(text: string): void {
    if (this.#closed || this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(text);
    if (this.#socket.bufferedAmount > MAX_BUFFERED_BYTES) this.#socket.terminate();
  }

  async #receive(text: string): Promise<void> {
    if (this.#ending || this.#closed) return;
    const message = clientMessage(text);
    if (message.type !== 'Connect' && this.#sessionId === undefined) {
      return this.#fail('The first message must be Connect');
    }
    switch (message.type) {
      case 'Connect':
        this.#sessionId = message.sessionId;
        // What the client saw before needs no care: timestamps grow across restarts.
        return;
      case 'Authenticate':
        return await this.#authenticate(message);
      case 'ModifyQuerySet':
        return this.#modify(message);
      case 'Mutation':
      case 'Action':
        return this.#call(message);
      default:
        return;
    }
  }

  async #authenticate(message: Extract<ClientMessage, { type: 'Authenticate' }>): Promise<void> {
    if (message.baseVersion !== this.#wanted.identity) {
      return this.#fail(`Base version ${message.baseVersion} passed up doesn't match the current version`);
    }
    try {
      if (message.tokenType === 'None') this.#caller = { identity: null, admin: false };
      else if (message.tokenType === 'Admin') {
        this.#caller = await this.#services.access.admin(message.value ?? '', message.impersonating);
      } else this.#caller = await this.#services.access.user(message.value ?? '');
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#send({
        type: 'AuthError',
        error: error.message,
        baseVersion: message.baseVersion,
        authUpdateAttempted: true,
      });
      this.close(1008, error.code);
      return;
    }
    this.#wanted.identity++;
    const target = { ...this.#wanted };
    this.#subscribe([...this.#queries], [], target);
  }

  #modify(message: Extract<ClientMessage, { type: 'ModifyQuerySet' }>): void {
    if (message.baseVersion !== this.#wanted.querySet) {
      this.#fail(`Base version ${message.baseVersion} passed up doesn't match the current version`);
      return;
    }
    const added: Array<[number, ActiveQuery]> = [];
    const removed: number[] = [];
    for (const change of message.modifications) {
      if (change.type === 'Remove') {
        if (!added.some(([id]) => id === change.queryId)) removed.push(change.queryId);
        continue;
      }
      added.push([
        change.queryId,
        {
          component: change.componentPath ?? '',
          path: change.udfPath,
          args: change.args[0] ?? {},
          journal: change.journal ?? null,
          live: undefined,
          sent: undefined,
        },
      ]);
    }
    this.#wanted.querySet = message.newVersion;
    for (const [id, query] of added) this.#queries.set(id, query);
    this.#subscribe(added, removed, { ...this.#wanted });
  }

  /** Asks the engine for the current answers; the transition goes out when they come, in order with all others. */
  #subscribe(
    queries: ReadonlyArray<readonly [number, ActiveQuery]>,
    removed: readonly number[],
    target: { querySet: number; identity: number },
  ): void {
    const token = this.#services.registry.expect((ts, results) => {
      this.#subscribed(ts, queries, removed, target, results);
    });
    this.#services.host
      .call('subscribe', {
        token,
        caller: this.#caller,
        queries: queries.map(([, { component, path, args, journal }]) => ({
          component,
          path,
          args,
          journal,
        })),
      })
      .catch((error) => this.#onError(error));
  }

  #subscribed(
    ts: number,
    queries: ReadonlyArray<readonly [number, ActiveQuery]>,
    removed: readonly number[],
    target: { querySet: number; identity: number },
    results: readonly LiveResult[],
  ): void {
    const { registry, host } = this.#services;
    if (this.#closed) {
      void host
        .call(
          'release',
          results.map(({ id }) => id),
        )
        .catch(() => {});
      return;
    }
    const modifications: string[] = [];
    for (const [i, [queryId, query]] of queries.entries()) {
      this.#unwatch(queryId, query);
      const { id, result } = results[i]!;
      query.live = id;
      query.journal = result.journal;
      this.#subscribers.add(id, queryId);
      registry.add(id, this);
      // Another identity often gets the same answer, which the client then has already.
      if (!isSame(query.sent, result)) modifications.push(modification(queryId, result));
      query.sent = result;
    }
    for (const queryId of removed) {
      const query = this.#queries.get(queryId);
      if (query === undefined) continue;
      this.#queries.delete(queryId);
      this.#unwatch(queryId, query);
      modifications.push(JSON.stringify({ type: 'QueryRemoved', queryId }));
    }
    this.#transition({ ...target, ts: Math.max(ts, this.#version.ts) }, modifications);
  }

  #unwatch(queryId: number, query: ActiveQuery): void {
    const { live } = query;
    if (live === undefined) return;
    query.live = undefined;
    if (this.#subscribers.delete(live, queryId)) this.#services.registry.remove(live, this);
    void this.#services.host.call('release', [live]).catch(() => {});
  }

  /** A new state of the deployment: `changed` are those of this session's queries that answer differently. */
  update(ts: number, changed: readonly LiveResult[]): void {
    if (changed.length === 0 && ts < this.#owedTs) return;
    const modifications = changed.flatMap(({ id, result }) =>
      [...this.#subscribers.get(id)].map((queryId) => {
        const query = this.#queries.get(queryId);
        if (query !== undefined) {
          query.journal = result.journal;
          query.sent = result;
        }
        return modification(queryId, result);
      }),
    );
    this.#transition({ ...this.#version, ts: Math.max(ts, this.#version.ts) }, modifications);
  }

  #transition(end: Version, modifications: readonly string[]): void {
    const start = this.#version;
    this.#version = end;
    if (end.ts >= this.#owedTs) this.#services.registry.settle(this);
    const wire = ({ querySet, identity, ts }: Version) => ({ querySet, identity, ts: encodeTimestamp(ts) });
    const versions = `"startVersion":${JSON.stringify(wire(start))},"endVersion":${JSON.stringify(wire(end))}`;
    this.#sendText(`{"type":"Transition",${versions},"modifications":[${modifications.join()}]}`);
  }

  #hold(): void {
    if (++this.#waitingCalls === MAX_WAITING_CALLS) this.#socket.pause();
  }

  #letGo(): void {
    if (this.#waitingCalls-- === MAX_WAITING_CALLS && !this.#closed) this.#socket.resume();
  }

  /** Runs a mutation or an action. Mutations can be sent again: the engine knows them by session and request. */
  #call(message: Extract<ClientMessage, { type: 'Mutation' | 'Action' }>): void {
    const requestId = newRequestId();
    const [kind, answer] =
      message.type === 'Mutation'
        ? (['mutation', 'MutationResponse'] as const)
        : (['action', 'ActionResponse'] as const);
    this.#hold();
    void this.#services.host
      .call('run', {
        kind,
        component: message.componentPath ?? '',
        path: message.udfPath,
        args: message.args[0] ?? {},
        caller: this.#caller,
        requestId,
        ...(kind === 'mutation' ? { idempotency: { session: this.#sessionId!, id: message.requestId } } : {}),
      })
      .then(
        (response) => this.#answer(answer, message.requestId, requestId, response),
        (error) => this.#refuse(answer, message.requestId, requestId, error),
      )
      .finally(() => this.#letGo());
  }

  #answer(type: string, id: number, requestId: string, response: RunResponse): void {
    const common = { type, requestId: id, success: response.success, logLines: response.logLines };
    if (!response.success) {
      const result = publicMessage(requestId, response.message);
      this.#send({ ...common, result, ...(response.data === undefined ? {} : { errorData: response.data }) });
      return;
    }
    const ts = type === 'MutationResponse' ? { ts: encodeTimestamp(response.ts) } : {};
    this.#sendText(withRawField({ ...common, ...ts }, 'result', response.value));
    if (type === 'MutationResponse') {
      this.#owedTs = Math.max(this.#owedTs, response.ts);
      // A transition that reaches the mutation must follow, even an empty one at the same time: clients wait for it.
      this.#services.registry.owe(this);
    }
  }

  #refuse(type: string, id: number, requestId: string, error: Error): void {
    if (error instanceof RequestError && error.status === 503) {
      // The client reconnects, and sends its mutations again: the protocol's way to say "try later".
      this.close(1011, error.code);
      return;
    }
    this.#send({
      type,
      requestId: id,
      success: false,
      result: publicMessage(requestId, error.message),
      logLines: [],
    });
  }
}

/** JSON of an object with one more field, whose value is JSON already: results can be large, and are passed through. */
function withRawField(fields: Record<string, unknown>, name: string, json: string): string {
  return `${JSON.stringify(fields).slice(0, -1)},"${name}":${json}}`;
}

function isSame(sent: QueryResult | undefined, result: QueryResult): boolean {
  return (
    sent?.success === true && result.success && sent.value === result.value && sent.journal === result.journal
  );
}

/** One changed query of a transition, as JSON. */
function modification(queryId: number, result: QueryResult): string {
  const { logLines, journal } = result;
  if (result.success) {
    return withRawField({ type: 'QueryUpdated', queryId, logLines, journal }, 'value', result.value);
  }
  return JSON.stringify({
    type: 'QueryFailed',
    queryId,
    errorMessage: publicMessage(newRequestId(), result.message),
    logLines,
    journal,
    ...(result.data === undefined ? {} : { errorData: result.data }),
  });
}
