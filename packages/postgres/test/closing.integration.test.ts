import { expect, test } from 'vitest';
import { createClient } from '../src/index.ts';
import { relay } from './relay.ts';
import { emptyDatabase } from './server.ts';

const silent = { onNotification: () => {}, onReconnect: () => {} };

/** A client whose only connection runs a statement that ends when `release` is called. */
async function occupied(url: string) {
  const client = createClient({ url, connections: 1 });
  const held = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const first = client.connection(async (connection) => {
    await connection.query('SELECT 1');
    held.resolve();
    await gate.promise;
    return 'first';
  });
  await held.promise;
  return { client, first, release: gate.resolve };
}

test('close waits for what waits for a connection, too, and refuses what comes later', async () => {
  await using database = await emptyDatabase();
  const { client, first, release } = await occupied(database.url);
  const waiting = [
    client.query('SELECT 2'),
    client.query('SELECT 3', [], { timeoutMs: 20_000 }),
    client.tx((tx) => tx.query('SELECT 4')),
  ];
  const closed = client.close();
  const refused = { code: 'POSTGRES_CLOSED' };
  await expect(client.query('SELECT 5')).rejects.toMatchObject(refused);
  await expect(client.tx((tx) => tx.query('SELECT 6'))).rejects.toMatchObject(refused);
  await expect(client.listen('news', silent)).rejects.toMatchObject(refused);
  release();
  await closed;
  expect(await first).toBe('first');
  expect(await Promise.all(waiting)).toEqual([2, 3, 4].map((value) => [{ '?column?': value }]));
});

test('a transaction that is run again has its end before close', async () => {
  await using database = await emptyDatabase();
  const { client } = database;
  await client.execute('CREATE TABLE counter (value int); INSERT INTO counter VALUES (0)');
  let closed: Promise<void> | undefined;
  const attempts = await client.tx(
    async (tx) => {
      const { value } = await tx.one<{ value: number }>('SELECT value FROM counter');
      if (tx.attempt === 1) {
        await client.execute('UPDATE counter SET value = 10');
        closed = client.close();
      }
      await tx.execute('UPDATE counter SET value = $1', [value + 1]);
      return tx.attempt;
    },
    { isolation: 'serializable' },
  );
  await closed;
  expect(attempts).toBe(2);
});

test('a function that never comes back does not keep close from its end', async () => {
  await using database = await emptyDatabase();
  const client = createClient({ url: database.url, applicationName: 'endless' });
  const begun = Promise.withResolvers<void>();
  void client.tx(async (tx) => {
    await tx.query('SELECT 1');
    begun.resolve();
    await new Promise(() => {});
  });
  await begun.promise;
  await client.close({ graceMs: 10 });
  const open = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'endless'";
  await expect.poll(() => database.client.query(open)).toEqual([]);
});

test('close ends a listener that comes back just then, or has not begun yet', async () => {
  await using database = await emptyDatabase();
  await using line = await relay(new URL(database.url));
  const client = createClient({ url: line.url, connectTimeoutMs: 600_000, applicationName: 'listens' });
  await client.listen('news', silent);
  const connecting = line.stall();
  line.cutAll();
  await connecting;
  await client.close();

  const other = createClient({ url: database.url, applicationName: 'listens' });
  const listening = other.listen('news', silent);
  const closed = other.close();
  await expect(listening).rejects.toMatchObject({ code: 'POSTGRES_CLOSED' });
  await closed;
  const open = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'listens'";
  await expect.poll(() => database.client.query(open)).toEqual([]);
});

test('a listener goes on after what it calls has thrown', async () => {
  await using database = await emptyDatabase();
  await using line = await relay(new URL(database.url));
  await using client = createClient({ url: line.url });
  const thrown = Promise.withResolvers<void>();
  const heard = Promise.withResolvers<string>();
  await client.listen('news', {
    onNotification: ({ payload }) => heard.resolve(payload),
    onReconnect: () => {
      throw new Error('cannot catch up');
    },
    onError: ({ message }) => message === 'cannot catch up' && thrown.resolve(),
  });
  line.cutAll();
  await thrown.promise;
  await database.client.query("SELECT pg_notify('news', 'after')");
  expect(await heard.promise).toBe('after');
});
