/**
 * Entry point of the explorer: serves the page, watches the migrations, ends on SIGINT and SIGTERM.
 *
 *   node src/explorer/main.ts [--host 0.0.0.0] [--migrations folder]
 *
 * The host is for a container, whose ports are published from outside.
 */
import { once } from 'node:events';
import { watch } from 'node:fs';
import { parseArgs } from 'node:util';
import { createHealth } from '@stackyard/healthchecks';
import { createClient } from '@stackyard/postgres';
import type { Client } from '../database.ts';
import { explorerEnv } from '../env.ts';
import { MIGRATIONS } from '../migrations.ts';
import { Reapply } from './reapply.ts';
import { Explorer } from './server.ts';

/** Editors write a file in several steps. */
const QUIET_MS = 80;

const { DATABASE_URL: url, PORT: port } = explorerEnv.parse(process.env);
const { host, migrations } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    migrations: { type: 'string', default: MIGRATIONS },
  },
}).values;
const open = (): Client => createClient({ url, applicationName: 'explorer', onConnectionError: () => {} });
let client = open();
const health = createHealth({
  checks: { database: async (signal) => void (await client.query('SELECT 1', [], { signal })) },
});
const explorer = new Explorer({ client: () => client, health });
const reapply = new Reapply(url, migrations);

let working = Promise.resolve();
function update(): void {
  working = working.then(async () => {
    try {
      const outcome = await reapply.update(async () => {
        const old = client;
        client = open();
        await old.close({ graceMs: 100 });
      });
      if (outcome.kind === 'nothing') return;
      const again =
        outcome.kind === 'reapplied' ? `, again; the database before is kept as ${outcome.kept}` : '';
      console.log(`applied ${outcome.files.join(', ')}${again}`);
      await explorer.announce({ kind: 'schema' });
      // Without it the next edit takes longer, and nothing else.
      await reapply.prepare().catch(() => undefined);
    } catch (error) {
      const { message, hint } = error as { message: string; hint?: string };
      console.error(hint ? `${message}\n${hint}` : message);
      await explorer.announce({ kind: 'problem', message: hint ? `${message}\n${hint}` : message });
    }
  });
}
let timer: NodeJS.Timeout | undefined;
const watcher = watch(migrations, { recursive: true }, (_, name) => {
  if (!name?.endsWith('.sql')) return;
  clearTimeout(timer);
  timer = setTimeout(update, QUIET_MS);
});

explorer.server.listen(port, host);
await once(explorer.server, 'listening');
console.log(`explorer on http://${host}:${port}`);

const signal = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => signal.abort());
await once(signal.signal, 'abort');
health.shutDown();
watcher.close();
clearTimeout(timer);
await explorer.close();
await working;
await client.close();
