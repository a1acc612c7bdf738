export {
  type AdminKeyContent,
  type AdminKeyInspection,
  type AdminKeyParts,
  type AdminKeyVerdict,
  type InspectOptions,
  type Instance,
  type IssueOptions,
  inspectAdminKey,
  issueAdminKey,
  splitAdminKey,
} from './admin-key.ts';
export {
  type Check,
  checkConfiguration,
  type SelfhostConfiguration,
  type ServiceFacts,
  selfhostChecks,
} from './configuration.ts';
export { type EnvLocal, type EnvLocalValues, mergeEnvLocal } from './env-local.ts';
export type { Finding } from './finding.ts';
export {
  databaseName,
  defaultInstanceName,
  generateInstanceSecret,
  isInstanceName,
  isInstanceSecret,
} from './instance.ts';
export type { KeyFormat } from './key-cipher.ts';
export type { KeyIdentity } from './key-message.ts';
export { checkPostgresUrl, type PostgresUrlOptions } from './postgres-url.ts';
export { SelfhostError, type SelfhostErrorCode } from './selfhost-error.ts';
export { inspectUploadToken, issueUploadToken, type UploadToken } from './upload-token.ts';
