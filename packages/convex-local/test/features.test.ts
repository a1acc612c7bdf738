import path from 'node:path';
import { ConvexHttpClient } from 'convex/browser';
import { anyApi } from 'convex/server';
import { ConvexError } from 'convex/values';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { FEATURE_APP } from './feature-app.ts';
import { Project, startDeployment, temporaryFolder } from './project.ts';

const folder = temporaryFolder();
let deployment: RunningConvexLocal;
let project: Project;
let client: ConvexHttpClient;
const notes = anyApi.notes!;
const calls = anyApi.calls!;

beforeAll(async () => {
  deployment = await startDeployment(path.join(folder.path, 'data'));
  project = new Project(path.join(folder.path, 'app'), FEATURE_APP);
  await project.push(deployment.url);
  client = new ConvexHttpClient(deployment.url, { logger: false });
});

afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

beforeEach(async () => {
  await client.mutation(notes.clear!, {});
});

async function addAll(...texts: string[]): Promise<void> {
  for (const [rank, text] of texts.entries())
    await client.mutation(notes.add!, { author: 'ann', text, rank });
}

describe('documents and indexes', () => {
  test('an index answers ranges in both orders', async () => {
    await addAll('zero', 'one', 'two');
    await client.mutation(notes.add!, { author: 'bob', text: 'other' });
    await client.mutation(notes.add!, { author: 'ann', text: 'without rank' });
    expect(await client.query(notes.ranked!, { author: 'ann' })).toEqual([
      'without rank',
      'zero',
      'one',
      'two',
    ]);
    expect(await client.query(notes.ranked!, { author: 'ann', above: 0, order: 'desc' })).toEqual([
      'two',
      'one',
    ]);
  });

  test('filters see the fields of a document', async () => {
    await addAll('a', 'b', 'c', 'd');
    expect(await client.query(notes.filtered!, { author: 'ann' })).toEqual(['c', 'd']);
  });

  test('patch removes a field set to undefined, replace keeps id and creation time, delete removes', async () => {
    const id = await client.mutation(notes.add!, { author: 'ann', text: 'old', rank: 1 });
    const patched = await client.mutation(notes.edit!, { id, text: 'new' });
    expect(patched).toEqual({ _id: id, _creationTime: expect.any(Number), author: 'ann', text: 'new' });
    expect(await client.mutation(notes.put!, { id, author: 'cy', text: 'put' })).toEqual({
      ...patched,
      author: 'cy',
      text: 'put',
    });
    await client.mutation(notes.remove!, { id });
    await expect(client.mutation(notes.remove!, { id })).rejects.toThrow(
      `Delete on nonexistent document ID ${id}`,
    );
  });

  test('a mutation may change what it iterates over', async () => {
    await addAll('a', 'b', 'c');
    expect(await client.mutation(notes.walk!, {})).toBe(3);
  });

  test('an index used out of order, or staged, is refused', async () => {
    await expect(client.query(notes.disordered!, {})).rejects.toThrow("didn't use the index fields in order");
    await expect(client.query(notes.staged!, {})).rejects.toThrow(
      'Index notes.by_text is currently staged and not available to query until it is enabled',
    );
  });

  test('every kind of value survives a round trip', async () => {
    const value = {
      int: 2n ** 62n,
      tiny: -0,
      none: null,
      list: [1.5, 'x', [true]],
      bytes: new ArrayBuffer(3),
      inf: Number.POSITIVE_INFINITY,
    };
    expect(await client.mutation(notes.values!, { value })).toEqual(value);
  });

  test('ids are recognised by the table they belong to', async () => {
    const id = await client.mutation(notes.add!, { author: 'ann', text: 'x' });
    expect(await client.query(notes.normalize!, { table: 'notes', id })).toBe(id);
    expect(await client.query(notes.normalize!, { table: 'points', id })).toBeNull();
    await expect(client.mutation(notes.remove!, { id: 'nonsense' })).rejects.toThrow(
      'ArgumentValidationError',
    );
  });

  test('a consistent query sees the state of its first look', async () => {
    const consistent = new ConvexHttpClient(deployment.url, { logger: false });
    await addAll('first');
    expect(await consistent.consistentQuery(notes.ranked!, { author: 'ann' })).toEqual(['first']);
    await addAll('second');
    expect(await consistent.consistentQuery(notes.ranked!, { author: 'ann' })).toEqual(['first']);
    expect(await consistent.query(notes.ranked!, { author: 'ann' })).toHaveLength(2);
  });
});

