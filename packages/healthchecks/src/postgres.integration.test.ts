import { inspect } from 'node:util';
import pg from 'pg';
import { beforeAll, expect, inject, test, vi } from 'vitest';
import { postgres } from './postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    stackyardPostgres: string;
  }
}

let url: URL;

beforeAll(async () => {
  url = new URL(await (await fetch(inject('stackyardPostgres'))).text());
});

function changed(change: (url: URL) => void): URL {
  const copy = new URL(url);
  change(copy);
  return copy;
}

const signal = () => AbortSignal.timeout(10_000);

test('a real server is ready for a URL, a pool and a client', async () => {
  await postgres(url, pg)(signal());
  const pool = new pg.Pool({ connectionString: url.href });
  await postgres(pool)(signal());
  await pool.end();
});

test('a database that is not there, and a wrong password, are answers in words', async () => {
  const noDatabase = changed((copy) => {
    copy.pathname = '/not_there';
  });
  await expect(postgres(noDatabase, pg)(signal())).rejects.toThrow(
    `PostgreSQL at ${url.host}, database "not_there" answered: database "not_there" does not exist (SQLSTATE 3D000)`,
  );
  const wrongPassword = changed((copy) => {
    copy.password = 'hunter2';
  });
  const error = await postgres(wrongPassword, pg)(signal()).catch((reason: unknown) => reason);
  expect(String(error)).toContain('password authentication failed');
  expect(String(error)).toContain('(SQLSTATE 28P01)');
  expect(inspect(error, { depth: 10 })).not.toContain('hunter2');
});

test('an aborted probe leaves no session behind', async () => {
  const named = changed((copy) => copy.searchParams.set('application_name', 'aborted probe'));
  const abort = new AbortController();
  const probing = postgres(named, pg)(abort.signal);
  abort.abort(new Error('stop'));
  await expect(probing).rejects.toThrow('stop');
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await vi.waitFor(async () => {
    const sessions = await client.query('SELECT 1 FROM pg_stat_activity WHERE application_name = $1', [
      'aborted probe',
    ]);
    expect(sessions.rowCount).toBe(0);
  }, 10_000);
  await client.end();
});
