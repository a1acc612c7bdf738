import path from 'node:path';
import { ConvexClient, ConvexHttpClient } from 'convex/browser';
import { ConvexReactClient } from 'convex/react';
import { anyApi, type FunctionReference } from 'convex/server';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { Project, startDeployment, temporaryFolder } from './project.ts';
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

describe('the official clients', () => {
  test('the React client shows an optimistic update, then the result', async () => {
    const client = track(new ConvexReactClient(deployment.url, { logger: false }));
    const args = { channel: 'optimistic' };
    const list = client.watchQuery(chat.list! as FunctionReference<'query'>, args);
    const seen: unknown[] = [];
    const stop = list.onUpdate(() => seen.push(list.localQueryResult()));
    await vi.waitFor(() => expect(list.localQueryResult()).toEqual([]), 20_000);
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
    await vi.waitFor(() => expect(texts()).toEqual(['a', 'b']), 20_000);
    await client.mutation(chat.remove! as FunctionReference<'mutation'>, { channel: 'paged', text: 'a' });
    await vi.waitFor(() => expect(texts()).toEqual(['b']), 20_000);
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
      await vi.waitFor(() => expect(seen).toEqual([1]), 20_000);
      project.write({
        'v.ts': `import { queryGeneric as query } from 'convex/server'; export const version = query({ args: {}, handler: async () => 2 });`,
      });
      await project.push(own.url);
      await vi.waitFor(() => expect(seen).toEqual([1, 2]), 20_000);
    } finally {
      await client.close();
    }
  });
});
