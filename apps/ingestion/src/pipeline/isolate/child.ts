import net from 'node:net';
import { Worker } from 'node:worker_threads';
import { chunk } from '../chunk/chunk.ts';
import { PipelineError } from '../errors.ts';
import { Budget } from '../extract/budget.ts';
import { fromBytes, fromFile } from '../extract/byte-source.ts';
import { extract } from '../extract/extract.ts';
import type { Progress } from '../types.ts';
import type { Answer, Job } from './protocol.ts';

// The process that reads documents. It gets no environment, may not write files or start programs (the parent passes
// --permission), and has no network from here on: a parser that is made to fetch something fails.
net.Socket.prototype.connect = () => {
  throw new Error('No network while reading documents');
};
Reflect.deleteProperty(globalThis, 'fetch');
Reflect.deleteProperty(globalThis, 'WebSocket');

// Ctrl-C reaches the whole process group; the parent decides when this one ends.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));

new Worker(new URL('./watchdog.ts', import.meta.url), {
  workerData: { memoryBytes: Number(process.argv[2]), parent: process.ppid },
}).unref();

process.on('message', (job: Job) => void answer(job));

async function answer(job: Job): Promise<void> {
  let reply: Answer;
  try {
    reply = await run(job);
  } catch (error) {
    reply = failed(job.id, error);
  }
  send(reply);
}

async function run(job: Job): Promise<Answer> {
  await using source = 'path' in job.source ? await fromFile(job.source.path) : fromBytes(job.source.bytes);
  const budget = new Budget(job.limits);
  const document = await extract(source, job, {
    budget,
    pageRange: job.pageRange,
    onProgress: throttled(job.id),
  });
  budget.time();
  if (document.text.length > 1_000_000)
    send({ id: job.id, type: 'progress', progress: { stage: 'chunk', done: 0 } });
  const chunks = chunk(document, job.chunking, job.seed).map(({ text: _, ...place }) => place);
  return { id: job.id, type: 'done', document, chunks };
}

/** Page by page is more than a person can see; the last one always counts. */
function throttled(id: number): (progress: Progress) => void {
  let last = performance.now();
  return (progress) => {
    const now = performance.now();
    if (now - last < 100 && progress.done !== progress.total) return;
    last = now;
    send({ id, type: 'progress', progress });
  };
}

function failed(id: number, error: unknown): Answer {
  const known =
    error instanceof PipelineError
      ? error
      : new PipelineError('INGEST_CRASHED', 'The document could not be read', {
          hint: 'Report the document to the maintainers; it should have been refused with a reason.',
          cause: error,
        });
  const cause = known.cause instanceof Error ? known.cause.message : '';
  return {
    id,
    type: 'failed',
    code: known.code,
    message: known.message,
    hint: known.hint,
    detail: cause.slice(0, 2000),
  };
}

function send(reply: Answer): void {
  // The parent may be gone; then there is nobody to tell.
  process.send?.(reply, undefined, undefined, () => {});
}
