/**
 * Kills the worker, the API, the database (and with QUEUE=redis the Redis) with SIGKILL at random moments while documents
 * come in, ROUNDS times (200), and then counts: every document that was sent is there once, ready, with exactly its chunks, and
 * nothing is half promoted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createClient } from '@stackyard/postgres';
import { report } from '@stackyard/testing/bench';
import { type RunningPgvector, startPgvector } from 'stackyard/engines/pgvector';
import { setup } from '../src/setup.ts';
import { startRedis } from '../test/redis.ts';
import { freePort } from './support/free-port.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 200);
const PER_ROUND = 3;

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'bench-chaos-'));
stack.defer(() => rm(folder, { recursive: true, force: true }));
const redis = process.env.QUEUE === 'redis' ? stack.use(await startRedis()) : undefined;
const options = {
  dataDirectory: join(folder, 'data'),
  database: 'bench',
  password: 'bench',
  port: await freePort(),
};
let database: RunningPgvector = await startPgvector(options);
stack.defer(() => database[Symbol.asyncDispose]());
await setup({ databaseUrl: database.url, queueUrl: redis?.url, anonymousTenant: 'default' });
const port = await freePort();
const url = `http://127.0.0.1:${port}`;

function start(script: string): ChildProcess {
  return spawn(process.execPath, [fileURLToPath(new URL(`../src/${script}`, import.meta.url))], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: database.url,
      STORAGE_URL: pathToFileURL(join(folder, 'objects')).href,
      ANONYMOUS_TENANT: 'default',
      LEASE: '4s',
      PORT: String(port),
      ...(redis && { QUEUE_URL: redis.url }),
    },
    stdio: 'ignore',
  });
}

async function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/** A program that cannot start while its database is away is started again, as any supervisor would. */
class Program {
  #child: ChildProcess;
  #over = false;
  constructor(script: string) {
    this.#child = start(script);
    this.#watch(script);
  }
  #watch(script: string): void {
    this.#child.once('exit', async () => {
      await sleep(100);
      if (this.#over) return;
      this.#child = start(script);
      this.#watch(script);
    });
  }
  kill(): Promise<void> {
    return kill(this.#child);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await kill(this.#child, 'SIGTERM');
  }
}

const api = stack.use(new Program('api/main.ts'));
const workers = [stack.use(new Program('worker/main.ts')), stack.use(new Program('worker/main.ts'))];
const client = stack.use(createClient({ url: database.url, connections: 2 }));

/** Sends until it is taken, as a careful client does. */
async function send(name: string): Promise<void> {
  const text = `${name}. `.repeat(400);
  for (;;) {
    const taken = await fetch(`${url}/v1/documents?name=${name}`, {
      method: 'POST',
      body: text,
      headers: { 'content-type': 'text/plain', 'idempotency-key': name },
      signal: AbortSignal.timeout(15_000),
    }).then(
      async (answer) => {
        await answer.text();
        return answer.status === 202;
      },
      () => false,
    );
    if (taken) return;
    await sleep(100);
  }
}

const victims: (() => Promise<void>)[] = [
  () => (workers[0] as Program).kill(),
  () => (workers[1] as Program).kill(),
  () => api.kill(),
  async () => {
    await database.kill();
    database = await startPgvector(options);
  },
  ...(redis
    ? [
        async () => {
          await redis.kill();
          await redis.start();
        },
      ]
    : []),
];

const began = performance.now();
for (let round = 0; round < ROUNDS; round += 1) {
  const sent = Promise.all(Array.from({ length: PER_ROUND }, (_, index) => send(`round-${round}-${index}`)));
  await sleep(Math.random() * 300);
  await (victims[Math.floor(Math.random() * victims.length)] as () => Promise<void>)();
  await sent;
}
const until = Date.now() + 120_000;
for (;;) {
  const open = await client
    .one<{ open: number }>(
      `SELECT count(*)::int AS open FROM version WHERE status IN ('queued', 'processing')`,
    )
    .catch(() => ({ open: -1 }));
  if (open.open === 0) break;
  if (Date.now() > until) throw new Error(`${open.open} documents are still open`);
  await sleep(200);
}
const found = await client.one<
  Record<'documents' | 'names' | 'ready' | 'half' | 'wrong' | 'stray', number>
>(`SELECT
  (SELECT count(*)::int FROM document) AS documents,
  (SELECT count(DISTINCT name)::int FROM document) AS names,
  (SELECT count(*)::int FROM version WHERE status = 'ready') AS ready,
  (SELECT count(*)::int FROM document d WHERE current_version IS DISTINCT FROM latest_version) AS half,
  (SELECT count(*)::int FROM version v WHERE chunks IS DISTINCT FROM (SELECT count(*)::int FROM chunk c WHERE c.version_id = v.id)) AS wrong,
  (SELECT count(*)::int FROM chunk c WHERE NOT EXISTS (SELECT FROM version v WHERE v.id = c.version_id)) AS stray`);
const expected = ROUNDS * PER_ROUND;
console.log(
  `${ROUNDS} rounds in ${((performance.now() - began) / 1000).toFixed(0)} s, queue: ${redis ? 'BullMQ' : 'pg-boss'}: ${JSON.stringify(found)}`,
);
report({ name: 'documents lost', value: expected - found.ready, unit: '', target: { value: 0 } });
report({
  name: 'documents or chunks twice',
  value: found.documents - found.names + found.wrong,
  unit: '',
  target: { value: 0 },
});
report({ name: 'versions half promoted', value: found.half + found.stray, unit: '', target: { value: 0 } });
