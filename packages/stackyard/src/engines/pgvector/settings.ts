import type { Backend } from './backend.ts';

const CURRENT = `
  SELECT name, setting AS value FROM pg_settings WHERE source = 'session'
  UNION ALL SELECT name, current_setting(name, true) FROM unnest($1::text[]) AS custom(name)
    WHERE current_setting(name, true) <> ''
  UNION ALL SELECT 'session_authorization', session_user WHERE session_user <> $2
  UNION ALL SELECT 'role', current_setting('role') WHERE current_setting('role') <> 'none'`;

const RESET = 'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL';

/**
 * The settings of one client (`SET`, `SET ROLE`, startup options). All clients share one backend, so these are taken
 * off when another client's turn comes, and put back when its own comes again.
 */
export class SessionSettings {
  readonly #backend: Backend;
  readonly #superuser: string;
  readonly #custom = new Set<string>();
  #values: [name: string, value: string][];
  #changed = false;

  constructor(backend: Backend, superuser: string, initial: readonly [string, string][]) {
    this.#backend = backend;
    this.#superuser = superuser;
    this.#values = [...initial];
    this.changed(initial.map(([name]) => name).filter((name) => name.includes('.')));
    this.#changed = false;
  }

  /** The client ran something that may have changed its settings. */
  changed(custom: Iterable<string>): void {
    this.#changed = true;
    for (const name of custom) this.#custom.add(name);
  }

  /** After `DISCARD ALL`, which drops the startup options here too. */
  forget(): void {
    this.#changed = true;
    this.#custom.clear();
  }

  /** Puts the settings on, after taking those of `previous` off. Clients of one pool mostly have the same. */
  async replace(previous: SessionSettings | undefined): Promise<void> {
    if (previous) {
      await previous.#remember();
      if (JSON.stringify(previous.#values) === JSON.stringify(this.#values)) return;
    }
    if (previous && previous.#values.length > 0) await this.#backend.execute(RESET);
    if (this.#values.length === 0) return;
    await this.#backend.rows(
      'SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS s(name, value)',
      [this.#values.map(([name]) => name), this.#values.map(([, value]) => value)],
    );
  }

  async #remember(): Promise<void> {
    if (!this.#changed) return;
    const rows = await this.#backend.rows<{ name: string; value: string }>(CURRENT, [
      [...this.#custom],
      this.#superuser,
    ]);
    this.#values = rows.map(({ name, value }) => [name, value]);
    this.#changed = false;
  }
}
