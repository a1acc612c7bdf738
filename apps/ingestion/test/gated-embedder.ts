import { createHashingEmbedder, type Embedder } from '../src/pipeline/index.ts';

export interface GatedEmbedder {
  readonly embedder: Embedder;
  /** How many have come to it. */
  readonly begun: () => number;
  readonly release: () => void;
}

/** An embedder that is in the middle of its work until it is let go. */
export function gatedEmbedder(): GatedEmbedder {
  const hashing = createHashingEmbedder({ dimensions: 64 });
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const embedder: Embedder = {
    ...hashing,
    async embed(texts, options) {
      begun += 1;
      await gate.promise;
      return hashing.embed(texts, options);
    },
  };
  return { embedder, begun: () => begun, release: gate.resolve };
}
