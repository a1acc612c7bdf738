import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { btree_gin } from '@electric-sql/pglite/contrib/btree_gin';
import { vector } from '@electric-sql/pglite-pgvector';
import { advisoryLocks } from './advisory-locks.ts';
import { create, inspect, lock, POSTGRES_MAJOR, type Stamp } from './data-directory.ts';

/** What `CREATE EXTENSION` finds. */
const extensions = { vector, btree_gin };

export interface DatabaseOptions {
  readonly directory: string;
  readonly user: string;
  readonly database: string;
}

export interface OpenDatabase extends AsyncDisposable {
  readonly database: PGlite;
}

/** Opens the data directory, and makes it first where there is none. It is locked until disposal. */
export async function openDatabase({
  directory,
  user,
  database: name,
}: DatabaseOptions): Promise<OpenDatabase> {
  await using stack = new AsyncDisposableStack();
  stack.defer(await lock(directory));
  const stamp: Stamp = { engine: 'pgvector', postgres: POSTGRES_MAJOR, user, database: name };
  if ((await inspect(directory, stamp)) === 'empty')
    await create(directory, stamp, (path) => fill(path, user, name));
  // PGlite's own mark names no process; the lock above is the one that counts.
  if (existsSync(join(directory, 'postmaster.pid'))) await rm(join(directory, 'postmaster.pid'));
  const database = await PGlite.create({
    dataDir: directory,
    username: user,
    database: name,
    extensions,
  });
  stack.defer(() => database.close());
  await database.exec(advisoryLocks);
  const owned = stack.move();
  return { database, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function fill(path: string, user: string, database: string): Promise<void> {
  const pglite = await PGlite.create({ dataDir: path, extensions });
  try {
    const quote = (identifier: string) => `"${identifier.replaceAll('"', '""')}"`;
    if (user !== 'postgres') await pglite.exec(`CREATE ROLE ${quote(user)} SUPERUSER LOGIN`);
    if (database !== 'postgres') await pglite.exec(`CREATE DATABASE ${quote(database)} OWNER ${quote(user)}`);
  } finally {
    await pglite.close();
  }
}
