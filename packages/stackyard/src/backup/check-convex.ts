// only: convex
import path from 'node:path';
import { engineDirectory } from '../drivers/embedded/fields.ts';
import { mounts } from '../drivers/embedded/mounts.ts';
import { settleCredentials } from '../engines/convex/credentials.ts';
import { findBinary } from '../engines/convex/engine.ts';
import type { CopyReader } from './check-copy.ts';

/** Counts the documents of a local Convex. Files of the real backend are its own affair. */
export const convexReader: CopyReader = {
  canRead: ({ environment }) => findBinary(environment) === undefined,
  async read(stack, service, environment) {
    const known = mounts(stack, stack.model.services[service]!);
    const mount = known.find(({ target }) => target === '/convex/data');
    const folder = mount?.path ?? engineDirectory(stack.variant.stateDirectory, service);
    settleCredentials(folder, environment); // refuses those of another instance
    const { countStoredDocuments } = await import('@stackyard/convex-local');
    return { source: 'convex-local', rows: countStoredDocuments(path.join(folder, 'local')) };
  },
};