describe('pages', () => {
  test('follow each other without gaps, and end', async () => {
    await addAll('a', 'b', 'c', 'd', 'e');
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let round = 0; round < 10; round++) {
      const page: { page: Array<{ text: string }>; isDone: boolean; continueCursor: string } =
        await client.query(notes.page!, { author: 'ann', paginationOpts: { numItems: 2, cursor } });
      seen.push(...page.page.map(({ text }) => text));
      cursor = page.continueCursor;
      if (page.isDone) break;
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('a cursor of another query is refused', async () => {
    await addAll('a', 'b');
    const { continueCursor: cursor } = await client.query(notes.page!, {
      author: 'ann',
      paginationOpts: { numItems: 1, cursor: null },
    });
    await expect(
      client.query(notes.page!, { author: 'bob', paginationOpts: { numItems: 1, cursor } }),
    ).rejects.toThrow('InvalidCursor');
  });

  test.each([
    [{ numItems: 1, maximumRowsRead: 3 }, 1, null],
    [{ numItems: 3, maximumRowsRead: 3 }, 3, 'SplitRecommended'],
    [{ numItems: 3, maximumRowsRead: 2 }, 2, 'SplitRequired'],
  ])('%j gives %d documents and the status %s', async (limits, length, pageStatus) => {
    await addAll('a', 'b', 'c');
    const page = await client.query(notes.page!, {
      author: 'ann',
      paginationOpts: { cursor: null, ...limits },
    });
    expect(page).toMatchObject({ pageStatus });
    expect(page.page).toHaveLength(length);
  });
});

describe('search', () => {
  test('finds words, the last one as a prefix, and filters', async () => {
    await addAll('grilled fish with rice', 'fishing in the morning', 'rice pudding');
    expect(await client.query(notes.search!, { text: 'fish' })).toEqual([
      'grilled fish with rice',
      'fishing in the morning',
    ]);
    expect(await client.query(notes.search!, { text: 'pud rice' })).toEqual([
      'rice pudding',
      'grilled fish with rice',
    ]);
    expect(await client.query(notes.search!, { text: 'fxsh' })).toEqual([]);
    expect(await client.query(notes.search!, { text: 'fish', author: 'bob' })).toEqual([]);
  });

  test('pages until an empty, last one', async () => {
    await addAll('fish');
    const first = await client.query(notes.searchPage!, {
      text: 'fish',
      paginationOpts: { numItems: 1, cursor: null },
    });
    expect(first).toMatchObject({ isDone: false, page: [{ text: 'fish' }] });
    const cursor = first.continueCursor;
    expect(
      await client.query(notes.searchPage!, { text: 'fish', paginationOpts: { numItems: 1, cursor } }),
    ).toMatchObject({ isDone: true, page: [] });
  });

  test('vectors are ranked by angle', async () => {
    const right = await client.mutation(calls.addPoint!, { kind: 'a', at: [1, 0] });
    const up = await client.mutation(calls.addPoint!, { kind: 'b', at: [0, 1] });
    await client.mutation(calls.addPoint!, { kind: 'a', at: [-1, 0] });
    const found = await client.action(calls.near!, { at: [2, 1] });
    expect(found.map(({ _id }: { _id: string }) => _id)).toEqual([right, up]);
    expect(await client.action(calls.near!, { at: [0, 1], kind: 'b' })).toEqual([{ _id: up, _score: 1 }]);
  });
});

describe('rules', () => {
  test('arguments, returns and documents are validated with the place and the validator', async () => {
    await expect(client.mutation(notes.add!, { author: 'ann' })).rejects.toThrow(
      'ArgumentValidationError: Object is missing the required field `text`',
    );
    await expect(client.mutation(notes.add!, { author: 1, text: 'x' })).rejects.toThrow(
      'Value does not match validator.\nPath: .author\nValue: 1.0\nValidator: v.string()',
    );
    await expect(client.mutation(notes.add!, { author: 'a', text: 'x', more: 1 })).rejects.toThrow(
      'extra field `more`',
    );
    await expect(client.query(notes.badReturn!, {})).rejects.toThrow('ReturnsValidationError');
    await expect(client.mutation(notes.wrong!, {})).rejects.toThrow('does not match the schema');
    await expect(client.mutation(notes.underscore!, {})).rejects.toThrow("'_mine' starts with an underscore");
  });

  test('queries have a clock that stands still, and no timers', async () => {
    expect(await client.query(notes.clock!, {})).toEqual([true, true, 'number']);
    await expect(client.query(notes.timer!, {})).rejects.toThrow(
      "Can't use setTimeout in queries and mutations",
    );
  });

  test('a document larger than 1 MiB is refused', async () => {
    await client.mutation(notes.big!, { kilobytes: 1000 });
    await expect(client.mutation(notes.big!, { kilobytes: 1100 })).rejects.toThrow('maximum size 1 MiB');
  });

  test('functions see the variables of the deployment and none of the host', async () => {
    await project.convex(deployment.url, 'env', 'set', 'GREETING', 'hello there');
    expect(await client.query(calls.setting!, {})).toEqual(['hello there', deployment.url, null]);
  });

  test('a missing function is named, with the way out', async () => {
    await expect(client.query(notes.nothing!, {})).rejects.toThrow(
      "Could not find public function for 'notes:nothing'. Did you forget to run `npx convex dev` or `npx convex deploy`?",
    );
  });
});

describe('errors', () => {
  test('carry the frames of the own sources, and the data of a ConvexError', async () => {
    const error: ConvexError<{ code: bigint }> = await client
      .query(calls.refuse!, {})
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ConvexError);
    expect(error.data).toEqual({ code: 7n });
    expect(error.message).toMatch(
      /^\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Refusal: \{"code":"7n"\}\n {4}at handler \(\.\.\/convex\/calls\.ts:\d+:\d+\)\n$/,
    );
    await expect(client.query(calls.throwPlain!, {})).rejects.toThrow(
      /Uncaught Error: plain\n {4}at <anonymous> \(\.\.\/convex\/calls\.ts:\d+:\d+\)\n$/,
    );
  });

  test('nest, each function with its own frames', async () => {
    const error: ConvexError<string> = await client.action(calls.relay!, {}).catch((thrown) => thrown);
    expect(error.data).toEqual({ code: 7n });
    expect(error.message).toMatch(
      /Uncaught ConvexError: Uncaught Refusal: \{"code":"7n"\}\n {4}at handler \(\.\.\/convex\/calls\.ts:\d+:\d+\)\n\n {4}at async handler \(\.\.\/convex\/calls\.ts:\d+:\d+\)\n$/,
    );
  });
});

test('a staged index answers as soon as a push enables it', async () => {
  await addAll('b', 'a');
  const staged = FEATURE_APP['schema.ts'];
  project.write({ 'schema.ts': staged.replace(", { fields: ['text'], staged: true }", ", ['text']") });
  await project.push(deployment.url);
  const texts = async () => (await client.query(notes.staged!, {})).map(({ text }: { text: string }) => text);
  expect(await texts()).toEqual(['a', 'b']);
  project.write({ 'schema.ts': staged });
  await project.push(deployment.url);
  await expect(texts()).rejects.toThrow('Index notes.by_text is currently staged');
});

test('a query that never settles is ended after its time', async () => {
  await expect(client.query(notes.forever!, {})).rejects.toThrow(
    'execution timed out (maximum duration: 1s)',
  );
});
