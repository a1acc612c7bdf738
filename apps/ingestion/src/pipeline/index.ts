export { defaultChunkOptions, defaultLimits } from './defaults.ts';
export { PipelineError, type PipelineErrorCode, pipelineErrorCodes } from './errors.ts';
export type * from './types.ts';
