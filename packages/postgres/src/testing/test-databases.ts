import { randomBytes } from 'node:crypto';
import { type Client, type ClientOptions, createClient } from '../client.ts';
import { PostgresError } from '../postgres-error.ts';
import { databaseUrl, ensureTemplate, type TemplateOptions } from './template.ts';

export interface TestDatabasesOptions extends TemplateOptions {
  /** A role that may create databases, on a server whose data nobody needs. */
  readonly url: string;
  /** How many databases to keep ready. 2 where absent; 0 makes each when it is asked for. */
  readonly ahead?: number;
  /** For the clients of the test databases. */
  readonly client?: Omit<ClientOptions, 'url'>;
}

/** A database that one test has to itself. Disposing of it closes its client; the drop happens in the background. */
export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** Connected already. */
  readonly client: Client;
}

/** A supply of equal databases. */
export interface TestDatabases extends AsyncDisposable {
  /** A fresh database, migrated and seeded. */
  open(): Promise<TestDatabase>;
  /** Drops what is left. */
  close(): Promise<void>;
}

/**
 * Copies of one template, made ahead of need: `open` takes a ready one with a connection in place, and starts the
 * next. Nothing happens before the first `open`.
 *
 * ```ts
 * await using databases = testDatabases({ url, migrations: 'db/migrations' });
 * await using database = await databases.open();
 * ```
 */
export function testDatabases(options: TestDatabasesOptions): TestDatabases {
  const { url, ahead = 2 } = options;
  const owner = randomBytes(4).toString('hex');
  // A name in the URL would stand above this client's own, and everybody's databases look abandoned.
  const nameless = new URL(url);
  nameless.searchParams.delete('application_name');
  const admin = createClient({
    url: nameless.href,
    connections: 3,
    // As long as a connection of this name is open, the owner of the databases lives.
    applicationName: ownerMark + owner,
    idleTimeoutMs: 0,
  });
  let supply: Promise<Supply> | undefined;
  let closing: Promise<void> | undefined;

  const close = async () => {
    const started = await supply?.catch(() => undefined);
    await started?.close();
    await admin.close();
  };

  return {
    async open() {
      if (closing) {
        throw new PostgresError('POSTGRES_CLOSED', 'The supply of test databases is closed', {
          hint: 'Open databases before it is closed.',
        });
      }
      supply ??= ensureTemplate(admin, url, options).then((template) =>
        createSupply(admin, { ...options, ahead }, template, owner),
      );
      return (await supply).take();
    },
    close() {
      closing ??= close();
      return closing;
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}

const ownerMark = 'test databases ';

/** Drops the databases of owners that were killed. */
async function dropOrphans(admin: Client): Promise<void> {
  const orphans = await admin.query<{ name: string }>(
    `SELECT d.datname AS name FROM pg_database d
     WHERE d.datname ~ '^tpl_[0-9a-f]{16}_[0-9a-f]{8}_[0-9]+$' AND NOT EXISTS (
       SELECT FROM pg_stat_activity WHERE application_name = $1 || split_part(d.datname, '_', 3))`,
    [ownerMark],
  );
  for (const { name } of orphans) await dropDatabase(admin, name);
}

const dropDatabase = (admin: Client, name: string) =>
  admin.execute(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);

/** Of about 8 MB each. */
const mostGarbage = 30;

interface Supply {
  take(): Promise<TestDatabase>;
  close(): Promise<void>;
}

function createSupply(
  admin: Client,
  options: TestDatabasesOptions & { readonly ahead: number },
  template: string,
  owner: string,
): Supply {
  const ready: Promise<TestDatabase>[] = [];
  const open = new Set<TestDatabase>();
  /** Copies follow each other: together they would only slow each other down. */
  let lastCopy: Promise<unknown> = Promise.resolve();
  /** A drop costs as much as a copy and helps nobody who waits: it is put off, within limits. */
  const garbage: string[] = [];
  // Whose orphans they are is nobody's error here: another process may be at it, or another role own them.
  let swept: Promise<void> = dropOrphans(admin).catch(() => {});
  let count = 0;
  let closed = false;

  const make = async (name: string): Promise<TestDatabase> => {
    await admin.execute(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
    const databaseAddress = databaseUrl(options.url, name);
    const client = createClient({ connections: 5, ...options.client, url: databaseAddress });
    await client.query('SELECT 1');
    let disposed: Promise<void> | undefined;
    const database: TestDatabase = {
      name,
      url: databaseAddress,
      client,
      [Symbol.asyncDispose]() {
        disposed ??= client.close({ graceMs: 1000 }).then(() => {
          open.delete(database);
          drop(name);
        });
        return disposed;
      },
    };
    open.add(database);
    return database;
  };

  const sweep = async (keep: number) => {
    while (garbage.length > keep) {
      await dropDatabase(admin, garbage.shift() as string);
    }
  };
  const drop = (name: string) => {
    garbage.push(name);
    swept = swept.then(() => sweep(mostGarbage));
    swept.catch(() => {});
  };

  const fill = (least = 0) => {
    while (ready.length < Math.max(options.ahead, least) && !closed) {
      count += 1;
      const name = `${template}_${owner}_${count}`;
      const next = lastCopy.catch(() => undefined).then(() => make(name));
      next.catch(() => {});
      lastCopy = next;
      ready.push(next);
    }
  };

  return {
    take() {
      fill(1);
      const database = ready.shift() as Promise<TestDatabase>;
      // After the caller's own first step, so that the next copy does not compete with it.
      setImmediate(() => fill());
      return database;
    },
    async close() {
      closed = true;
      await Promise.allSettled(ready);
      for (const database of open) await database[Symbol.asyncDispose]();
      await swept;
      await sweep(0);
    },
  };
}
