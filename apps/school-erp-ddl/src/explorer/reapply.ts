import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type Client, createClient, migrate } from '@stackyard/postgres';

const run = promisify(execFile);

/** What a look at the migrations led to. */
export type Outcome =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'applied'; readonly files: readonly string[] }
  /** The database was put back to the state before these files, and they were applied again. */
  | { readonly kind: 'reapplied'; readonly files: readonly string[]; readonly kept: string };

/**
 * Migrations in git are taken for applied elsewhere: they stay as they are, and `migrate` refuses their edits. Files
 * that git does not hold are drafts, nobody else's yet. Before the first draft is applied the database is copied;
 * after an edit the copy takes its place and the drafts are applied to it. The database that it replaces is kept
 * under another name, so that no row is lost.
 */
export class Reapply {
  readonly #url: URL;
  readonly #directory: string;

  constructor(url: string, directory: string) {
    this.#url = new URL(url);
    this.#directory = directory;
  }

  /**
   * Brings the database to what the files say. `release` closes the caller's connections: a database is copied and
   * renamed only while nobody uses it.
   * @throws PostgresError for a committed file that was edited, and for SQL that does not run.
   */
  async update(release: () => Promise<void>): Promise<Outcome> {
    const [files, committed, applied] = await Promise.all([
      this.#files(),
      this.#committed(),
      this.#applied(),
    ]);
    const changed = applied.find((row) => files.get(row.name) !== row.checksum);
    if (changed && !committed.has(changed.name)) {
      await release();
      const kept = await this.#restore();
      return { kind: 'reapplied', files: await this.#migrate(), kept };
    }
    const pending = [...files.keys()].filter((name) => !applied.some((row) => row.name === name));
    const firstDraft =
      pending.some((name) => !committed.has(name)) && applied.every((row) => committed.has(row.name));
    if (!changed && firstDraft) {
      await release();
      await this.#copy();
    }
    const done = await this.#migrate();
    return done.length === 0 ? { kind: 'nothing' } : { kind: 'applied', files: done };
  }

  async #migrate(): Promise<readonly string[]> {
    return (await migrate({ url: this.#url.href, directory: this.#directory })).applied;
  }

  /** Checksums of the files, by name, as `migrate` takes them. */
  async #files(): Promise<Map<string, string>> {
    const entries = await readdir(this.#directory, { recursive: true });
    const paths = entries.filter((path) => path.endsWith('.sql'));
    const sums = await Promise.all(
      paths.map(async (path) => {
        const text = (await readFile(join(this.#directory, path), 'utf8')).replaceAll('\r\n', '\n');
        return [basename(path, '.sql'), createHash('sha256').update(text).digest('hex')] as const;
      }),
    );
    return new Map(sums);
  }

  /** Names of the files in the last commit; outside of git every file counts as committed. */
  async #committed(): Promise<{ has(name: string): boolean }> {
    try {
      const { stdout } = await run('git', ['ls-tree', '-r', '-z', '--name-only', 'HEAD', '.'], {
        cwd: this.#directory,
      });
      return new Set(stdout.split('\0').map((path) => basename(path, '.sql')));
    } catch {
      return { has: () => true };
    }
  }

  async #applied(): Promise<{ name: string; checksum: string }[]> {
    await using client = createClient({ url: this.#url.href, connections: 1 });
    return client.query('SELECT name, checksum FROM public.schema_migrations ORDER BY id');
  }

  async #copy(): Promise<void> {
    await this.#asAdmin(async (admin) => {
      for (const suffix of ['next', 'before_drafts'])
        await admin.execute(`DROP DATABASE IF EXISTS ${this.#quoted(suffix)} WITH (FORCE)`);
      await this.#end(admin);
      await admin.execute(`CREATE DATABASE ${this.#quoted('before_drafts')} TEMPLATE ${this.#quoted()}`);
    });
  }

  /**
   * Makes ready what would take long at the next edit: a copy of the state before the drafts. For when nobody waits;
   * not while {@link update} runs.
   */
  async prepare(): Promise<void> {
    await this.#asAdmin(async (admin) => {
      await admin.execute(`DROP DATABASE IF EXISTS ${this.#quoted('outdated')} WITH (FORCE)`);
      if ((await this.#exists(admin, 'next')) || !(await this.#exists(admin, 'before_drafts'))) return;
      await admin.execute(
        `CREATE DATABASE ${this.#quoted('next')} TEMPLATE ${this.#quoted('before_drafts')}`,
      );
    });
  }

  /** Puts a copy of the state before the drafts in place, and returns the name under which the other is kept. */
  async #restore(): Promise<string> {
    await this.#asAdmin(async (admin) => {
      if (await this.#exists(admin, 'replaced')) {
        await admin.execute(`DROP DATABASE IF EXISTS ${this.#quoted('outdated')} WITH (FORCE)`);
        await admin.execute(
          `ALTER DATABASE ${this.#quoted('replaced')} RENAME TO ${this.#quoted('outdated')}`,
        );
      }
      await this.#end(admin);
      await admin.execute(`ALTER DATABASE ${this.#quoted()} RENAME TO ${this.#quoted('replaced')}`);
      try {
        await admin.execute(
          (await this.#exists(admin, 'next'))
            ? `ALTER DATABASE ${this.#quoted('next')} RENAME TO ${this.#quoted()}`
            : `CREATE DATABASE ${this.#quoted()} TEMPLATE ${this.#quoted('before_drafts')}`,
        );
      } catch (error) {
        await admin.execute(`ALTER DATABASE ${this.#quoted('replaced')} RENAME TO ${this.#quoted()}`);
        throw error;
      }
    });
    return this.#name('replaced');
  }

  async #exists(admin: Client, suffix: string): Promise<boolean> {
    return (await admin.query('SELECT FROM pg_database WHERE datname = $1', [this.#name(suffix)])).length > 0;
  }

  async #end(admin: Client): Promise<void> {
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
      this.#name(),
    ]);
  }

  async #asAdmin<T>(work: (admin: Client) => Promise<T>): Promise<T> {
    const url = new URL(this.#url);
    url.pathname = '/postgres';
    await using admin = createClient({ url: url.href, connections: 1 });
    return await work(admin);
  }

  #name(suffix?: string): string {
    const name = decodeURIComponent(this.#url.pathname.slice(1));
    return suffix ? `${name}_${suffix}` : name;
  }

  #quoted(suffix?: string): string {
    return `"${this.#name(suffix).replaceAll('"', '""')}"`;
  }
}
