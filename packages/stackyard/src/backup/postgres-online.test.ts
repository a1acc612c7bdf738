import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startPostgres } from '../engines/postgres/start-postgres.ts';
import { HashThread } from './hash-thread.ts';
import { copyPostgresOnline } from './postgres-online.ts';
import { countRows } from './row-counts.ts';

const { signal } = new AbortController();

test('a server that goes away while it is copied is told, and so is one that is gone', async () => {
  const to = mkdtempSync(path.join(tmpdir(), 'stackyard-online-'));
  onTestFinished(() => rmSync(to, { recursive: true, force: true }));
  const told = (what: RegExp) => ({
    code: 'STACKYARD_BACKUP_SERVER',
    message: expect.stringMatching(what),
  });
  let url: string;
  {
    await using postgres = await startPostgres({ settings: { wal_level: 'replica', max_wal_senders: '1' } });
    /** Hashing begins when the server has begun its backup, and before the first file is copied. */
    class Ending extends HashThread {
      override hash(...args: Parameters<HashThread['hash']>) {
        process.kill(postgres.pid, 'SIGQUIT');
        return super.hash(...args);
      }
    }
    await using hashing = new Ending(signal);
    url = postgres.url;
    const copy = copyPostgresOnline(url, { from: postgres.dataDirectory, to, hashing, signal });
    await expect(copy).rejects.toMatchObject(told(/^the PostgreSQL at 127\.0\.0\.1:\d+ says: .*terminat/));
  }
  await expect(countRows(url)).rejects.toMatchObject(told(/ECONNREFUSED/));
});
