import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OpenDatabase, openDatabase } from './database.ts';
import { type RunningServer, serve } from './server.ts';

let directory: string;
let open: OpenDatabase;
let server: RunningServer;
const clients: pg.Client[] = [];

const options = { host: '127.0.0.1', port: 0, user: 'postgres', password: 'päss word', database: 'app' };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pgvector engine-'));
  open = await openDatabase({ directory: join(directory, 'data'), user: 'postgres', database: 'app' });
  server = await serve(open.database, { ...options, idleInTransactionMs: 300 });
});

afterAll(async () => {
  for (const client of clients) await client.end().catch(() => {});
  await server?.close();
  await open?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function connect(config: pg.ClientConfig = {}): Promise<pg.Client> {
  const { host, user, password, database } = options;
  const client = new pg.Client({ host, port: server.port, user, password, database, ...config });
  client.on('error', () => {});
  await client.connect();
  clients.push(client);
  return client;
}

const value = async (client: pg.Client, sql: string, parameters?: unknown[]) => {
  const { rows } = await client.query({
    text: sql,
    rowMode: 'array',
    ...(parameters && { values: parameters }),
  });
  return rows[0]?.[0];
};

describe('connecting', () => {
  test('works with the right password, and says which database it is', async () => {
    expect(await value(await connect(), 'SELECT current_database()')).toBe('app');
  });

  test('is refused with a wrong password, an unknown user or an unknown database', async () => {
    await expect(connect({ password: 'wrong' })).rejects.toMatchObject({ code: '28P01' });
    await expect(connect({ user: 'nobody' })).rejects.toMatchObject({ code: '28P01' });
    await expect(connect({ database: 'other' })).rejects.toMatchObject({ code: '3D000' });
  });

  test('takes settings from the startup packet and refuses those that do not exist', async () => {
    const client = await connect({
      application_name: 'named',
      options: '-c search_path=pg_catalog -c app.tenant=7',
    });
    expect(await value(client, 'SHOW search_path')).toBe('pg_catalog');
    expect(await value(client, "SELECT current_setting('app.tenant')")).toBe('7');
    expect(await value(client, 'SHOW application_name')).toBe('named');
    await expect(connect({ options: '-c no_such_setting=1' })).rejects.toMatchObject({ code: '42704' });
  });
});

describe('statements', () => {
  test('take and give values of every client at once', async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const client = await connect();
        const seen: unknown[] = [];
        for (let round = 0; round < 10; round += 1) {
          seen.push(await value(client, `SELECT $1::int * ${index + 1}`, [round]));
        }
        return seen;
      }),
    );
    all.forEach((seen, index) => {
      expect(seen).toEqual(Array.from({ length: 10 }, (_, round) => round * (index + 1)));
    });
  });

  test('report an error with its SQLSTATE and go on', async () => {
    const client = await connect();
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    await expect(client.query('SELECT $1::int', ['x'])).rejects.toMatchObject({ code: '22P02' });
    expect(await value(client, 'SELECT 2')).toBe(2);
  });

  test('prepared under the same name by two clients are two statements', async () => {
    const [one, two] = [await connect(), await connect()];
    const first = { name: 'same', text: 'SELECT 1 AS n', rowMode: 'array' as const };
    const second = { ...first, text: 'SELECT 2 AS n' };
    for (let round = 0; round < 2; round += 1) {
      expect((await one.query(first)).rows).toEqual([[1]]);
      expect((await two.query(second)).rows).toEqual([[2]]);
    }
    await one.query('DISCARD ALL');
    expect((await two.query(second)).rows).toEqual([[2]]);
  });

  test('give rows of vectors in order of distance', async () => {
    const client = await connect();
    await client.query('CREATE EXTENSION IF NOT EXISTS vector');
    await client.query('CREATE TABLE near (id int, at vector(3))');
    await client.query("INSERT INTO near VALUES (1, '[1,0,0]'), (2, '[0,1,0]')");
    await client.query('CREATE INDEX ON near USING hnsw (at vector_l2_ops)');
    expect(await value(client, "SELECT id FROM near ORDER BY at <-> '[0,0.9,0]' LIMIT 1")).toBe(2);
  });

  test('carry megabytes in both directions', async () => {
    const client = await connect();
    const text = 'x'.repeat(5_000_000);
    expect(await value(client, 'SELECT length($1)', [text])).toBe(text.length);
    expect(await value(client, "SELECT repeat('y', 5000000)")).toHaveLength(5_000_000);
  });
});

describe('transactions', () => {
  test('of several clients run one after another, so no update is lost', async () => {
    const setup = await connect();
    await setup.query('CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)');
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        const client = await connect();
        for (let round = 0; round < 5; round += 1) {
          await client.query('BEGIN');
          const n = await value(client, 'SELECT n FROM counter');
          await client.query('UPDATE counter SET n = $1', [Number(n) + 1]);
          await client.query('COMMIT');
        }
      }),
    );
    expect(await value(setup, 'SELECT n FROM counter')).toBe(30);
  });

  test('of a client that goes away are rolled back', async () => {
    const [one, two] = [await connect(), await connect()];
    await two.query('CREATE TABLE abandoned (n int)');
    await one.query('BEGIN');
    await one.query('INSERT INTO abandoned VALUES (1)');
    const answer = value(two, 'SELECT count(*)::int FROM abandoned');
    (one as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    expect(await answer).toBe(0);
  });

  test('that are idle end when others wait, and only then', async () => {
    const [idle, other] = [await connect(), await connect()];
    const ended = new Promise<Error>((resolve) => idle.once('error', resolve));
    await idle.query('BEGIN');
    expect(await value(other, 'SELECT 1')).toBe(1);
    expect(await ended).toMatchObject({ code: '25P03' });
  });

  test('that failed stay failed until rolled back', async () => {
    const client = await connect();
    await client.query('BEGIN');
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK');
    expect(await value(client, 'SELECT 1')).toBe(1);
  });
});

