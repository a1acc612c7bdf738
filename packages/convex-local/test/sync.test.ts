import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { ConvexClient, ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { Project, startDeployment, temporaryFolder } from './project.ts';
import { RawClient } from './raw-client.ts';
import { SYNC_APP } from './sync-app.ts';

const folder = temporaryFolder();
let deployment: RunningConvexLocal;
const chat = anyApi.chat!;
const open: Array<{ close(): unknown }> = [];

beforeAll(async () => {
  deployment = await startDeployment(path.join(folder.path, 'data'));
  await new Project(path.join(folder.path, 'app'), SYNC_APP).push(deployment.url);
});

afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
});

afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function track<T extends { close(): unknown }>(client: T): T {
  open.push(client);
  return client;
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

  test('refuses binary frames, and messages before Connect', async () => {
    const binary = await raw();
    binary.send(new Uint8Array([1, 2, 3]));
    expect(await binary.closed).toBe(1008);
    const early = track(new RawClient(deployment.url));
    await vi.waitFor(() => early.send('{"type":"Authenticate","tokenType":"None","baseVersion":0}'), 20_000);
    expect(await early.closed).toBe(1008);
  });

  test('does nothing that came after what ended the connection, so that it can be sent again', async () => {
    const session = randomUUID();
    const refused = await raw(session);
    refused.send({ type: 'Authenticate', tokenType: 'User', value: 'no token', baseVersion: 0 });
    refused.send(mutation(1, 'chat:send', { channel: 'refused', text: 'as nobody' }));
    expect(await refused.next()).toMatchObject({ type: 'AuthError' });
    await refused.closed;
    const second = await raw(session);
    second.send(mutation(1, 'chat:send', { channel: 'refused', text: 'sent again' }));
    expect(await second.next('MutationResponse')).toMatchObject({ success: true });
    const http = new ConvexHttpClient(deployment.url, { logger: false });
    expect(await http.query(chat.list!, { channel: 'refused' })).toEqual(['sent again']);
  });

  test('bears a flood of mutations of one client', async () => {
    const client = await raw();
    for (let id = 0; id < 500; id++)
      client.send(mutation(id, 'chat:send', { channel: 'flood', text: String(id) }));
    for (let id = 0; id < 500; id++)
      expect(await client.next('MutationResponse')).toMatchObject({ requestId: id, success: true });
  });
});
