import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type BaseConvexClient, ConvexClient, ConvexHttpClient } from 'convex/browser';
import { ConvexReactClient } from 'convex/react';
import { anyApi, type FunctionReference } from 'convex/server';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import type { RunningConvexLocal } from '../src/index.ts';
import { ADMIN_KEY, Project, startDeployment, temporaryFolder } from './project.ts';

const ISSUER = 'https://issuer.test/one';
const { privateKey, publicKey } = await generateKeyPair('RS256');
const jwk = { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig' };
const jwks = `data:text/plain;charset=utf-8;base64,${Buffer.from(JSON.stringify({ keys: [jwk] })).toString('base64')}`;

// An OpenID Connect issuer, as far as a deployment asks for it.
const issuer = createServer((request, response) => {
  const { port } = issuer.address() as AddressInfo;
  const answers: Record<string, unknown> = {
    '/.well-known/openid-configuration': {
      issuer: `http://127.0.0.1:${port}`,
      jwks_uri: `http://127.0.0.1:${port}/keys`,
    },
    '/keys': { keys: [jwk] },
  };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answers[request.url ?? ''] ?? {}));
}).listen(0, '127.0.0.1');
await once(issuer, 'listening');
const OIDC = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;

const APP = {
  'schema.ts': `
import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';
export default defineSchema({ messages: defineTable({ channel: v.string(), text: v.string() }).index('by_channel', ['channel']) });
`,
  'chat.ts': `
import { actionGeneric as action, mutationGeneric as mutation, paginationOptsValidator, queryGeneric as query } from 'convex/server';
import { v } from 'convex/values';
export const list = query({ args: { channel: v.string() }, handler: async (ctx, { channel }) => (await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', channel)).collect()).map(({ text }) => text) });
export const page = query({ args: { channel: v.string(), paginationOpts: paginationOptsValidator }, handler: async (ctx, { channel, paginationOpts }) => await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', channel)).paginate(paginationOpts) });
export const count = query({ args: {}, handler: async (ctx) => (await ctx.db.query('messages').collect()).length });
export const send = mutation({ args: { channel: v.string(), text: v.string() }, handler: async (ctx, args) => await ctx.db.insert('messages', args) });
export const remove = mutation({ args: { channel: v.string(), text: v.string() }, handler: async (ctx, { channel, text }) => { for (const message of await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', channel)).collect()) if (message.text === text) await ctx.db.delete(message._id); } });
export const conflicting = mutation({ args: {}, handler: async (ctx) => { if ((await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', 'conflict')).first()) === null) Convex.syscall('throwOcc', '{}'); return 'settled'; } });
export const nothing = mutation({ args: {}, handler: async () => 'done' });
export const slow = action({ args: { ms: v.number() }, handler: async (_ctx, { ms }) => { await new Promise((resolve) => setTimeout(resolve, ms)); return ms; } });
export const me = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });
export const large = query({ args: { bytes: v.number() }, handler: async (_ctx, { bytes }) => 'x'.repeat(bytes) });
`,
  'auth.config.ts': `export default { providers: [
  { domain: '${OIDC}', applicationID: 'app' },
  { type: 'customJwt', applicationID: 'app', issuer: '${ISSUER}', jwks: '${jwks}', algorithm: 'RS256' },
  { type: 'customJwt', issuer: 'https://issuer.test/any-audience', jwks: '${jwks}', algorithm: 'RS256' },
  { type: 'customJwt', applicationID: 'app', issuer: 'https://issuer.test/broken', jwks: 'data:invalid,not-json', algorithm: 'RS256' },
] };`,
} as const;

const folder = temporaryFolder();
let deployment: RunningConvexLocal;
const chat = anyApi.chat!;
const open: Array<{ close(): unknown }> = [];

beforeAll(async () => {
  deployment = await startDeployment(path.join(folder.path, 'data'));
  await new Project(path.join(folder.path, 'app'), APP).push(deployment.url);
});

afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
});

