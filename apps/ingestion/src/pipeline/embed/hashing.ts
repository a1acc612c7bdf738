import { PipelineError } from '../errors.ts';
import type { Embedder, Vector } from '../types.ts';

/** The name under which its vectors are kept. */
export const HASHING_MODEL = 'hashing-v1';

/**
 * An embedder without a model: words, pairs of words and the letter trigrams of words are hashed into `dimensions`
 * numbers, weighted by the logarithm of their count, and the vector is brought to length one. The same text gives the
 * same vector on every machine. It finds texts that share words, or forms of words, with the question; it knows
 * nothing about meaning.
 */
export function createHashingEmbedder(options: { dimensions?: number } = {}): Embedder {
  const dimensions = options.dimensions ?? 384;
  const features = new FeatureCounts();
  return {
    model: HASHING_MODEL,
    dimensions,
    description:
      'Built-in feature hashing for development: compares words and letters, not meaning. Use a real model in production.',
    async embed(texts, { signal, onProgress } = {}) {
      const vectors: Vector[] = [];
      for (const text of texts) {
        vectors.push(hashText(text, dimensions, features));
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

function hashText(text: string, dimensions: number, features: FeatureCounts): Vector {
  features.clear();
  const folded = text.normalize('NFKC').toLowerCase();
  let previous = 0;
  for (const [start, end] of wordsOf(folded)) {
    const own = hashUnits(folded, start, end, 0x811c9dc5);
    features.add(own, weights.word);
    if (previous !== 0) features.add(mix(Math.imul(previous, 31) ^ own), weights.pair);
    previous = own;
    for (let at = start; end - start > 3 && at + 3 <= end; at++)
      features.add(hashUnits(folded, at, at + 3, 0x9747b28c), weights.trigram);
  }
  const vector = new Float32Array(dimensions);
  for (let index = 0; index < features.size; index++) {
    const bits = mix(features.keys[index]!);
    const weight = features.weights[index]! * (1 + Math.log(features.counts[index]!));
    // The lowest bit is the sign, so that features which share a place cancel out on average.
    const slot = (bits >>> 1) % dimensions;
    vector[slot] = vector[slot]! + (bits & 1 ? weight : -weight);
  }
  return normalised(vector);
}

const longestWord = 64;

/** Runs of letters and digits. ASCII, which most text is, goes without a regular expression. */
function* wordsOf(text: string): Generator<readonly [start: number, end: number]> {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
  if (!/^[\x00-\x7f]*$/.test(text)) {
    for (const { 0: word, index } of text.matchAll(/[\p{L}\p{N}]{1,64}/gu))
      yield [index, index + word.length];
    return;
  }
  for (let at = 0; at < text.length; at++) {
    if (!isWordUnit(text.charCodeAt(at))) continue;
    const start = at;
    while (at < text.length && at - start < longestWord && isWordUnit(text.charCodeAt(at))) at++;
    yield [start, at];
    at--;
  }
}

/** Lower-case letters and digits of ASCII. */
function isWordUnit(unit: number): boolean {
  return (unit >= 97 && unit <= 122) || (unit >= 48 && unit <= 57);
}

/** Counts by a 32-bit number, in the order of first sight; used again from text to text. */
class FeatureCounts {
  size = 0;
  keys = new Uint32Array(1024);
  counts = new Uint32Array(1024);
  weights = new Float64Array(1024);
  /** Where a key is, plus one; open addressing, at most half full. */
  #places = new Uint32Array(2048);

  clear(): void {
    this.size = 0;
    this.#places.fill(0);
  }

  add(key: number, weight: number): void {
    const mask = this.#places.length - 1;
    let place = (key ^ (key >>> 15)) & mask;
    for (let found = this.#places[place]!; found !== 0; found = this.#places[place]!) {
      if (this.keys[found - 1] === key) {
        this.counts[found - 1]!++;
        return;
      }
      place = (place + 1) & mask;
    }
    if (this.size === this.keys.length) {
      this.#grow();
      this.add(key, weight);
      return;
    }
    this.keys[this.size] = key;
    this.counts[this.size] = 1;
    this.weights[this.size] = weight;
    this.size++;
    this.#places[place] = this.size;
  }

  #grow(): void {
    const { keys, counts, weights, size } = this;
    const room = size * 2;
    this.keys = new Uint32Array(room);
    this.counts = new Uint32Array(room);
    this.weights = new Float64Array(room);
    this.#places = new Uint32Array(room * 2);
    this.size = 0;
    for (let index = 0; index < size; index++) this.add(keys[index]!, weights[index]!);
    this.counts.set(counts.subarray(0, size));
  }
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
