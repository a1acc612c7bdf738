export { chunk } from './chunk/chunk.ts';
export { defaultChunkOptions, defaultLimits } from './defaults.ts';
export { createHashingEmbedder } from './embed/hashing.ts';
export { createOpenAiEmbedder, type OpenAiEmbedderOptions } from './embed/openai.ts';
export { PipelineError, type PipelineErrorCode, pipelineErrorCodes } from './errors.ts';
export {
  type Extractor,
  type ExtractorOptions,
  openExtractor,
  type ProcessedDocument,
  type ProcessOptions,
} from './isolate/extractor.ts';
export { embeddingText, type PipelineResult, runPipeline } from './pipeline.ts';
export { displayName } from './text/clean.ts';
export type * from './types.ts';
