import { once } from 'node:events';
import { createServer } from 'node:net';
import { test as base, expect } from 'vitest';
import { type Client, createClient, identifier, PostgresError, sql } from '../src/index.ts';
import { relay } from './relay.ts';
import { emptyDatabase } from './server.ts';

const test = base.extend('database', async ({}, { onCleanup }) => {
  const database = await emptyDatabase();
  onCleanup(() => database[Symbol.asyncDispose]());
  return database;
});

/** Resolves when a statement with this text runs, or waits for a lock, on another connection. */
async function running(client: Client, text: string, event?: string): Promise<void> {
  for (;;) {
    const rows = await client.query(
      `SELECT 1 FROM pg_stat_activity
        WHERE query LIKE $1 AND state = 'active' AND pid <> pg_backend_pid()
          AND ($2::text IS NULL OR wait_event_type = $2)`,
      [`%${text}%`, event ?? null],
    );
    if (rows.length > 0) return;
  }
}

test('rows come typed, parameters stay parameters, and a date stays a date', async ({
  database: { client },
}) => {
  const hostile = "'; DROP TABLE x --";
  const rows = await client.query<{ text: string; day: string; days: string[] }>(
    sql`SELECT ${hostile}::text AS text, ${'2026-03-29'}::date AS day, ARRAY[date '2026-01-01'] AS days`,
  );
  expect(rows).toEqual([{ text: hostile, day: '2026-03-29', days: ['2026-01-01'] }]);
});

test('statements made by sql nest, with names quoted and parameters renumbered', async ({
  database: { client },
}) => {
  await client.execute(sql`CREATE TABLE ${identifier('public', 'odd "name')} (id int)`);
  const filter = sql`id > ${1} AND id < ${5}`;
  await client.execute(sql`INSERT INTO ${identifier('odd "name')} SELECT generate_series(1, ${9}::int)`);
  expect(
    await client.query(sql`SELECT id FROM ${identifier('odd "name')} WHERE ${filter} AND id <> ${3}`),
  ).toEqual([{ id: 2 }, { id: 4 }]);
});

test('a row that must be there, and only once, is asked for with one', async ({ database: { client } }) => {
  expect(await client.one('SELECT 1 AS one')).toEqual({ one: 1 });
  await expect(client.one('SELECT 1 WHERE false')).rejects.toMatchObject({ code: 'POSTGRES_ROW_COUNT' });
});

test('an error says which constraint, and keeps its connection', async ({ database: { url } }) => {
  await using client = createClient({ url, connections: 1 });
  const backend = () => client.one<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const before = await backend();
  await client.execute('CREATE TABLE t (id int CONSTRAINT positive CHECK (id > 0))');
  await expect(client.execute('INSERT INTO t VALUES (-1)')).rejects.toMatchObject({
    code: 'POSTGRES_CHECK',
    sqlState: '23514',
    constraint: 'positive',
    table: 't',
  });
  expect(await backend()).toEqual(before);
});

test('no error shows the password', async ({ database: { url } }) => {
  const wrong = new URL(url);
  wrong.password = 'sesame-open';
  await using client = createClient({ url: wrong.href });
  const error = await client.query('SELECT 1').catch((thrown: unknown) => thrown as PostgresError);
  expect(error).toMatchObject({ code: 'POSTGRES_AUTHENTICATION' });
  expect(JSON.stringify([String(error), Object.values(error)])).not.toContain('sesame');
});

test('a server that is not there is unreachable', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  await using client = createClient({ url: `postgresql://u:p@127.0.0.1:${port}/d` });
  await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: 'POSTGRES_UNREACHABLE' });
});

test('an abort cancels the statement on the server and frees the connection', async ({
  database: { url, client },
}) => {
  await using one = createClient({ url, connections: 1 });
  const { pid } = await one.one<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const abort = new AbortController();
  const sleeping = one.query('SELECT pg_sleep(60)', [], { signal: abort.signal });
  sleeping.catch(() => {});
  await running(client, 'pg_sleep');
  abort.abort(new Error('enough'));
  await expect(sleeping).rejects.toThrow('enough');
  expect(await one.one('SELECT pg_backend_pid() AS pid')).toEqual({ pid });
});

test('a time limit cancels the statement on the server', async ({ database: { client } }) => {
  await expect(client.query('SELECT pg_sleep(60)', [], { timeoutMs: 20 })).rejects.toMatchObject({
    code: 'POSTGRES_TIMEOUT',
  });
  expect(
    await client.query(
      "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)' ",
    ),
  ).toEqual([]);
});

test('statement and lock timeouts of the client hold on the server', async ({
  database: { url, client },
}) => {
  await using impatient = createClient({ url, statementTimeoutMs: 30, lockTimeoutMs: 10 });
  await expect(impatient.query('SELECT pg_sleep(60)')).rejects.toMatchObject({ code: 'POSTGRES_CANCELED' });
  await client.execute('CREATE TABLE t ()');
  await client.tx(async (tx) => {
    await tx.execute('LOCK TABLE t');
    await expect(impatient.query('SELECT * FROM t')).rejects.toMatchObject({ code: 'POSTGRES_LOCK_TIMEOUT' });
  });
});

