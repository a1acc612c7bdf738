import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createOpenAiEmbedder, type OpenAiEmbedderOptions } from './openai.ts';

interface Ask {
  path: string;
  headers: IncomingMessage['headers'];
  body: { model: string; input: string[]; encoding_format: string; dimensions?: number };
}
type Answer = (ask: Ask, response: ServerResponse) => void;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** A service that answers as told; `asks` collects what it was asked. */
async function service(answer: Answer, options: Partial<OpenAiEmbedderOptions> = {}) {
  const asks: Ask[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const ask: Ask = {
      path: request.url ?? '',
      headers: request.headers,
      body: JSON.parse(Buffer.concat(parts).toString()),
    };
    asks.push(ask);
    answer(ask, response);
  }).listen(0, '127.0.0.1');
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`;
  const embedder = createOpenAiEmbedder({
    baseUrl,
    apiKey: 'sk-secret',
    model: 'm',
    dimensions: 2,
    ...options,
  });
  return { embedder, asks };
}

const base64 = (values: number[]) => Buffer.from(Float32Array.from(values).buffer).toString('base64');
/** The vector of a text is its length and one. */
const vectorOf = (text: string) => [text.length, 1];
const good: Answer = ({ body }, response) =>
  response.end(
    JSON.stringify({
      data: body.input.map((text, index) => ({ index, embedding: base64(vectorOf(text)) })).reverse(),
    }),
  );
const data =
  (vectors: unknown[]): Answer =>
  (_, response) =>
    response.end(JSON.stringify({ data: vectors.map((embedding, index) => ({ index, embedding })) }));

const texts = (count: number) => Array.from({ length: count }, (_, at) => 'x'.repeat(at + 1));

describe('the HTTP embedder', () => {
  test('asks for base64 and puts the vectors in order', async () => {
    const { embedder, asks } = await service(good);
    expect(await embedder.embed(['a', 'bbb'])).toEqual([Float32Array.of(1, 1), Float32Array.of(3, 1)]);
    expect(asks).toMatchObject([
      {
        path: '/v1/embeddings',
        headers: { authorization: 'Bearer sk-secret' },
        body: { model: 'm', input: ['a', 'bbb'], encoding_format: 'base64' },
      },
    ]);
    expect(asks[0]!.body).not.toHaveProperty('dimensions');
    expect(await embedder.embed([])).toEqual([]);
    expect(asks).toHaveLength(1);
  });

  test('takes JSON numbers from services that know no base64', async () => {
    const { embedder } = await service(data([[0.5, 0.25]]));
    expect(await embedder.embed(['a'])).toEqual([Float32Array.of(0.5, 0.25)]);
  });

  test('divides the texts by number and by tokens, and tells how far it is', async () => {
    const { embedder, asks } = await service(good, { batchTexts: 3, batchTokens: 20 });
    const long = 'word '.repeat(15);
    const done: number[] = [];
    const vectors = await embedder.embed([long, long, 'a', 'b', 'c', 'd'], {
      onProgress: (count) => done.push(count),
    });
    expect(vectors.map((vector) => vector[0])).toEqual([75, 75, 1, 1, 1, 1]);
    expect(asks.map((ask) => ask.body.input.length).sort()).toEqual([1, 2, 3]);
    expect(done.at(-1)).toBe(6);
  });

  test('never has more requests open than allowed, over all its callers', async () => {
    let open = 0;
    let most = 0;
    const { embedder } = await service(
      (ask, response) => {
        most = Math.max(most, ++open);
        setImmediate(() => {
          open--;
          good(ask, response);
        });
      },
      { batchTexts: 1, concurrency: 2 },
    );
    await Promise.all([embedder.embed(texts(10)), embedder.embed(texts(10))]);
    expect(most).toBe(2);
  });

  test('waits as long as a rate limit asks, then goes on', async () => {
    const times: number[] = [];
    const { embedder, asks } = await service((ask, response) => {
      times.push(performance.now());
      if (asks.length === 1) response.writeHead(429, { 'retry-after-ms': '120' }).end('{}');
      else good(ask, response);
    });
    expect(await embedder.embed(['a'])).toHaveLength(1);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(115);
  });

  test('leaves a long wait to the queue and says how long', async () => {
    const { embedder, asks } = await service((_, response) =>
      response.writeHead(429, { 'retry-after': '90' }).end(),
    );
    await expect(embedder.embed(['a'])).rejects.toMatchObject({
      code: 'INGEST_EMBED_RATE_LIMITED',
      retryable: true,
      retryAfterMs: 90_000,
    });
    expect(asks).toHaveLength(1);
  });

  test('understands a wait until a date', async () => {
    const until = new Date(Date.now() + 3_600_000).toUTCString();
    const { embedder } = await service((_, response) =>
      response.writeHead(503, { 'retry-after': until }).end(),
    );
    const error = (await embedder.embed(['a']).catch((cause: unknown) => cause)) as { retryAfterMs: number };
    expect(error.retryAfterMs).toBeGreaterThan(3_590_000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(3_600_000);
  });

  test('tries again when the service fails, and gives up after the last try', async () => {
    const { embedder, asks } = await service(
      (ask, response) => (asks.length < 3 ? response.writeHead(500).end() : good(ask, response)),
      { maxWaitMs: 5 },
    );
    expect(await embedder.embed(['a'])).toHaveLength(1);
    expect(asks).toHaveLength(3);
    const never = await service((_, response) => response.writeHead(502).end(), {
      maxWaitMs: 5,
      attempts: 2,
    });
    await expect(never.embedder.embed(['a'])).rejects.toMatchObject({
      code: 'INGEST_EMBED_UNAVAILABLE',
      retryable: true,
    });
    expect(never.asks).toHaveLength(2);
  });

  test('gives a service that stalls so much time and no more, also in the middle of an answer', async () => {
    for (const stall of [
      () => {},
      (_: Ask, response: ServerResponse) => response.write('{"data":['),
    ] as Answer[]) {
      const { embedder } = await service(stall, { timeoutMs: 50, attempts: 1 });
      await expect(embedder.embed(['a'])).rejects.toMatchObject({
        code: 'INGEST_EMBED_TIMEOUT',
        retryable: true,
      });
    }
  });

  test('does not send documents on to where a redirect points', async () => {
    const other = await service(good);
    const { embedder } = await service(
      (_, response) => response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end(),
      {
        attempts: 1,
      },
    );
    await expect(embedder.embed(['a'])).rejects.toMatchObject({ code: 'INGEST_EMBED_UNAVAILABLE' });
    expect(other.asks).toHaveLength(0);
  });

  test('a refusal is final, and shows neither the key nor what the service wrote', async () => {
    const { embedder, asks } = await service((_, response) =>
      response
        .writeHead(401)
        .end(JSON.stringify({ error: { message: 'Wrong key sk-secret', code: 'invalid_api_key' } })),
    );
    const error = await embedder.embed(['a']).catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: 'INGEST_EMBED_REJECTED',
      retryable: false,
      message: 'The embedding service answered 401 (invalid_api_key)',
    });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('sk-secret');
    expect(asks).toHaveLength(1);
  });

  test('one failure ends the other requests', async () => {
    const { embedder, asks } = await service(
      (ask, response) => (ask.body.input[0] === 'x' ? response.writeHead(400).end() : good(ask, response)),
      { batchTexts: 1, concurrency: 1 },
    );
    await expect(embedder.embed(texts(50))).rejects.toMatchObject({ code: 'INGEST_EMBED_REJECTED' });
    expect(asks).toHaveLength(1);
  });

  test('can be stopped', async () => {
    const stop = new AbortController();
    const { embedder } = await service(() => stop.abort());
    await expect(embedder.embed(['a'], { signal: stop.signal })).rejects.toMatchObject({
      code: 'INGEST_CANCELLED',
      retryable: true,
    });
  });

  test.each<[string, Answer]>([
    ['too few vectors', data([[1, 2]])],
    [
      'too many vectors',
      data([
        [1, 2],
        [1, 2],
        [1, 2],
      ]),
    ],
    [
      'a wrong size',
      data([
        [1, 2],
        [1, 2, 3],
      ]),
    ],
    ['a wrong size in base64', data([base64([1]), base64([1, 2])])],
    ['a vector that is cut off', data([base64([1, 2]), base64([1, 2]).slice(0, 4)])],
    ['NaN', data([base64([1, 2]), base64([Number.NaN, 1])])],
    ['infinity', data([base64([1, 2]), base64([Number.POSITIVE_INFINITY, 1])])],
    [
      'no number',
      data([
        [1, 2],
        ['1', null],
      ]),
    ],
    [
      'numbers beyond a float',
      data([
        [1, 2],
        [1e300, 1],
      ]),
    ],
    [
      'zeros',
      data([
        [1, 2],
        [0, 0],
      ]),
    ],
    [
      'a number used twice',
      (_, r) =>
        r.end(
          JSON.stringify({
            data: [
              { index: 0, embedding: [1, 2] },
              { index: 0, embedding: [1, 2] },
            ],
          }),
        ),
    ],
    ['no JSON', (_, r) => r.end('<html>')],
    ['another shape', (_, r) => r.end('{"vectors": []}')],
    ['megabytes', (_, r) => r.end(`{"data":[${' '.repeat(5_000_000)}]}`)],
  ])('an answer with %s is refused as a whole', async (_, answer) => {
    const { embedder, asks } = await service(answer);
    await expect(embedder.embed(['a', 'b'])).rejects.toMatchObject({
      code: 'INGEST_EMBED_INVALID',
      retryable: false,
    });
    expect(asks).toHaveLength(1);
  });
});
