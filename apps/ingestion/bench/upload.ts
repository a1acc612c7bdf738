/**
 * Memory of the API while one file of 1 GB (BYTES) comes in, over what it has when idle: as the body itself, and in
 * pieces by the tus protocol. The file is made while it is sent.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { http, waitUntil } from '@stackyard/healthchecks';
import { report } from '@stackyard/testing/bench';
import { startPgvector } from 'stackyard/engines/pgvector';
import { setup } from '../src/setup.ts';

const MiB = 1024 ** 2;
const BYTES = Number(process.env.BYTES ?? 1024 * MiB);
const PIECE = 64 * MiB;

await using stack = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'bench-upload-'));
stack.defer(() => rm(folder, { recursive: true, force: true }));
const database = stack.use(await startPgvector({ dataDirectory: join(folder, 'data'), database: 'bench' }));
await setup({ databaseUrl: database.url, anonymousTenant: 'default' });
const free = createServer().listen(0, '127.0.0.1');
await once(free, 'listening');
const { port } = free.address() as AddressInfo;
free.close();
await once(free, 'close');
const url = `http://127.0.0.1:${port}`;
const child = spawn(process.execPath, [fileURLToPath(new URL('../src/api/main.ts', import.meta.url))], {
  env: {
    PATH: process.env.PATH,
    DATABASE_URL: database.url,
    STORAGE_URL: pathToFileURL(join(folder, 'objects')).href,
    ANONYMOUS_TENANT: 'default',
    PORT: String(port),
  },
  stdio: ['ignore', 'ignore', 'inherit'],
});
stack.defer(async () => {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
});
await waitUntil(http(`${url}/readyz`), { timeoutMs: 60_000 });

/** Resident memory of the API in MiB. */
async function resident(): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

/** The highest of what `resident` gives while `work` runs. */
async function highest(work: () => Promise<void>): Promise<number> {
  let over = false;
  let most = 0;
  const watching = (async () => {
    while (!over) {
      most = Math.max(most, await resident());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  await work().finally(() => {
    over = true;
  });
  await watching;
  return most;
}

/** `bytes` bytes, of which no two stretches are alike. */
function content(bytes: number, seed: number): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream(
    {
      pull(controller) {
        if (sent >= bytes) {
          controller.close();
          return;
        }
        const piece = Buffer.alloc(Math.min(MiB, bytes - sent), 'some text, ');
        piece.writeUInt32BE(seed);
        piece.writeDoubleBE(sent, 4);
        sent += piece.length;
        controller.enqueue(piece);
      },
    },
    { highWaterMark: 1 },
  );
}

async function send(path: string, method: string, body: ReadableStream | undefined, headers: object) {
  const answer = await fetch(new URL(path, url), {
    method,
    ...(body && { body, duplex: 'half' }),
    headers: { ...headers },
  } as RequestInit);
  if (!answer.ok) throw new Error(await answer.text());
  await answer.arrayBuffer();
  return answer;
}

const small = () =>
  send('/v1/documents?name=small.txt', 'POST', content(1000, 1), { 'content-type': 'text/plain' });
await small();
const idle = await resident();
const whole = await highest(async () => {
  await send('/v1/documents?name=large.txt', 'POST', content(BYTES, 2), { 'content-type': 'text/plain' });
});
const pieces = await highest(async () => {
  const tus = { 'tus-resumable': '1.0.0' };
  const created = await send('/v1/uploads', 'POST', undefined, {
    ...tus,
    'upload-length': String(BYTES),
    'upload-metadata': `filename ${Buffer.from('pieces.txt').toString('base64')}`,
  });
  const location = created.headers.get('location') as string;
  for (let at = 0; at < BYTES; at += PIECE) {
    await send(location, 'PATCH', content(Math.min(PIECE, BYTES - at), 3 + at), {
      ...tus,
      'content-type': 'application/offset+octet-stream',
      'upload-offset': String(at),
    });
  }
});
console.log(`${BYTES / MiB} MiB in one file; the idle API has ${idle.toFixed(0)} MiB`);
for (const [name, most] of [
  ['memory over idle, one body', whole],
  ['memory over idle, in pieces', pieces],
] as const)
  report({ name, value: Math.max(0, most - idle), unit: 'MiB', target: { value: 150 } });
