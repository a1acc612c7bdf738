export { type ConvexLocalOptions, type RunningConvexLocal, startConvexLocal } from './local.ts';
export type { AdminKeyCheck, CheckKey } from './server/admin-key.ts';
export { countStoredDocuments } from './stored-documents.ts';
