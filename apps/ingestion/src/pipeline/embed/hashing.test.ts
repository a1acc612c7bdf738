import { expect, test } from 'vitest';
import { prose } from '../../../test/documents.ts';
import { createHashingEmbedder } from './hashing.ts';

const embedder = createHashingEmbedder({ dimensions: 256 });
const cosine = (one: Float32Array, other: Float32Array) =>
  one.reduce((sum, value, at) => sum + value * other[at]!, 0);

test('gives the same vector of length one for the same text, on every machine', async () => {
  const [one, other] = await embedder.embed(['Trains run at night', 'Trains run at night']);
  expect(one).toEqual(other);
  expect(one).toHaveLength(256);
  expect(cosine(one!, one!)).toBeCloseTo(1, 6);
  // Stored vectors compare with these for good, so the rule may only change together with the model's name.
  expect(embedder.model).toBe('hashing-v1');
  expect(
    [...one!.entries()]
      .filter(([, value]) => value !== 0)
      .slice(0, 3)
      .map(([at, value]) => [at, value.toFixed(4)]),
  ).toMatchInlineSnapshot(`
    [
      [
        44,
        "-0.2156",
      ],
      [
        51,
        "-0.1293",
      ],
      [
        81,
        "0.4311",
      ],
    ]
  `);
});

test('puts texts that share words, or forms of words, nearer to each other', async () => {
  const [question, near, far] = await embedder.embed([
    'refund of train tickets',
    'A ticket for a train is refunded within ten days.',
    'The garden has a stone bridge over the river.',
  ]);
  expect(cosine(question!, near!)).toBeGreaterThan(cosine(question!, far!) + 0.2);
});

test('says what it is', () => {
  expect(embedder.description).toMatch(/development.*not meaning/);
});

test('has a valid vector for text without words', async () => {
  for (const vector of await embedder.embed(['', '...', '\n'])) expect(cosine(vector, vector)).toBe(1);
});

test('can be stopped between batches', async () => {
  const stop = new AbortController();
  const failed = embedder.embed(
    Array.from({ length: 200 }, () => prose(100)),
    {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    },
  );
  await expect(failed).rejects.toMatchObject({ code: 'INGEST_CANCELLED' });
});