afterAll(async () => {
  issuer.close();
  issuer.closeAllConnections();
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function track<T extends { close(): unknown }>(client: T): T {
  open.push(client);
  return client;
}

interface Message {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A WebSocket that speaks the protocol by hand. */
class RawClient {
  readonly #socket: WebSocket;
  readonly #messages: Message[] = [];
  readonly #waiting: Array<() => void> = [];
  readonly closed: Promise<number>;

  constructor(url: string) {
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/api/1.48.0/sync`);
    this.closed = new Promise((resolve) => this.#socket.on('close', (code) => resolve(code)));
    this.#socket.on('error', () => {});
    this.#socket.on('message', (data) => {
      this.#messages.push(JSON.parse(String(data)) as Message);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  async connect(sessionId: string = randomUUID()): Promise<this> {
    await new Promise((resolve) => this.#socket.once('open', resolve));
    this.send({ type: 'Connect', sessionId, connectionCount: 0, lastCloseReason: null, clientTs: 0 });
    return this;
  }

  send(message: unknown): void {
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  async next(type?: string): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined && (type === undefined || message.type === type)) return message;
      if (message === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

const raw = async (sessionId?: string) => await track(new RawClient(deployment.url)).connect(sessionId);

const watch = (queryId: number, udfPath: string, args: unknown, version: [number, number]) => ({
  type: 'ModifyQuerySet',
  baseVersion: version[0],
  newVersion: version[1],
  modifications: [{ type: 'Add', queryId, udfPath, args: [args] }],
});
const mutation = (requestId: number, udfPath: string, args: unknown) => ({
  type: 'Mutation',
  requestId,
  udfPath,
  args: [args],
});

describe('the sync protocol', () => {
  test('chains versions, and answers a mutation before the transition that contains it', async () => {
    const client = await raw();
    client.send(watch(0, 'chat:list', { channel: 'order' }, [0, 1]));
    const first = await client.next();
    expect(first).toMatchObject({
      type: 'Transition',
      startVersion: { querySet: 0, identity: 0 },
      endVersion: { querySet: 1 },
      modifications: [{ type: 'QueryUpdated', value: [] }],
    });
    client.send(mutation(0, 'chat:send', { channel: 'order', text: 'one' }));
    const answer = await client.next();
    const second = await client.next();
    expect([answer.type, second.type]).toEqual(['MutationResponse', 'Transition']);
    expect(second.startVersion).toEqual(first.endVersion);
    expect(second).toMatchObject({ modifications: [{ type: 'QueryUpdated', queryId: 0, value: ['one'] }] });
    expect((second.endVersion as { ts: string }).ts).toBe(answer.ts);
  });

  test('sends an empty transition after a mutation that changes nothing watched', async () => {
    const client = await raw();
    client.send(mutation(0, 'chat:send', { channel: 'unseen', text: 'x' }));
    const { ts } = await client.next('MutationResponse');
    expect(await client.next()).toMatchObject({ type: 'Transition', modifications: [], endVersion: { ts } });
  });

  test('applies a mutation that is sent again once, also over another connection', async () => {
    const session = randomUUID();
    const first = await raw(session);
    first.send(mutation(7, 'chat:send', { channel: 'replay', text: 'once' }));
    const answer = await first.next('MutationResponse');
    first.send(mutation(7, 'chat:send', { channel: 'replay', text: 'once' }));
    expect(await first.next('MutationResponse')).toEqual(answer);
    const second = await raw(session);
    second.send(mutation(7, 'chat:send', { channel: 'replay', text: 'once' }));
    expect(await second.next('MutationResponse')).toEqual(answer);
    second.send(watch(0, 'chat:list', { channel: 'replay' }, [0, 1]));
    expect(await second.next('Transition')).toBeDefined();
    const http = new ConvexHttpClient(deployment.url, { logger: false });
    expect(await http.query(chat.list!, { channel: 'replay' })).toEqual(['once']);
  });

  test('sends a transition after every mutation: one that writes nothing, and one that was answered before', async () => {
    const client = track(new ConvexClient(deployment.url, { logger: false }));
    await client.query(chat.count!, {});
    expect(await client.mutation(chat.nothing!, {})).toBe('done');
    expect(await client.mutation(chat.nothing!, {})).toBe('done');
    const session = randomUUID();
    const first = await raw(session);
    first.send(mutation(1, 'chat:send', { channel: 'resent', text: 'x' }));
    const { ts } = await first.next('MutationResponse');
    const second = await raw(session);
    second.send(mutation(1, 'chat:send', { channel: 'resent', text: 'x' }));
    expect(await second.next('MutationResponse')).toMatchObject({ ts });
    expect(await second.next()).toMatchObject({ type: 'Transition' });
  });

  test('runs actions beside each other, mutations one after the other', async () => {
    const client = await raw();
    client.send({ type: 'Action', requestId: 1, udfPath: 'chat:slow', args: [{ ms: 150 }] });
    client.send({ type: 'Action', requestId: 2, udfPath: 'chat:slow', args: [{ ms: 1 }] });
    expect(await client.next('ActionResponse')).toMatchObject({ requestId: 2, success: true, result: 1 });
    expect(await client.next('ActionResponse')).toMatchObject({ requestId: 1 });
  });

  test.each([
    ['text that is no JSON', 'garbage'],
    ['an unknown type', '{"type":"Nonsense"}'],
    ['a field of a wrong type', '{"type":"Mutation","requestId":"x","udfPath":1,"args":[]}'],
    ['a query set of another version', JSON.stringify(watch(0, 'chat:count', {}, [5, 6]))],
    ['an identity of another version', '{"type":"Authenticate","tokenType":"None","baseVersion":9}'],
  ])('ends a connection that sends %s, and goes on serving', async (_, frame) => {
    const client = await raw();
    client.send(frame);
    expect(await client.next()).toMatchObject({ type: 'FatalError' });
    expect(await client.closed).toBe(1008);
    const http = new ConvexHttpClient(deployment.url, { logger: false });
    expect(await http.mutation(chat.nothing!, {})).toBe('done');
  });

  test('refuses binary frames and messages before Connect', async () => {
    const early = track(new RawClient(deployment.url));
    await vi.waitFor(() => early.send('{"type":"Authenticate","tokenType":"None","baseVersion":0}'));
    expect(await early.closed).toBe(1008);
  });

  test('bears a flood of mutations of one client', async () => {
    const client = await raw();
    for (let id = 0; id < 500; id++)
      client.send(mutation(id, 'chat:send', { channel: 'flood', text: String(id) }));
    for (let id = 0; id < 500; id++)
      expect(await client.next('MutationResponse')).toMatchObject({ requestId: id, success: true });
  });
});

describe('the official clients', () => {
  test('the React client shows an optimistic update, then the result', async () => {
    const client = track(new ConvexReactClient(deployment.url, { logger: false }));
    const args = { channel: 'optimistic' };
    const list = client.watchQuery(chat.list! as FunctionReference<'query'>, args);
    const seen: unknown[] = [];
    const stop = list.onUpdate(() => seen.push(list.localQueryResult()));
    await vi.waitFor(() => expect(list.localQueryResult()).toEqual([]));
    await client.mutation(
      chat.send! as FunctionReference<'mutation'>,
      { ...args, text: 'now' },
      {
        optimisticUpdate: (store) =>
          store.setQuery(chat.list! as FunctionReference<'query'>, args, ['now (sending)']),
      },
    );
    expect(list.localQueryResult()).toEqual(['now']);
    expect(seen).toContainEqual(['now (sending)']);
    stop();
  });

  test('a page keeps its end while documents come and go inside it', async () => {
    const client = track(new ConvexReactClient(deployment.url, { logger: false }));
    const send = async (text: string) =>
      await client.mutation(chat.send! as FunctionReference<'mutation'>, { channel: 'paged', text });
    for (const text of ['a', 'b', 'c']) await send(text);
    const watched = client.watchQuery(chat.page! as FunctionReference<'query'>, {
      channel: 'paged',
      paginationOpts: { numItems: 2, cursor: null },
    });
    const texts = () =>
      (watched.localQueryResult() as { page: Array<{ text: string }> } | undefined)?.page.map(
        ({ text }) => text,
      );
    const stop = watched.onUpdate(() => {});
    await vi.waitFor(() => expect(texts()).toEqual(['a', 'b']));
    await client.mutation(chat.remove! as FunctionReference<'mutation'>, { channel: 'paged', text: 'a' });
    await vi.waitFor(() => expect(texts()).toEqual(['b']));
    stop();
  });

  test('a mutation that fails for a passing reason is sent again until it succeeds', async () => {
    const http = new ConvexHttpClient(deployment.url, { logger: false });
    await expect(http.mutation(chat.conflicting!, {})).rejects.toThrow('OptimisticConcurrencyControlFailure');
    const client = track(new ConvexClient(deployment.url, { logger: false }));
    const settled = client.mutation(chat.conflicting!, {});
    await http.mutation(chat.send!, { channel: 'conflict', text: 'x' });
    expect(await settled).toBe('settled');
  });

  test('a large result arrives whole', async () => {
    const client = track(new ConvexClient(deployment.url, { logger: false }));
    expect(await client.query(chat.large!, { bytes: 6_000_000 })).toHaveLength(6_000_000);
  });

  test('many clients share one query, and each hears of a change', async () => {
    const clients = Array.from({ length: 20 }, () =>
      track(new ConvexClient(deployment.url, { logger: false })),
    );
    const heard = clients.map(
      (client) =>
        new Promise<unknown>((resolve) => {
          client.onUpdate(chat.list!, { channel: 'crowd' }, (list: string[]) => {
            if (list.length === 1) resolve(list);
          });
        }),
    );
    await clients[0]!.mutation(chat.send!, { channel: 'crowd', text: 'hear' });
    expect(await Promise.all(heard)).toEqual(clients.map(() => ['hear']));
  });

  test('a push replaces the code under a subscription', async () => {
    using other = temporaryFolder();
    await using own = await startDeployment(path.join(other.path, 'data'));
    const project = new Project(path.join(other.path, 'app'), {
      'v.ts': `import { queryGeneric as query } from 'convex/server'; export const version = query({ args: {}, handler: async () => 1 });`,
    });
    await project.push(own.url);
    const client = new ConvexClient(own.url, { logger: false });
    try {
      const seen: number[] = [];
      client.onUpdate(anyApi.v!.version!, {}, (value: number) => seen.push(value));
      await vi.waitFor(() => expect(seen).toEqual([1]));
      project.write({
        'v.ts': `import { queryGeneric as query } from 'convex/server'; export const version = query({ args: {}, handler: async () => 2 });`,
      });
      await project.push(own.url);
      await vi.waitFor(() => expect(seen).toEqual([1, 2]));
    } finally {
      await client.close();
    }
  });
});

describe('identity', () => {
  const token = async (
    claims: JWTPayload = {},
    options: { iss?: string; aud?: string; kid?: string | null; exp?: string; iat?: number } = {},
  ) => {
    const jwt = new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', ...(options.kid === null ? {} : { kid: options.kid ?? 'key-1' }) })
      .setSubject('user-1')
      .setIssuer(options.iss ?? ISSUER)
      .setIssuedAt(options.iat ?? Math.floor(Date.now() / 1000) - 30)
      .setExpirationTime(options.exp ?? '1h');
    return await (options.aud === '' ? jwt : jwt.setAudience(options.aud ?? 'app')).sign(privateKey);
  };
  const refusal = async (jwt: string) => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    client.setAuth(jwt);
    const error: Error = await client.query(chat.me!, {}).catch((thrown) => thrown);
    return JSON.parse(error.message) as { code: string; message: string };
  };

  test('claims of a sound token reach the function', async () => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    client.setAuth(await token({ name: 'Ann', nested: { deep: 1 } }));
    expect(await client.query(chat.me!, {})).toMatchObject({
      name: 'Ann',
      subject: 'user-1',
      issuer: ISSUER,
      tokenIdentifier: `${ISSUER}|user-1`,
      'nested.deep': 1,
    });
    client.setAuth(await token({}, { iss: 'https://issuer.test/any-audience', aud: '' }));
    expect(await client.query(chat.me!, {})).toMatchObject({ subject: 'user-1' });
    client.setAuth(await token({}, { iat: Math.floor(Date.now() / 1000) + 3 }));
    expect(await client.query(chat.me!, {})).toMatchObject({ subject: 'user-1' });
  });

  test('tokens of an OpenID Connect issuer are verified with the keys it publishes', async () => {
    const client = new ConvexHttpClient(deployment.url, { logger: false });
    client.setAuth(await token({ given_name: 'Ann', email_verified: true }, { iss: OIDC }));
    expect(await client.query(chat.me!, {})).toEqual({
      tokenIdentifier: `${OIDC}|user-1`,
      issuer: OIDC,
      subject: 'user-1',
      givenName: 'Ann',
      emailVerified: true,
    });
    expect(await refusal(await token({}, { iss: OIDC, aud: 'another app' }))).toMatchObject({
      code: 'NoAuthProvider',
    });
  });

  test.each([
    ['no token at all', async () => 'not.a', 'InvalidAuthHeader', 'three base64-encoded parts'],
    ['no key id', async () => await token({}, { kid: null }), 'InvalidAuthHeader', "missing a 'kid'"],
    ['an unknown key id', async () => await token({}, { kid: 'other' }), 'InvalidAuthHeader', '"other"'],
    [
      'an unknown issuer',
      async () => await token({}, { iss: 'https://elsewhere.test' }),
      'NoAuthProvider',
      'CustomJWT(issuer=https://issuer.test/one, app_id=app), CustomJWT(issuer=https://issuer.test/any-audience, app_id=none)',
    ],
    ['no audience', async () => await token({}, { aud: '' }), 'InvalidAuthHeader', "'aud'"],
    [
      'a time in the future',
      async () => await token({}, { iat: Math.floor(Date.now() / 1000) + 60 }),
      'InvalidAuthHeader',
      "'iat'",
    ],
    [
      'a time that has passed',
      async () => await token({}, { exp: '1 minute ago' }),
      'InvalidAuthHeader',
      'Token expired',
    ],
    [
      'keys that are no JSON',
      async () => await token({}, { iss: 'https://issuer.test/broken' }),
      'InvalidAuthHeader',
      'Invalid JWKS response body',
    ],
    [
      'another signature',
      async () => `${(await token()).split('.').slice(0, 2).join('.')}.${'A'.repeat(342)}`,
      'InvalidAuthHeader',
      'Could not decode token',
    ],
  ])('a token with %s is refused with the reason', async (_, make, code, reason) => {
    const { code: found, message } = await refusal(await make());
    expect(found).toBe(code);
    expect(message).toContain(reason);
  });

  test('a client that signs in and out sees its queries change', async () => {
    const client = track(new ConvexClient(deployment.url, { logger: false }));
    const seen: unknown[] = [];
    client.onUpdate(chat.me!, {}, (identity: { name: string } | null) => seen.push(identity?.name ?? null));
    await vi.waitFor(() => expect(seen).toEqual([null]));
    client.setAuth(async () => await token({ name: 'Ann' }));
    await vi.waitFor(() => expect(seen).toEqual([null, 'Ann']));
    (client.client as BaseConvexClient).clearAuth();
    await vi.waitFor(() => expect(seen).toEqual([null, 'Ann', null]));
  });

  test('a wrong admin key is refused with the code the CLI knows', async () => {
    const check = async (key: string) => {
      const response = await fetch(`${deployment.url}/api/check_admin_key`, {
        headers: { authorization: `Convex ${key}` },
      });
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    expect(await check('other|00')).toEqual([401, 'BadAdminKey']);
    expect(await check(ADMIN_KEY)).toEqual([200, undefined]);
    expect(await check(`prod:${ADMIN_KEY}`)).toEqual([200, undefined]);
    const without = await fetch(`${deployment.url}/api/check_admin_key`);
    expect([without.status, await without.json()]).toMatchObject([403, { code: 'BadDeployKey' }]);
    const client = await raw();
    client.send({ type: 'Authenticate', tokenType: 'Admin', value: 'other|00', baseVersion: 0 });
    expect(await client.next()).toMatchObject({ type: 'AuthError', authUpdateAttempted: true });
  });
});
