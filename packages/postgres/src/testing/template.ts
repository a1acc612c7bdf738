import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '../client.ts';
import { migrate } from '../migrate.ts';
import { readMigrations } from '../migration-files.ts';
import { quoteIdentifier } from '../statement.ts';

export interface TemplateOptions {
  /** Folder of migrations; an empty database where absent. */
  readonly migrations?: string | undefined;
  /** Fills the template after the migrations. `version` names what `run` writes: change both together. */
  readonly seed?: { readonly version: string; readonly run: (client: Client) => Promise<void> } | undefined;
}

/**
 * Makes sure that the server holds a template database for these migrations and seed, and returns its name. The name
 * is a hash of their content and of the server's version, so that a change of either makes another template.
 *
 * It is built under a private name and renamed when it is complete; an advisory lock lets one process build while the
 * others wait.
 */
export async function ensureTemplate(admin: Client, url: string, options: TemplateOptions): Promise<string> {
  const template = `tpl_${await templateKey(admin, options)}`;
  if (await isThere(admin, template)) return template;
  await admin.connection(async (connection) => {
    const lock = [`stackyard template ${template}`];
    // Polled: a session that waits for the lock holds a snapshot, which some statements of migrations wait for.
    for (;;) {
      const { rows } = await connection.query<{ mine: boolean }>(
        'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS mine',
        lock,
      );
      if (rows[0]?.mine) break;
      await sleep(20);
    }
    try {
      if (!(await isThere(admin, template))) await build(admin, url, template, options);
    } finally {
      await connection.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', lock);
    }
  });
  return template;
}

async function templateKey(admin: Client, { migrations, seed }: TemplateOptions): Promise<string> {
  const { version } = await admin.one<{ version: string }>('SHOW server_version').then((row) => ({
    version: Object.values(row).join(),
  }));
  const files = migrations === undefined ? [] : await readMigrations(migrations);
  const content = [version, ...files.map(({ name, checksum }) => [name, checksum]), seed?.version ?? null];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16);
}

async function isThere(admin: Client, template: string): Promise<boolean> {
  const rows = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate', [
    template,
  ]);
  return rows.length > 0;
}

async function build(admin: Client, url: string, template: string, options: TemplateOptions): Promise<void> {
  const left = await admin.query<{ name: string }>(
    'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)',
    [`${template}_build_`],
  );
  for (const { name } of left) await admin.execute(`DROP DATABASE ${quoteIdentifier(name)} WITH (FORCE)`);
  const name = `${template}_build_${randomBytes(4).toString('hex')}`;
  await admin.execute(`CREATE DATABASE ${name} TEMPLATE template0 STRATEGY FILE_COPY`);
  try {
    const client = createClient({ url: databaseUrl(url, name) });
    try {
      if (options.migrations !== undefined) await migrate({ client, directory: options.migrations });
      await options.seed?.run(client);
      // Hint bits and statistics are then written once, and not by every copy.
      await client.execute('VACUUM ANALYZE');
    } finally {
      await client.close();
    }
    await cacheCatalog(databaseUrl(url, name));
    await untilUnused(admin, name);
    await admin.tx(async (tx) => {
      await tx.execute(`ALTER DATABASE ${name} RENAME TO ${template}`);
      await tx.execute(`ALTER DATABASE ${template} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`);
    });
  } catch (error) {
    await admin.execute(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    throw error;
  }
}

/**
 * The first connection after a change of the catalog writes a file that lets later ones start faster. Copies inherit
 * it: without it, the first connection to each would have that work.
 */
async function cacheCatalog(url: string): Promise<void> {
  await using client = createClient({ url, connections: 1 });
  await client.query('SELECT 1');
}

/** A closed connection's backend lives on for a moment, and a database in use is neither renamed nor copied. */
async function untilUnused(admin: Client, name: string): Promise<void> {
  while ((await admin.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [name])).length > 0)
    await sleep(2);
}

/** The same server and user, another database. */
export function databaseUrl(url: string, database: string): string {
  const result = new URL(url);
  result.pathname = `/${encodeURIComponent(database)}`;
  return result.href;
}
