import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { ConvexClient, ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { Project, startDeployment, temporaryFolder } from './project.ts';

const APP = {
  'schema.ts': `
import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';
export default defineSchema({ items: defineTable({ text: v.string() }) });
`,
  'items.ts': `
import { actionGeneric as action, anyApi, mutationGeneric as mutation, queryGeneric as query } from 'convex/server';
import { v } from 'convex/values';
export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query('items').collect()).map(({ text }) => text) });
export const add = mutation({ args: { text: v.string() }, handler: async (ctx, { text }) => { await ctx.db.insert('items', { text }); } });
export const hang = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert('items', { text: 'never kept' }); for (;;); } });
export const hangingQuery = query({ args: {}, handler: async () => { for (;;); } });
export const sleepingQuery = query({ args: { again: v.optional(v.boolean()) }, handler: async () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); } });
export const hangingAction = action({ args: {}, handler: async () => { for (;;); } });
export const hangLater = mutation({ args: {}, handler: async (ctx) => await ctx.scheduler.runAfter(0, anyApi.items.hang, {}) });
export const job = query({ args: { id: v.id('_scheduled_functions') }, handler: async (ctx, { id }) => (await ctx.db.system.get(id)).state });
export const hog = query({ args: {}, handler: async () => { const kept = []; for (;;) kept.push(new Array(1e5).fill(kept.length)); } });
export const recurse = query({ args: {}, handler: async () => { const again = () => again() + 1; return again(); } });
export const callItself = mutation({ args: {}, handler: async (ctx) => { await ctx.runMutation(anyApi.items.callItself, {}); } });
export const huge = query({ args: {}, handler: async () => 'x'.repeat(17 * 1024 * 1024) });
export const exit = query({ args: {}, handler: async () => { process.exit(3); } });
const insert = (table, value) => Convex.asyncSyscall('1.0/insert', JSON.stringify({ table, value }));
export const systemTable = mutation({ args: {}, handler: async () => { await insert('_deployment', {}); } });
export const badTable = mutation({ args: {}, handler: async () => { await insert('no name!', {}); } });
export const noDocument = mutation({ args: {}, handler: async () => { await insert('items', ['text']); } });
export const fork = action({ args: {}, handler: async (ctx) => { await Promise.all([ctx.runAction(anyApi.items.fork, {}), ctx.runAction(anyApi.items.fork, {})]); } });
export const deep = mutation({ args: {}, handler: async (ctx) => { let value = 1; for (let i = 0; i < 70; i++) value = [value]; await ctx.db.insert('items', { text: value }); } });
export const escapes = mutation({ args: {}, handler: async (ctx) => { void (async () => { await new Promise((resolve) => setImmediate(resolve)); await ctx.db.insert('items', { text: 'too late' }); })().catch(() => {}); } });
`,
} as const;

const folder = temporaryFolder();
const data = path.join(folder.path, 'data');
const items = anyApi.items!;
let deployment: RunningConvexLocal;
let project: Project;
let client: ConvexHttpClient;
const lines: string[] = [];

beforeAll(async () => {
  deployment = await startDeployment(data, { functionTimeoutMs: 300, log: (line) => lines.push(line) });
  project = new Project(path.join(folder.path, 'app'), APP);
  await project.push(deployment.url);
  client = new ConvexHttpClient(deployment.url, { logger: false });
});

afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe('functions that do not end', () => {
  test('a mutation that blocks is ended, keeps nothing, and takes nobody with it', async () => {
    await client.mutation(items.add!, { text: 'before' });
    const others = Array.from(
      { length: 5 },
      (_, i) => () => client.mutation(items.add!, { text: `beside ${i}` }),
    );
    const hanging = client.mutation(items.hang!, {}).catch((error: Error) => error.message);
    await Promise.all(others.map((call) => call()));
    expect(await hanging).toContain('execution timed out (maximum duration: 0.3s)');
    const list: string[] = await client.query(items.list!, {});
    expect(list.toSorted()).toEqual(['before', 'beside 0', 'beside 1', 'beside 2', 'beside 3', 'beside 4']);
  });

  test('a query that blocks without using a processor is ended about as soon, right after another one too', async () => {
    await expect(client.query(items.sleepingQuery!, {})).rejects.toThrow('execution timed out');
    await expect(client.query(items.sleepingQuery!, { again: true })).rejects.toThrow('execution timed out');
    expect(await client.query(items.list!, {})).toContain('before');
  });

  test('an action that blocks is ended', async () => {
    await expect(client.action(items.hangingAction!, {})).rejects.toThrow('was ended before it was done');
  });

  test('a query that takes all memory is ended, and the server survives', async () => {
    await expect(client.query(items.hog!, {})).rejects.toThrow(/execution timed out|memory limit/);
    expect(await client.query(items.list!, {})).toContain('before');
  });

  test('a subscription that blocks fails, and its client keeps its other queries', async () => {
    const watcher = new ConvexClient(deployment.url, { logger: false });
    try {
      const failed = new Promise<string>((resolve) => {
        watcher.onUpdate(
          items.hangingQuery!,
          {},
          () => {},
          (error) => resolve(error.message),
        );
      });
      expect(await failed).toContain('execution timed out');
      const list = new Promise((resolve) => watcher.onUpdate(items.list!, {}, resolve));
      expect(await list).toContain('before');
    } finally {
      await watcher.close();
    }
  });

  test('a job that blocks fails once and is not tried again', async () => {
    const id = await client.mutation(items.hangLater!, {});
    await vi.waitFor(
      async () => expect(await client.query(items.job!, { id })).toMatchObject({ kind: 'failed' }),
      { timeout: 20_000 },
    );
  });
});

describe('functions beyond the limits', () => {
  test.each([
    ['recurses without end', () => client.query(items.recurse!, {}), 'Maximum call stack size exceeded'],
    ['calls itself without end', () => client.mutation(items.callItself!, {}), 'call depth limit exceeded'],
    ['returns 17 MiB', () => client.query(items.huge!, {}), 'return value is too large'],
    ['ends its process', () => client.query(items.exit!, {}), 'items:exit failed: the engine ended'],
    ['writes a table of Convex', () => client.mutation(items.systemTable!, {}), 'read-only'],
    ['names a table badly', () => client.mutation(items.badTable!, {}), 'Invalid table name "no name!"'],
    ['writes what is no document', () => client.mutation(items.noDocument!, {}), 'must be an object'],
    [
      'calls itself twice, as an action',
      () => client.action(items.fork!, {}),
      'Too many actions run at once',
    ],
    ['nests a document too deeply', () => client.mutation(items.deep!, {}), 'too nested'],
  ])('a function that %s gets an error', async (_, call, message) => {
    await expect(call()).rejects.toThrow(message);
    expect(await client.query(items.list!, {})).toContain('before');
  });

  test('what a mutation did not wait for is lost', async () => {
    await client.mutation(items.escapes!, {});
    await client.mutation(items.add!, { text: 'after the escape' });
    expect(await client.query(items.list!, {})).not.toContain('too late');
  });
});

describe('requests that are wrong', () => {
  const post = async (route: string, body: string, headers: Record<string, string> = {}) => {
    const response = await fetch(deployment.url + route, { method: 'POST', body, headers });
    return [response.status, ((await response.json()) as { code?: string }).code];
  };

  test('bodies that are no JSON, or not what they say', async () => {
    expect(await post('/api/query', '{')).toEqual([400, 'BadJsonBody']);
    expect(await post('/api/query', '[]')).toEqual([400, 'BadJsonBody']);
    expect(await post('/api/query', '{}')).toEqual([400, 'BadJsonBody']);
    expect(await post('/api/mutation', 'x', { 'content-encoding': 'br' })).toEqual([400, 'BadBody']);
    expect(await post('/api/nothing', '{}')).toEqual([404, 'NotFound']);
    expect(await post('/api/query', '{"path":"items:list","args":"text"}')).toEqual([400, 'BadJsonBody']);
    expect(await post('/api/query_batch', '{"queries":[null]}')).toEqual([400, 'BadJsonBody']);
    const deep = `{"path":"items:list","args":{"a":${'['.repeat(9999)}${']'.repeat(9999)}}}`;
    expect(await post('/api/query', deep)).toEqual([400, 'TooNested']);
    const acting = { authorization: 'Convex test|00:nonsense' };
    expect(await post('/api/query', '{"path":"items:list"}', acting)).toEqual([400, 'BadJsonBody']);
  });

  test('addresses that are none', async () => {
    expect(await post('/api/run/%E0%A4%A', '{}')).toEqual([400, 'BadUrl']);
    const ask = async (base: string, target: string) => {
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return answer.toString('latin1').split('\r\n')[0];
    };
    for (const base of [deployment.url, deployment.siteUrl]) {
      expect(await ask(base, '//')).toBe('HTTP/1.1 404 Not Found');
      expect(await ask(base, 'http://[::')).toBe('HTTP/1.1 400 Bad Request');
    }
    expect(await client.query(items.list!, {})).toContain('before');
  });

  test('pushes, logs and variables need an admin key', async () => {
    for (const route of [
      'deploy2/start_push',
      'deploy2/finish_push',
      'update_environment_variables',
      'function',
    ]) {
      expect(await post(`/api/${route}`, '{}')).toEqual([403, 'BadDeployKey']);
    }
    expect((await fetch(`${deployment.url}/api/stream_function_logs?cursor=0`)).status).toBe(403);
  });

  test('system functions and files outside of the store are closed', async () => {
    await expect(client.query(anyApi['_system/cli/queryEnvironmentVariables']!.default!, {})).rejects.toThrow(
      'Could not find public function',
    );
    expect((await fetch(`${deployment.url}/api/storage/..%2f..%2flog%2flog-0`)).status).toBe(404);
  });
});

describe('pushes that do not fit', () => {
  test('a schema against the data is refused with the document, and the old code keeps serving', async () => {
    project.write({ 'schema.ts': APP['schema.ts'].replace('v.string()', 'v.number()') });
    const refused = await project.convex(
      deployment.url,
      'dev',
      '--once',
      '--typecheck',
      'disable',
      '--codegen',
      'disable',
    );
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('Schema validation failed');
    expect(refused.stderr).toMatch(/Document with ID "\w+" in table "items" does not match the schema/);
    await client.mutation(items.add!, { text: 'still a string' });
    project.write({ 'schema.ts': APP['schema.ts'] });
  });

  test('code that throws while it loads is refused, and the old code keeps serving', async () => {
    project.write({ 'broken.ts': `export const never = 1; throw new Error('at import');` });
    const refused = await project.convex(
      deployment.url,
      'dev',
      '--once',
      '--typecheck',
      'disable',
      '--codegen',
      'disable',
    );
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('at import');
    expect(await client.query(items.list!, {})).toContain('before');
    project.write({ 'broken.ts': '' });
  });
});

test('documents that cannot be read whole keep the deployment from starting, and it says why', async () => {
  using other = temporaryFolder();
  const log = path.join(other.path, 'data', 'log');
  mkdirSync(log, { recursive: true });
  writeFileSync(path.join(log, 'log-1'), 'what followed a snapshot that is gone');
  const starting = startDeployment(path.dirname(log));
  await expect(starting).rejects.toMatchObject({
    code: 'CONVEX_LOCAL_DAMAGED',
    message: expect.stringContaining('snapshot-1 is damaged or gone'),
  });
});

describe('a log that is damaged', () => {
  const logFile = (folder: string) => {
    const name = readdirSync(path.join(folder, 'log')).find((entry) => /^log-\d+$/.test(entry))!;
    return path.join(folder, 'log', name);
  };
  const stopped = path.join(folder.path, 'stopped');

  beforeAll(async () => {
    await using first = await startDeployment(stopped);
    await project.push(first.url);
    const writer = new ConvexHttpClient(first.url, { logger: false });
    for (const text of ['one', 'two', 'three']) await writer.mutation(items.add!, { text });
  });

  test.each([
    ['cut short', (file: string) => truncateSync(file, readFileSync(file).length - 5), ['one', 'two']],
    [
      'followed by rubbish',
      (file: string) => appendFileSync(file, Buffer.alloc(100, 7)),
      ['one', 'two', 'three'],
    ],
    [
      'changed in its last record',
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[bytes.length - 10]! ^= 255;
        writeFileSync(file, bytes);
      },
      ['one', 'two'],
    ],
    [
      'changed in the middle',
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[bytes.lastIndexOf('two')]! ^= 255;
        writeFileSync(file, bytes);
      },
      ['one'],
    ],
  ])('%s gives everything before the damage, and says so', async (_, damage, expected) => {
    using other = temporaryFolder();
    const own = path.join(other.path, 'data');
    cpSync(stopped, own, { recursive: true });
    damage(logFile(own));
    const said: string[] = [];
    await using second = await startDeployment(own, { log: (line) => said.push(line) });
    const reader = new ConvexHttpClient(second.url, { logger: false });
    expect(await reader.query(items.list!, {})).toEqual(expected);
    expect(said.join('\n')).toMatch(/log-\d+ is damaged from byte \d+ on/);
    await reader.mutation(items.add!, { text: 'goes on' });
    expect(await reader.query(items.list!, {})).toEqual([...expected, 'goes on']);
  });
});
