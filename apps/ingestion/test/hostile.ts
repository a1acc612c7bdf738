import { afterAll, expect, vi } from 'vitest';
import { openExtractor, PipelineError, type PipelineErrorCode } from '../src/pipeline/index.ts';

export const MiB = 1024 * 1024;

/** Documents from outside, through an isolated reader of the calling test file, with limits that a test can reach. */
export function hostileReader() {
  // A busy machine may take its time; what must not take time has a limit of its own.
  vi.setConfig({ testTimeout: 60_000 });
  const extractor = openExtractor({
    processes: 1,
    limits: {
      inflatedBytes: 2 * MiB,
      textLength: 4 * MiB,
      entries: 500,
      pages: 50,
      timeMs: 15_000,
      memoryBytes: 512 * MiB,
    },
  });
  afterAll(() => extractor[Symbol.asyncDispose]());

  async function read(name: string, content: string | Uint8Array, declaredType?: string) {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    return extractor.process({ name, declaredType, source: { bytes } }, { seed: 'x' });
  }

  /** The document fails for good with this code, says what to do, and the next one is read as if nothing was. */
  async function refuses(
    code: PipelineErrorCode,
    name: string,
    content: string | Uint8Array,
    declaredType?: string,
  ): Promise<void> {
    const error = await read(name, content, declaredType).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(PipelineError);
    expect(error).toMatchObject({ code, retryable: false, hint: expect.stringMatching(/\w/) });
    expect((await read('next.txt', 'next')).document.text).toBe('next');
  }

  return { extractor, read, refuses };
}
