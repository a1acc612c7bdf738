import path from 'node:path';
import { ConvexClient, ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { CHAT_APP } from './chat-app.ts';
import { Project, startDeployment, temporaryFolder } from './project.ts';

const folder = temporaryFolder();
let deployment: RunningConvexLocal;
let project: Project;
const messages = anyApi.messages!;

beforeAll(async () => {
  deployment = await startDeployment(path.join(folder.path, 'data'));
  project = new Project(path.join(folder.path, 'app'), CHAT_APP);
  await project.push(deployment.url);
});

afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

test('queries, mutations and actions answer the official HTTP client', async () => {
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  await client.mutation(messages.send!, { channel: 'http', text: 'hello' });
  const list = await client.query(messages.list!, { channel: 'http' });
  expect(list).toMatchObject([{ channel: 'http', text: 'hello' }]);
  expect(await client.action(messages.sendTwice!, { text: 'again' })).toBe(2);
});

test('a mutation that throws changes nothing, and its ConvexError arrives with its data', async () => {
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  await expect(client.mutation(messages.fail!, {})).rejects.toMatchObject({ data: { reason: 'on purpose' } });
  expect(await client.query(messages.list!, { channel: 'failed' })).toEqual([]);
});

test('internal functions are hidden from clients', async () => {
  const client = new ConvexHttpClient(deployment.url, { logger: false });
  await expect(client.query(messages.secret!, {})).rejects.toThrow('Could not find public function for');
});

test("a mutation of one client reaches another's subscription", async () => {
  const watcher = new ConvexClient(deployment.url, { logger: false });
  const writer = new ConvexClient(deployment.url, { logger: false });
  try {
    const seen = new Promise<unknown[]>((resolve) => {
      watcher.onUpdate(messages.list!, { channel: 'live' }, (list: unknown[]) => {
        if (list.length === 1) resolve(list);
      });
    });
    await writer.mutation(messages.send!, { channel: 'live', text: 'ping' });
    expect(await seen).toMatchObject([{ text: 'ping' }]);
  } finally {
    await watcher.close();
    await writer.close();
  }
});

test('what was committed is there after a restart', async () => {
  using restartFolder = temporaryFolder();
  const data = path.join(restartFolder.path, 'data');
  const said: string[] = [];
  {
    await using first = await startDeployment(data, { log: (line) => said.push(line) });
    expect(said).toContain('convex-local: for development and tests, not for production');
    await project.push(first.url);
    const client = new ConvexHttpClient(first.url, { logger: false });
    await client.mutation(messages.send!, { channel: 'kept', text: 'one' });
  }
  await using second = await startDeployment(data);
  const client = new ConvexHttpClient(second.url, { logger: false });
  expect(await client.query(messages.list!, { channel: 'kept' })).toMatchObject([{ text: 'one' }]);
});
