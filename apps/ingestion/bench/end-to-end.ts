/**
 * Documents per second from the API to searchable: text documents of 10 kB and an embedder that takes no time, with the
 * API, the worker and the database each in a process of its own. DATABASE_URL chooses a native PostgreSQL with pgvector.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { http, waitUntil } from '@stackyard/healthchecks';
import { createClient } from '@stackyard/postgres';
import { report } from '@stackyard/testing/bench';
import { startPgvector } from 'stackyard/engines/pgvector';
import { setup } from '../src/setup.ts';
import { article } from '../test/documents.ts';
import { freePort } from './support/free-port.ts';

const COUNT = Number(process.env.DOCUMENTS ?? 500);
const BYTES = 10_000;
const PER_REQUEST = 50;

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'bench-e2e-'));
stack.defer(() => rm(folder, { recursive: true, force: true }));
const native = process.env.DATABASE_URL;
const databaseUrl =
  native ?? stack.use(await startPgvector({ dataDirectory: join(folder, 'data'), database: 'bench' })).url;
await setup({ databaseUrl, anonymousTenant: 'default' });

async function start(script: string, environment: Record<string, string>, ready: string): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`../src/${script}`, import.meta.url))], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: databaseUrl,
      STORAGE_URL: pathToFileURL(join(folder, 'objects')).href,
      ANONYMOUS_TENANT: 'default',
      ...environment,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  stack.defer(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  });
  await waitUntil(http(ready), { timeoutMs: 60_000 });
}

const [port, healthPort] = [await freePort(), await freePort()];
await start('api/main.ts', { PORT: String(port) }, `http://127.0.0.1:${port}/readyz`);
await start(
  'worker/main.ts',
  { HEALTH_PORT: String(healthPort), CONCURRENCY: '64' },
  `http://127.0.0.1:${healthPort}/readyz`,
);
const client = stack.use(createClient({ url: databaseUrl, connections: 1 }));

function requestsOf(from: number, count: number): FormData[] {
  const batches: FormData[] = [];
  for (let at = from; at < from + count; at += PER_REQUEST) {
    const form = new FormData();
    for (let index = at; index < Math.min(at + PER_REQUEST, from + count); index += 1) {
      form.append('files', new Blob([article(BYTES, index + 1)]), `document ${index}.txt`);
    }
    batches.push(form);
  }
  return batches;
}

async function run(batches: FormData[]): Promise<void> {
  await Promise.all(
    [1, 2].map(async () => {
      for (let body = batches.shift(); body; body = batches.shift()) {
        const answer = await fetch(`http://127.0.0.1:${port}/v1/documents`, { method: 'POST', body });
        if (answer.status !== 202) throw new Error(await answer.text());
      }
    }),
  );
  for (;;) {
    const { open } = await client.one<{ open: number }>(
      `SELECT count(*)::int AS open FROM version WHERE status IN ('queued', 'processing')`,
    );
    if (open === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

await run(requestsOf(0, 50)); // the processes warm up
const requests = requestsOf(50, COUNT);
const began = performance.now();
await run(requests);
const seconds = (performance.now() - began) / 1000;
const { ready } = await client.one<{ ready: number }>(
  `SELECT count(*)::int AS ready FROM version WHERE status = 'ready'`,
);
if (ready !== COUNT + 50) throw new Error(`${ready} of ${COUNT + 50} documents are ready`);
console.log(
  `${native ? 'native' : 'embedded engine'}: ${(COUNT / seconds).toFixed(0)} documents/s of ${BYTES} bytes, ${COUNT} in ${seconds.toFixed(1)} s`,
);
report({
  name: 'end to end, per document',
  value: (seconds * 1000) / COUNT,
  unit: 'ms',
  target: { value: 1000 / 150 },
});
