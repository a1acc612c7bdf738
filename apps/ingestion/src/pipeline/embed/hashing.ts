import { PipelineError } from '../errors.ts';
import type { Embedder, Vector } from '../types.ts';

/**
 * An embedder without a model: words, pairs of words and the letter trigrams of words are hashed into `dimensions`
 * numbers, weighted by the logarithm of their count, and the vector is brought to length one. The same text gives the
 * same vector on every machine. It finds texts that share words, or forms of words, with the question; it knows
 * nothing about meaning.
 */
export function createHashingEmbedder(options: { dimensions?: number } = {}): Embedder {
  const dimensions = options.dimensions ?? 384;
  return {
    model: 'hashing-v1',
    dimensions,
    description:
      'Built-in feature hashing for development: compares words and letters, not meaning. Use a real model in production.',
    async embed(texts, { signal, onProgress } = {}) {
      const vectors: Vector[] = [];
      for (const text of texts) {
        vectors.push(hashText(text, dimensions));
        if (vectors.length % 64 !== 0) continue;
        onProgress?.(vectors.length);
        // Lets the program do other things between batches of a large document.
        await new Promise((resolve) => setImmediate(resolve));
        if (signal?.aborted)
          throw new PipelineError('INGEST_CANCELLED', 'Embedding was stopped', {
            hint: 'Start it again.',
            cause: signal.reason,
          });
      }
      if (texts.length > 0) onProgress?.(texts.length);
      return vectors;
    },
  };
}

const weights = { word: 1, pair: 0.5, trigram: 0.3 };

function hashText(text: string, dimensions: number): Vector {
  const counts = new Map<number, { weight: number; count: number }>();
  const add = (feature: number, weight: number) => {
    const seen = counts.get(feature);
    if (seen) seen.count++;
    else counts.set(feature, { weight, count: 1 });
  };
  let previous = 0;
  for (const [word] of text
    .normalize('NFKC')
    .toLowerCase()
    .matchAll(/[\p{L}\p{N}]{1,64}/gu)) {
    const own = hashUnits(word, 0, word.length, 0x811c9dc5);
    add(own, weights.word);
    if (previous !== 0) add(mix(Math.imul(previous, 31) ^ own), weights.pair);
    previous = own;
    for (let at = 0; word.length > 3 && at + 3 <= word.length; at++)
      add(hashUnits(word, at, at + 3, 0x9747b28c), weights.trigram);
  }
  const vector = new Float32Array(dimensions);
  for (const [feature, { weight, count }] of counts) {
    const bits = mix(feature);
    // The lowest bit is the sign, so that features which share a place cancel out on average.
    const slot = (bits >>> 1) % dimensions;
    vector[slot] = vector[slot]! + (bits & 1 ? weight : -weight) * (1 + Math.log(count));
  }
  return normalised(vector);
}

/** FNV-1a over UTF-16 code units. */
function hashUnits(text: string, start: number, end: number, seed: number): number {
  let hash = seed;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** The finaliser of MurmurHash3: spreads every bit of the input over the output. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Cosine distance has no answer for zero vectors, so text without a word gets a fixed direction. */
function normalised(vector: Vector): Vector {
  let sum = 0;
  for (const value of vector) sum += value * value;
  if (sum === 0) {
    vector[0] = 1;
    return vector;
  }
  const length = Math.sqrt(sum);
  for (let at = 0; at < vector.length; at++) vector[at] = vector[at]! / length;
  return vector;
}
