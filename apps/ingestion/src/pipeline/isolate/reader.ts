import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { PipelineError } from '../errors.ts';
import type { Limits, Progress } from '../types.ts';
import { type Answer, type Job, memoryMarker } from './protocol.ts';

type Done = Extract<Answer, { type: 'done' }>;

/** One child process that reads one document at a time. Once it has failed or been stopped it is of no more use. */
export interface Reader extends AsyncDisposable {
  read(
    job: Job,
    options: { signal?: AbortSignal | undefined; onProgress?: ((progress: Progress) => void) | undefined },
  ): Promise<Done>;
  readonly usable: boolean;
  readonly pid: number;
}

const MiB = 1024 * 1024;

/** Starts a child. It costs a tenth of a second, so readers are kept and used again. */
export function startReader(memoryBytes: number): Reader {
  const heap = Math.max(64, Math.floor((memoryBytes / MiB) * 0.75));
  const child = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), [String(memoryBytes)], {
    execArgv: [
      '--permission',
      '--allow-fs-read=*',
      '--allow-worker',
      `--max-old-space-size=${heap}`,
      '--disable-warning=SecurityWarning',
      '--disable-warning=ExperimentalWarning',
    ],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-16_384);
  });
  const gone = once(child, 'close').catch(() => undefined);
  hold(child, false);
  let usable = true;
  for (const event of ['exit', 'error'])
    child.on(event, () => {
      usable = false;
    });
  const stop = async () => {
    usable = false;
    hold(child, true);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await gone;
  };
  return {
    // A program that cannot be started at all has no number; its `close` event says so.
    pid: child.pid ?? 0,
    get usable() {
      return usable;
    },
    async read(job, options) {
      if (!usable) throw lost(new Error('The reader had ended before'));
      hold(child, true);
      try {
        return await exchange(child, job, options, () => stderr);
      } catch (error) {
        if (!(error instanceof PipelineError) || !answered.has(error)) await stop();
        throw error;
      } finally {
        hold(child, false);
      }
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Waiting for documents keeps no program alive; reading one does. */
function hold(child: ChildProcess, alive: boolean): void {
  // The pipe is a socket, which the types do not say.
  for (const part of [child, child.channel, child.stderr as Socket | null])
    alive ? part?.ref() : part?.unref();
}

/** Failures that the child reported itself, after which it reads on. */
const answered = new WeakSet<Error>();

function exchange(
  child: ChildProcess,
  job: Job,
  { signal, onProgress }: Parameters<Reader['read']>[1],
  stderr: () => string,
): Promise<Done> {
  return new Promise((resolve, reject) => {
    // The child watches the same limit and knows better where it stands; this is for when it cannot.
    const timer = setTimeout(() => fail(timeLimit(job.limits)), job.limits.timeMs + 500);
    const onAbort = () => fail(cancelled(signal?.reason));
    const onMessage = (answer: Answer) => {
      if (answer.id !== job.id) return;
      if (answer.type === 'progress') onProgress?.(answer.progress);
      else if (answer.type === 'done') {
        clean();
        resolve(answer);
      } else {
        const error = new PipelineError(answer.code, answer.message, {
          hint: answer.hint,
          ...(answer.detail === '' ? {} : { cause: new Error(answer.detail) }),
        });
        answered.add(error);
        fail(error);
      }
    };
    // `close` comes after standard error is read to its end.
    const onClose = (code: number | null, name: NodeJS.Signals | null) =>
      fail(ended(code, name, stderr(), job.limits));
    // It could not be started, or not be reached.
    const onError = (error: Error) => fail(lost(error));
    const clean = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      child.off('message', onMessage).off('close', onClose).off('error', onError);
    };
    const fail = (error: PipelineError) => {
      clean();
      reject(error);
    };
    child.on('message', onMessage).on('close', onClose).on('error', onError);
    if (signal?.aborted) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    // A failed send means that the child is going; `close` says why.
    child.send(job, () => {});
  });
}

function timeLimit(limits: Limits): PipelineError {
  return new PipelineError('INGEST_TIME_LIMIT', `Reading took longer than ${limits.timeMs} ms`, {
    hint: 'Split the document, or raise the limit timeMs.',
  });
}

export function cancelled(cause: unknown): PipelineError {
  return new PipelineError('INGEST_CANCELLED', 'Reading was stopped', { hint: 'Start it again.', cause });
}

/** Why a child ended in the middle of a document. */
function ended(code: number | null, signal: string | null, stderr: string, limits: Limits): PipelineError {
  if (
    stderr.includes(memoryMarker) ||
    /heap out of memory|invalid (?:array|table) size|Array buffer allocation failed/i.test(stderr)
  )
    return new PipelineError(
      'INGEST_MEMORY_LIMIT',
      `Reading needs more than ${Math.round(limits.memoryBytes / MiB)} MiB of memory`,
      { hint: 'Split the document, or raise the limit memoryBytes.' },
    );
  const cause = new Error(`The reader ended with ${signal ?? `code ${code}`}: ${stderr.slice(-2000)}`);
  if (signal === 'SIGKILL' || signal === 'SIGTERM' || signal === 'SIGHUP' || signal === 'SIGINT')
    return lost(cause);
  return new PipelineError('INGEST_CRASHED', 'The content brings the parser down', {
    hint: 'Open it in the program that made it, save it again, and send that.',
    cause,
  });
}

/** Nobody read the document to its end, for reasons that are not its own. */
export function lost(cause: unknown): PipelineError {
  return new PipelineError(
    'INGEST_WORKER_LOST',
    'The process that read the document was ended from outside',
    {
      hint: 'It is tried again by itself; if it keeps happening, give the worker more memory.',
      cause,
    },
  );
}
