export { defineEnv, type Env, type EnvSchema, type EnvSource, type EnvValues } from './define-env.ts';
export { EnvError, type EnvProblem } from './env-error.ts';
export { type ExampleGroup, type ExampleVariable, quoteValue, toExample } from './example.ts';
export { toMarkdown } from './markdown.ts';
export { looksSecret, type MaskOptions, maskSecrets, maskUrlPasswords, maskVariable } from './mask.ts';
export { fixedMessage } from './problem.ts';
export {
  boolean,
  duration,
  type IntegerOptions,
  integer,
  list,
  port,
  secret,
  type UrlOptions,
  url,
} from './types.ts';
export { type UnknownVariable, unknownVariables } from './unknown.ts';
export type { EnvMeta, EnvVariable } from './variable.ts';