describe('what belongs to a session', () => {
  test('settings and roles are those of the client that set them', async () => {
    const [one, two] = [await connect(), await connect()];
    await one.query('CREATE ROLE reader');
    await one.query("SET TIME ZONE 'Asia/Tokyo'; SET ROLE reader");
    await one.query("SELECT set_config('app.tenant', 'one', false)");
    expect(await value(two, 'SHOW TimeZone')).not.toBe('Asia/Tokyo');
    expect(await value(two, 'SELECT current_user')).toBe('postgres');
    expect(await value(two, "SELECT coalesce(current_setting('app.tenant', true), '')")).toBe('');
    expect(await value(one, 'SHOW TimeZone')).toBe('Asia/Tokyo');
    expect(await value(one, 'SELECT current_user')).toBe('reader');
    expect(await value(one, "SELECT current_setting('app.tenant')")).toBe('one');
    await one.query('RESET ROLE');
    expect(await value(two, 'SELECT current_user')).toBe('postgres');
    expect(await value(one, 'SELECT current_user')).toBe('postgres');
  });

  test('an advisory lock keeps other clients out until its holder lets go or leaves', async () => {
    const [one, two] = [await connect(), await connect()];
    expect(await value(one, 'SELECT pg_try_advisory_lock(42)')).toBe(true);
    expect(await value(one, 'SELECT pg_try_advisory_lock(42)')).toBe(true);
    expect(await value(two, 'SELECT pg_try_advisory_lock(42)')).toBe(false);
    await expect(two.query('SELECT pg_advisory_lock(42)')).rejects.toMatchObject({ code: '55P03' });
    await one.query('RESET ALL; SELECT pg_try_advisory_lock(43)');
    expect(await value(two, 'SELECT pg_try_advisory_lock(43)')).toBe(false);
    expect(await value(one, 'SELECT pg_advisory_unlock(42)')).toBe(true);
    expect(await value(two, 'SELECT pg_try_advisory_lock(42)')).toBe(false);
    await one.end();
    await expect.poll(() => value(two, 'SELECT pg_try_advisory_lock(42)')).toBe(true);
    expect(await value(two, 'SELECT pg_try_advisory_lock_shared(1, 2)')).toBe(true);
    expect(await value(await connect(), 'SELECT pg_try_advisory_lock_shared(1, 2)')).toBe(true);
  });

  test('a notification reaches every client that listens, and no other', async () => {
    const [one, two, three] = [await connect(), await connect(), await connect()];
    const heard: string[] = [];
    one.on('notification', ({ payload }) => heard.push(`one ${payload}`));
    two.on('notification', ({ payload }) => heard.push(`two ${payload}`));
    await one.query('LISTEN news');
    await two.query('LISTEN "news"');
    await three.query("NOTIFY news, 'first'");
    await one.query('UNLISTEN news');
    await three.query("SELECT pg_notify('news', 'second')");
    await expect.poll(() => heard).toHaveLength(3);
    expect(heard.toSorted()).toEqual(['one first', 'two first', 'two second']);
  });
});

describe('COPY', () => {
  test('takes rows from a client, in and outside transactions', async () => {
    const client = await connect();
    await client.query('CREATE TABLE copied (id int, name text)');
    const rows = Array.from({ length: 20_000 }, (_, index) => `${index}\tname ${index}\n`).join('');
    await pipeline(Readable.from([rows]), client.query(copyFrom('COPY copied FROM STDIN')));
    expect(await value(client, 'SELECT count(*)::int FROM copied')).toBe(20_000);
    await client.query('BEGIN');
    await pipeline(
      Readable.from(['-1\tgone\n']),
      client.query(copyFrom('COPY copied (id, name) FROM STDIN')),
    );
    expect(await value(client, 'SELECT count(*)::int FROM copied')).toBe(20_001);
    await client.query('ROLLBACK');
    expect(await value(client, 'SELECT count(*)::int FROM copied')).toBe(20_000);
  });

  test('keeps nobody waiting while its data is on the way', async () => {
    const [slow, other] = [await connect(), await connect()];
    await other.query('CREATE TABLE slowly (id int)');
    const stream = slow.query(copyFrom('COPY slowly FROM STDIN'));
    stream.write('1\n');
    expect(await value(other, 'SELECT count(*)::int FROM slowly')).toBe(0);
    const finished = new Promise((resolve) => stream.once('finish', resolve));
    stream.end('2\n');
    await finished;
    expect(await value(other, 'SELECT count(*)::int FROM slowly')).toBe(2);
  });

  test('reports wrong data and missing tables, and the connection goes on', async () => {
    const client = await connect();
    const copy = (sql: string, data: string) => pipeline(Readable.from([data]), client.query(copyFrom(sql)));
    await client.query('CREATE TABLE strict (id int)');
    await expect(copy('COPY strict FROM STDIN', 'x\n')).rejects.toMatchObject({ code: '22P02' });
    await expect(copy('COPY missing FROM STDIN', '1\n')).rejects.toMatchObject({ code: '42P01' });
    expect(await value(client, 'SELECT count(*)::int FROM strict')).toBe(0);
  });

  test('gives rows to a client', async () => {
    const client = await connect();
    const chunks: Buffer[] = [];
    const stream = client.query(copyTo('COPY (SELECT * FROM generate_series(1, 3)) TO STDOUT'));
    for await (const chunk of stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('1\n2\n3\n');
  });
});