test('waiting for a connection ends at the limit or at an abort, and the connection is not lost', async ({
  database: { url },
}) => {
  await using client = createClient({ url, connections: 1, connectTimeoutMs: 1000 });
  await client.connection(async () => {
    const abort = new AbortController();
    const aborted = client.query('SELECT 1', [], { signal: abort.signal });
    abort.abort();
    await expect(aborted).rejects.toThrow(/abort/i);
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: 'POSTGRES_POOL_TIMEOUT' });
  });
  expect(await client.one('SELECT 1 AS one')).toEqual({ one: 1 });
});

test('an idle connection that the server ends is replaced', async ({ database: { url, client } }) => {
  const lost = Promise.withResolvers<Error>();
  await using other = createClient({ url, connections: 1, onConnectionError: lost.resolve });
  const { pid } = await other.one<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  await client.query('SELECT pg_terminate_backend($1)', [pid]);
  await lost.promise;
  expect(await other.one('SELECT 1 AS one')).toEqual({ one: 1 });
});

test('a connection that the server ends during a statement is not lent again', async ({
  database: { url, client: observer },
}) => {
  await using client = createClient({ url, connections: 1 });
  for (const run of [
    () => client.query('SELECT pg_sleep(60)'),
    () => client.tx((tx) => tx.query('SELECT pg_sleep(60)')),
  ]) {
    const cut = run();
    cut.catch(() => undefined);
    await running(observer, 'pg_sleep(60)');
    await observer.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'",
    );
    await expect(cut).rejects.toMatchObject({ code: 'POSTGRES_CONNECTION_LOST', sqlState: '57P01' });
    expect(await client.one('SELECT 1 AS one')).toEqual({ one: 1 });
  }
});

test('close waits for what runs, and cuts what runs too long', async ({
  database: { url, client: observer },
}) => {
  const patient = createClient({ url });
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holder = observer.tx(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock(1)');
    held.resolve();
    await gate.promise;
  });
  await held.promise;
  const slow = patient.one('SELECT 1 AS one FROM pg_advisory_lock(1)');
  await running(observer, 'pg_advisory_lock(1)', 'Lock');
  const closed = patient.close();
  gate.resolve();
  await Promise.all([closed, holder]);
  expect(await slow).toEqual({ one: 1 });

  const stuck = createClient({ url });
  const endless = stuck.query('SELECT pg_sleep(60)');
  endless.catch(() => {});
  await running(observer, 'pg_sleep(60)');
  await stuck.close({ graceMs: 10 });
  await expect(endless).rejects.toBeInstanceOf(PostgresError);
  await expect(stuck.query('SELECT 1')).rejects.toMatchObject({ code: 'POSTGRES_CLOSED' });
});

test('a transaction commits what its function did, and rolls back when it throws', async ({
  database: { client },
}) => {
  await client.execute('CREATE TABLE t (id int)');
  expect(await client.tx(async (tx) => tx.execute('INSERT INTO t VALUES (1), (2)'))).toBe(2);
  const mine = new TypeError('changed my mind');
  const failing = client.tx(async (tx) => {
    await tx.execute('INSERT INTO t VALUES (3)');
    throw mine;
  });
  await expect(failing).rejects.toBe(mine);
  expect(await client.query('SELECT count(*)::int AS n FROM t')).toEqual([{ n: 2 }]);
});

test('settings of a transaction end with it', async ({ database: { url } }) => {
  await using client = createClient({ url, connections: 1 });
  const tenant =
    "SELECT nullif(current_setting('app.tenant_id', true), '') AS tenant, current_setting('lock_timeout') AS t";
  const inside = await client.tx((tx) => tx.one(tenant), {
    settings: { 'app.tenant_id': "o'brien" },
    lockTimeoutMs: 1500,
    isolation: 'serializable',
    readOnly: true,
    deferrable: true,
  });
  expect(inside).toEqual({ tenant: "o'brien", t: '1500ms' });
  expect(await client.one(tenant)).toEqual({ tenant: null, t: '0' });
});

test('a serialization failure runs the whole transaction again', async ({ database: { client } }) => {
  await client.execute('CREATE TABLE counter AS SELECT 0 AS n');
  const read = Promise.withResolvers<void>();
  const changed = Promise.withResolvers<void>();
  const attempts: number[] = [];
  const result = client.tx(
    async (tx) => {
      attempts.push(tx.attempt);
      const { n } = await tx.one<{ n: number }>('SELECT n FROM counter');
      read.resolve();
      await changed.promise;
      await tx.execute('UPDATE counter SET n = $1', [n + 1]);
      return n + 1;
    },
    { isolation: 'repeatable read' },
  );
  await read.promise;
  await client.execute('UPDATE counter SET n = 10');
  changed.resolve();
  expect(await result).toBe(11);
  expect(attempts).toEqual([1, 2]);
});

