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
  databaseName,
  defaultInstanceName,
  generateInstanceSecret,
  isInstanceName,
  isInstanceSecret,
} from './instance.ts';
export type { KeyFormat } from './key-cipher.ts';
export type { KeyIdentity } from './key-message.ts';
export { SelfhostError, type SelfhostErrorCode } from './selfhost-error.ts';
