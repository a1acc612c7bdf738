import { test as base, expect } from 'vitest';
import { emptyDatabase } from './server.ts';

const test = base.extend('database', async ({}, { onCleanup }) => {
  const database = await emptyDatabase();
  onCleanup(() => database[Symbol.asyncDispose]());
  await database.client.execute(`
    CREATE SCHEMA club;
    CREATE TYPE club.mood AS ENUM ('fine', 'so so');
    CREATE TABLE club.person (
      id bigint PRIMARY KEY, name text, born date, seen timestamptz, tags text[], grid int[],
      extra jsonb, photo bytea, mood club.mood, active boolean, score numeric(6,2), "Odd ""Column" text)`);
  return database;
});

const columns = [
  ...['id', 'name', 'born', 'seen', 'tags', 'grid', 'extra', 'photo', 'mood', 'active', 'score'],
  'Odd "Column',
];

const awkward = [
  [
    ...[9007199254740993n, 'tab\t, newline\n, return\r, backslash\\ and \\N', '1999-12-31'],
    ...[
      new Date('2026-01-02T03:04:05.678Z'),
      ['a"b', 'c\\d', 'e,f', null, ''],
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ...[{ deep: ['ü', { x: null }] }, Buffer.from([0, 1, 255]), 'so so', true, 12.5, '{}'],
  ],
  [2, '', null, null, [], null, null, null, null, false, '-1', undefined],
];

const expected = [
  {
    ...{
      id: '2',
      name: '',
      born: null,
      seen: null,
      tags: [],
      grid: null,
      extra: null,
      photo: null,
      mood: null,
    },
    ...{ active: false, score: '-1.00', 'Odd "Column': null },
  },
  {
    ...{ id: '9007199254740993', name: awkward[0]?.[1], born: '1999-12-31', seen: awkward[0]?.[3] },
    ...{ tags: awkward[0]?.[4], grid: awkward[0]?.[5], extra: awkward[0]?.[6], photo: awkward[0]?.[7] },
    ...{ mood: 'so so', active: true, score: '12.50', 'Odd "Column': '{}' },
  },
];

for (const method of ['copy', 'unnest'] as const) {
  test(`every kind of value arrives as it was, through ${method}`, async ({ database: { client } }) => {
    expect(await client.copyInto('club.person', columns, awkward, { method })).toBe(2);
    expect(await client.query('SELECT * FROM club.person ORDER BY id')).toEqual(expected);
  });

  test(`a bad row leaves nothing behind, through ${method}`, async ({ database: { client } }) => {
    async function* rows() {
      for (let id = 1; id <= 2500; id += 1) yield [id];
      yield [7];
    }
    await expect(client.copyInto('club.person', ['id'], rows(), { method })).rejects.toMatchObject({
      code: 'POSTGRES_UNIQUE',
      constraint: 'person_pkey',
    });
    expect(await client.query('SELECT count(*)::int AS n FROM club.person')).toEqual([{ n: 0 }]);
  });

  test(`an error of the source ends the load and is what the caller gets, through ${method}`, async ({
    database: { client },
  }) => {
    async function* rows() {
      yield [1];
      throw new Error('line 2 is torn');
    }
    await expect(client.copyInto('club.person', ['id'], rows(), { method })).rejects.toThrow(
      'line 2 is torn',
    );
    expect(await client.query('SELECT count(*)::int AS n FROM club.person')).toEqual([{ n: 0 }]);
  });

  test(`a load within a transaction ends with it, through ${method}`, async ({ database: { client } }) => {
    const load = client.tx(async (tx) => {
      await tx.copyInto('club.person', ['id'], [[1], [2]], { method });
      throw new Error('no');
    });
    await expect(load).rejects.toThrow('no');
    expect(await client.query('SELECT count(*)::int AS n FROM club.person')).toEqual([{ n: 0 }]);
  });

  test(`an abort ends a load whose source has stalled, through ${method}`, async ({
    database: { client },
  }) => {
    const abort = new AbortController();
    async function* rows() {
      yield ['x'.repeat(100_000)];
      abort.abort(new Error('enough'));
      await new Promise(() => {});
    }
    await client.execute('CREATE TABLE note (text text)');
    await expect(client.copyInto('note', ['text'], rows(), { method, signal: abort.signal })).rejects.toThrow(
      'enough',
    );
    expect(await client.query('SELECT count(*)::int AS n FROM note')).toEqual([{ n: 0 }]);
  });
}

test('no rows are no error', async ({ database: { client } }) => {
  expect(await client.copyInto('club.person', ['id'], [])).toBe(0);
  expect(await client.copyInto('club.person', ['id'], [], { method: 'unnest' })).toBe(0);
});
