export { type EnvFileOptions, parseEnvFile } from './env-file.ts';
export {
  COMPOSE_ERROR_CODES,
  ComposeError,
  type ComposeErrorCode,
  type OnWarning,
  type Place,
  type Problem,
  type Warning,
} from './errors.ts';
export { startOrder } from './graph.ts';
export { type Environment, type InterpolateOptions, interpolate } from './interpolate.ts';
export { type LoadOptions, loadCompose } from './load.ts';
export { locate } from './locate.ts';
export { mergeComposeFiles, type PlainDocument } from './merge-plain.ts';
export type * from './model.ts';
export { normalizeProjectName } from './project-name.ts';
export type { ComposeFile } from './source.ts';
export { findVariables, type Variable } from './variables.ts';
