import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { makePdf, prose, rawDocx } from '../../../test/documents.ts';
import { defaultChunkOptions, defaultLimits } from '../defaults.ts';
import type { Progress } from '../types.ts';
import { openExtractor } from './extractor.ts';
import { ReaderPool } from './pool.ts';
import { type Reader, startReader } from './reader.ts';

vi.setConfig({ testTimeout: 30_000 });

const slowDocument = () => ({
  name: 'slow.docx',
  source: { bytes: rawDocx('<w:p><w:r><w:t>word</w:t></w:r></w:p>'.repeat(30_000)) },
});
const text = (content: string) => ({ name: 'a.txt', source: { bytes: Buffer.from(content) } });

describe('the extractor', () => {
  test('reads from files, memory and streams alike, and leaves no copy of a stream', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'source with space-'));
    await using extractor = openExtractor({ processes: 1, temporaryFolder: folder });
    try {
      const bytes = await makePdf(['one', 'two']);
      const path = join(folder, 'a.pdf');
      await writeFile(path, bytes);
      const stream = (async function* () {
        for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
      })();
      const [one, two, three] = await Promise.all(
        [{ path }, { bytes }, { stream }].map((source) =>
          extractor.process({ name: 'a.pdf', source }, { seed: 's' }),
        ),
      );
      expect(one!.document.text).toBe('one\n\ntwo');
      expect(two).toEqual(one);
      expect(three).toEqual(one);
      expect(await readdir(folder)).toEqual(['a.pdf']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('says that it may be tried again when the bytes are away', async () => {
    await using extractor = openExtractor({ processes: 1 });
    const broken = (async function* () {
      yield Buffer.from('begin');
      throw new Error('connection reset');
    })();
    for (const source of [{ path: '/nowhere/at/all' }, { stream: broken }])
      await expect(extractor.process({ name: 'a.txt', source }, { seed: 's' })).rejects.toMatchObject({
        code: 'INGEST_SOURCE_UNAVAILABLE',
        retryable: true,
      });
  });

  test('and when there is no place for a stream', async () => {
    await using extractor = openExtractor({ processes: 1, temporaryFolder: '/nowhere/at/all' });
    const stream = (async function* () {
      yield Buffer.from('x');
    })();
    await expect(
      extractor.process({ name: 'a.txt', source: { stream } }, { seed: 's' }),
    ).rejects.toMatchObject({
      code: 'INGEST_SOURCE_UNAVAILABLE',
      retryable: true,
    });
  });

  test('refuses a stream that is larger than the limit while it comes', async () => {
    await using extractor = openExtractor({ processes: 1, limits: { inputBytes: 1000 } });
    let given = 0;
    const endless = (async function* () {
      for (;;) {
        given++;
        yield Buffer.alloc(100);
      }
    })();
    const failed = extractor.process({ name: 'a.txt', source: { stream: endless } }, { seed: 's' });
    await expect(failed).rejects.toMatchObject({ code: 'INGEST_INPUT_TOO_LARGE' });
    expect(given).toBe(11);
  });

  test('can be told to stop, waiting or reading, and reads on afterwards', async () => {
    await using extractor = openExtractor({ processes: 1 });
    const stop = new AbortController();
    const reading = extractor.process(slowDocument(), { seed: 's', signal: stop.signal });
    const waiting = extractor.process(text('x'), { seed: 's', signal: stop.signal });
    const outcomes = Promise.allSettled([reading, waiting]);
    stop.abort(new Error('shutdown'));
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'INGEST_CANCELLED', retryable: true },
      });
    }
    expect((await extractor.process(text('after'), { seed: 's' })).document.text).toBe('after');
  });

  test('ends what it reads when it is closed, and takes nothing more', async () => {
    const extractor = openExtractor({ processes: 1 });
    const reading = extractor.process(slowDocument(), { seed: 's' }).catch((error: unknown) => error);
    await extractor.process(text('x'), { seed: 's', signal: AbortSignal.abort() }).catch(() => {});
    await extractor[Symbol.asyncDispose]();
    expect(await reading).toMatchObject({ code: 'INGEST_CANCELLED' });
    await expect(extractor.process(text('x'), { seed: 's' })).rejects.toMatchObject({
      code: 'INGEST_CANCELLED',
    });
  });

  test('tells how far it is', async () => {
    await using extractor = openExtractor({ processes: 1 });
    const seen: Progress[] = [];
    const bytes = await makePdf(
      Array.from({ length: 20 }, (_, at) => prose(1500, at).replace(/.{80} /g, '$&\n')),
    );
    await extractor.process(
      { name: 'a.pdf', source: { bytes } },
      { seed: 's', onProgress: (progress) => seen.push(progress) },
    );
    expect(seen.at(-1)).toEqual({ stage: 'extract', done: 20, total: 20 });
  });
});