test('of two transactions in a deadlock, both end well', async ({ database: { client } }) => {
  await client.execute('CREATE TABLE t AS SELECT generate_series(1, 2) AS id, 0 AS n');
  const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const update = (first: number, second: number, self: number) =>
    client.tx(
      async (tx) => {
        await tx.execute('UPDATE t SET n = n + 1 WHERE id = $1', [first]);
        both[self]?.resolve();
        await both[1 - self]?.promise;
        await tx.execute('UPDATE t SET n = n + 1 WHERE id = $1', [second]);
        return tx.attempt;
      },
      { settings: { deadlock_timeout: '10ms' } },
    );
  const attempts = await Promise.all([update(1, 2, 0), update(2, 1, 1)]);
  // The one that gave way may be back before the other has woken up, and they meet once more.
  expect(Math.max(...attempts)).toBeGreaterThan(1);
  expect(await client.query('SELECT n FROM t')).toEqual([{ n: 2 }, { n: 2 }]);
});

test('retries end after the given number of attempts; other errors are not retried', async ({
  database: { client },
}) => {
  let runs = 0;
  const raise = (state: string) =>
    client.tx(
      async (tx) => {
        runs += 1;
        await tx.execute(`DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${state}'; END $$`);
      },
      { attempts: 3 },
    );
  await expect(raise('40001')).rejects.toMatchObject({ code: 'POSTGRES_SERIALIZATION' });
  expect(runs).toBe(3);
  await expect(raise('23505')).rejects.toMatchObject({ code: 'POSTGRES_UNIQUE' });
  expect(runs).toBe(4);
});

test('a connection that is lost during COMMIT is reported as such, and not retried', async ({
  database: { url },
}) => {
  await using line = await relay(new URL(url));
  await using client = createClient({ url: line.url });
  line.cutAfter('COMMIT');
  let runs = 0;
  const lost = client.tx(async (tx) => {
    runs += 1;
    await tx.query('SELECT 1');
  });
  await expect(lost).rejects.toMatchObject({ code: 'POSTGRES_COMMIT_UNKNOWN' });
  expect(runs).toBe(1);
});

test('a transaction whose function hides an error is not taken for committed', async ({
  database: { client },
}) => {
  const hidden = client.tx(async (tx) => {
    await tx.query('SELECT 1 / 0').catch(() => undefined);
  });
  await expect(hidden).rejects.toMatchObject({ sqlState: '22012' });
});

test('a query of a transaction has an abort of its own, which ends the transaction too', async ({
  database: { client },
}) => {
  const reason = new Error('this one only');
  const aborted = client.tx((tx) =>
    tx.query('SELECT pg_sleep(60)', [], { signal: AbortSignal.abort(reason) }),
  );
  await expect(aborted).rejects.toBe(reason);
});

test('a query that outlives its transaction is refused', async ({ database: { client } }) => {
  let late: Promise<unknown> = Promise.resolve();
  const escaped = await client.tx(async (tx) => tx);
  late = escaped.query('SELECT 1');
  await expect(late).rejects.toMatchObject({ code: 'POSTGRES_TRANSACTION_OVER' });
});

test('an abort ends a transaction that waits for a lock', async ({ database: { client } }) => {
  await client.execute('CREATE TABLE t AS SELECT 1 AS id');
  await client.tx(async (holder) => {
    await holder.execute('UPDATE t SET id = 2');
    const abort = new AbortController();
    const waiting = client.tx((tx) => tx.execute('UPDATE t SET id = 3'), { signal: abort.signal });
    waiting.catch(() => {});
    await running(client, 'UPDATE t SET id = 3', 'Lock');
    abort.abort();
    await expect(waiting).rejects.toThrow(/abort/i);
  });
  expect(await client.query('SELECT id FROM t')).toEqual([{ id: 2 }]);
});

test('notifications come back after the connection was lost, with a call to catch up', async ({
  database: { client, url },
}) => {
  await using line = await relay(new URL(url));
  await using listening = createClient({ url: line.url });
  const heard: string[] = [];
  let arrived = Promise.withResolvers<void>();
  const reconnected = Promise.withResolvers<void>();
  await using _listener = await listening.listen(['news', 'Odd Name'], {
    onNotification: ({ channel, payload }) => {
      heard.push(`${channel}: ${payload}`);
      arrived.resolve();
    },
    onReconnect: reconnected.resolve,
  });
  await client.query("SELECT pg_notify('news', 'before')");
  await arrived.promise;
  line.cutAll();
  await reconnected.promise;
  arrived = Promise.withResolvers<void>();
  await client.query("SELECT pg_notify('Odd Name', 'after')");
  await arrived.promise;
  expect(heard).toEqual(['news: before', 'Odd Name: after']);
});

test('a listener notices a server that no longer answers', async ({ database: { url } }) => {
  const reasons: string[] = [];
  await using silent = await relay(new URL(url));
  await using client = createClient({ url: silent.url });
  const noticed = Promise.withResolvers<void>();
  await using _listener = await client.listen('news', {
    heartbeatMs: 100,
    onNotification: () => {},
    onReconnect: noticed.resolve,
    onError: (error) => reasons.push(error.message),
  });
  silent.cutAfter('SELECT 1');
  await expect.poll(() => reasons.length).toBeGreaterThan(0);
  silent.cutAfter('\u0000never\u0000');
  await noticed.promise;
});
