/**
 * How long a job stays still when its worker is killed in the middle: from SIGKILL until another worker asks the
 * embedding service for the same text, with the lease that is the default. Both queues' jobs go this way.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createHealth } from '@stackyard/healthchecks';
import { createClient } from '@stackyard/postgres';
import { report } from '@stackyard/testing/bench';
import { startPgvector } from 'stackyard/engines/pgvector';
import { createApi } from '../src/api/server.ts';
import { createHashingEmbedder } from '../src/pipeline/index.ts';
import { openQueue } from '../src/queue/index.ts';
import { setup } from '../src/setup.ts';
import { openStorage } from '../src/storage/index.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 5);

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'bench-takeover-'));
stack.defer(() => rm(folder, { recursive: true, force: true }));
const { url } = stack.use(await startPgvector({ dataDirectory: join(folder, 'data'), database: 'bench' }));
await setup({ databaseUrl: url, anonymousTenant: 'default' });

/** Answers the second request for a text; the first one's worker is killed before it could. */
let asked = Promise.withResolvers<void>();
let answering = false;
const service = createServer((request, response) => {
  request.resume().on('end', () => {
    asked.resolve();
    if (!answering) return;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ data: [{ index: 0, embedding: [1, 0, 0, 0] }] }));
  });
}).listen(0, '127.0.0.1');
await once(service, 'listening');
stack.defer(() => {
  service.closeAllConnections();
  service.close();
});
const objects = pathToFileURL(join(folder, 'objects'));

function startWorker(): ChildProcess {
  return spawn(process.execPath, [fileURLToPath(new URL('../src/worker/main.ts', import.meta.url))], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: url,
      STORAGE_URL: objects.href,
      EMBEDDING_URL: `http://127.0.0.1:${(service.address() as AddressInfo).port}/v1`,
      EMBEDDING_DIMENSIONS: '4',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

const client = stack.use(createClient({ url, connections: 3 }));
const storage = stack.use(await openStorage(objects));
const queue = stack.use(await openQueue({ client, onError: console.error }));
const api = await createApi({
  client,
  storage,
  queue,
  embedder: createHashingEmbedder(),
  health: createHealth(),
  maxDocumentBytes: 1e6,
  anonymousTenant: 'default',
  onError: console.error,
});
stack.defer(() => api.close());
const address = await api.listen({ host: '127.0.0.1', port: 0 });

const waits: number[] = [];
let first = startWorker();
for (let round = 0; round < ROUNDS; round += 1) {
  asked = Promise.withResolvers();
  answering = false;
  const taken = await fetch(`${address}/v1/documents?name=a.txt`, {
    method: 'POST',
    body: `document ${round}`,
    headers: { 'content-type': 'text/plain' },
  });
  if (taken.status !== 202) throw new Error(await taken.text());
  await asked.promise;
  const second = startWorker();
  asked = Promise.withResolvers();
  answering = true;
  const killed = performance.now();
  await kill(first, 'SIGKILL');
  await asked.promise;
  waits.push((performance.now() - killed) / 1000);
  for (;;) {
    const { ready } = await client.one<{ ready: number }>(
      `SELECT count(*)::int AS ready FROM version WHERE status = 'ready'`,
    );
    if (ready === round + 1) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  first = second;
}
await kill(first, 'SIGTERM');
report({
  name: `killed worker's job runs elsewhere, longest of ${ROUNDS}`,
  value: Math.max(...waits),
  unit: 's',
  target: { value: 15 },
});