describe('a reader', () => {
  const job = {
    id: 1,
    declaredType: undefined,
    limits: defaultLimits,
    chunking: defaultChunkOptions,
    seed: 's',
    pageRange: undefined,
  };

  test('that is killed from outside leaves a document that may be tried again', async () => {
    await using reader = startReader(defaultLimits.memoryBytes);
    const reading = reader.read({ ...job, ...slowDocument() }, {}).catch((error: unknown) => error);
    process.kill(reader.pid, 'SIGKILL');
    expect(await reading).toMatchObject({ code: 'INGEST_WORKER_LOST', retryable: true });
    expect(reader.usable).toBe(false);
  });

  test('that ended is replaced, in the middle of its lease or between two', async () => {
    const readers: Reader[] = [];
    const pool = new ReaderPool(1, () => {
      const reader = startReader(defaultLimits.memoryBytes);
      readers.push(reader);
      return reader;
    });
    const kill = async (reader: Reader) => {
      process.kill(reader.pid, 'SIGKILL');
      await expect.poll(() => reader.usable, { timeout: 15_000 }).toBe(false);
    };
    try {
      {
        using lease = await pool.lease(undefined);
        await kill(readers[0]!);
        await expect(lease.reader.read({ ...job, ...text('x') }, {})).rejects.toMatchObject({
          code: 'INGEST_WORKER_LOST',
        });
      }
      (await pool.lease(undefined))[Symbol.dispose]();
      await kill(readers[1]!);
      using lease = await pool.lease(undefined);
      expect(lease.reader).toBe(readers[2]);
      expect((await lease.reader.read({ ...job, ...text('fine') }, {})).document.text).toBe('fine');
    } finally {
      await pool.close();
    }
    expect(readers.map((reader) => reader.usable)).toEqual([false, false, false]);
  });

  test('that cannot be started loses no place in the pool', async () => {
    let starts = 0;
    const pool = new ReaderPool(1, () => {
      if (++starts < 3) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
      return startReader(defaultLimits.memoryBytes);
    });
    try {
      for (let round = 0; round < 2; round++)
        await expect(pool.lease(undefined)).rejects.toMatchObject({
          code: 'INGEST_WORKER_LOST',
          retryable: true,
        });
      using lease = await pool.lease(undefined);
      expect((await lease.reader.read({ ...job, ...text('fine') }, {})).document.text).toBe('fine');
    } finally {
      await pool.close();
    }
  });

  test('knows nothing of the environment, and is gone when its parent is', async () => {
    vi.stubEnv('SECRET_FOR_TEST', 'x');
    const { fork } = await import('node:child_process');
    // A parent that starts a reader on endless work and is killed.
    const script = join(await mkdtemp(join(tmpdir(), 'parent-')), 'parent.ts');
    await writeFile(
      script,
      `import { startReader } from ${JSON.stringify(new URL('./reader.ts', import.meta.url).href)};
       const reader = startReader(1e9);
       process.send(reader.pid);
       process.on('message', (job) => reader.read(job, {}).catch(() => {}));`,
    );
    const parent = fork(script, { execArgv: [], serialization: 'advanced' });
    try {
      const [pid] = (await once(parent, 'message')) as [number];
      if (process.platform === 'linux') {
        const { readFile } = await import('node:fs/promises');
        expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toContain('SECRET_FOR_TEST');
      }
      parent.send({ ...job, ...slowDocument() });
      parent.kill('SIGKILL');
      await once(parent, 'exit');
      await expect.poll(() => alive(pid), { timeout: 15_000 }).toBe(false);
    } finally {
      vi.unstubAllEnvs();
      parent.kill('SIGKILL');
      await rm(join(script, '..'), { recursive: true });
    }
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
