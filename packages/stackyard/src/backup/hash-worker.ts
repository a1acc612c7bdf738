import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { HashAnswer, HashRequest } from './hash-thread.ts';
import { Progress } from './progress.ts';

/** Bytes read at once: they stay in the processor's cache until they are hashed. */
const buffer = Buffer.allocUnsafeSlow(256 * 1024);

parentPort?.on('message', ({ files, progress }: HashRequest) => {
  const writer = progress && new Progress(progress);
  let answer: HashAnswer;
  try {
    answer = { hashes: files.map((file, index) => hashFile(file, index, writer)) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    answer = { failed: { code, message } };
  }
  parentPort?.postMessage(answer);
});

function hashFile(name: string, index: number, writer: Progress | undefined): string | undefined {
  writer?.waitFor(index, 0);
  const file = openExisting(name);
  if (file === undefined) return undefined;
  try {
    const hash = createHash('sha256');
    for (let done = 0; ; ) {
      writer?.waitFor(index, done);
      const complete = writer?.isComplete(index) ?? true;
      const got = readSync(file, buffer, 0, buffer.length, done);
      if (got === 0 && complete) return hash.digest('hex');
      hash.update(buffer.subarray(0, got));
      done += got;
    }
  } finally {
    closeSync(file);
  }
}

function openExisting(name: string): number | undefined {
  try {
    return openSync(name, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
