export { chunk } from './chunk/chunk.ts';
export { defaultChunkOptions, defaultLimits } from './defaults.ts';
export { createHashingEmbedder, HASHING_MODEL } from './embed/hashing.ts';
export { createOpenAiEmbedder } from './embed/openai.ts';
export { PipelineError, type PipelineErrorCode } from './errors.ts';
export { type Extractor, openExtractor } from './isolate/extractor.ts';
export { embeddingText, type PipelineResult, runPipeline } from './pipeline.ts';
export { displayName } from './text/clean.ts';
export type * from './types.ts';
