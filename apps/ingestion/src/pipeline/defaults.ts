import type { ChunkOptions, Limits } from './types.ts';

const MiB = 1024 * 1024;

/** Limits that let ordinary office documents through on a small machine. */
export const defaultLimits: Readonly<Limits> = {
  inputBytes: 1024 * MiB,
  textLength: 20_000_000,
  inflatedBytes: 256 * MiB,
  entries: 50_000,
  nesting: 4,
  jsonDepth: 200,
  pages: 5_000,
  timeMs: 60_000,
  memoryBytes: 1024 * MiB,
};

/** 400 tokens hold a few paragraphs and fit every embedding model in use. */
export const defaultChunkOptions: Readonly<ChunkOptions> = {
  maxTokens: 400,
  minTokens: 48,
  overlapTokens: 40,
  maxBytes: 16 * 1024,
};
