import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PipelineError, pipelineErrorCodes } from './errors.ts';

test('the README lists every code with whether it is tried again, and no other', () => {
  const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| `(INGEST_\w+)` +\| (\w+) +\| (.+?) +\|$/gm)].map(
    ([, code, again, why]) => [code, again, why],
  );
  expect(rows).toEqual(
    Object.entries(pipelineErrorCodes).map(([code, { retryable, why }]) => [
      code,
      retryable ? 'yes' : 'no',
      why,
    ]),
  );
});

test('an error knows whether it may be tried again, and keeps its cause', () => {
  const cause = new Error('inner');
  const error = new PipelineError('INGEST_EMBED_RATE_LIMITED', 'slow down', {
    hint: 'wait',
    cause,
    retryAfterMs: 5,
  });
  expect(error).toMatchObject({
    retryable: true,
    retryAfterMs: 5,
    hint: 'wait',
    cause,
    name: 'PipelineError',
  });
  expect(new PipelineError('INGEST_MALFORMED', 'x', { hint: 'y' }).retryable).toBe(false);
});
