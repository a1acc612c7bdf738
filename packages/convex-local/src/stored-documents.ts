import path from 'node:path';
import { Transactions } from './engine/transactions.ts';
import { CommitLog } from './storage/commit-log.ts';
import { Store } from './storage/store.ts';

/**
 * Counts the documents of each table in a data folder that no deployment uses, and its stored files (`_storage`). None
 * of its code runs: no cron, no job that is due. A table of a component has the component's path before its name.
 */
export function countStoredDocuments(dataDirectory: string): Record<string, number> {
  const store = new Store();
  const transactions = new Transactions(store, new CommitLog(path.join(dataDirectory, 'log')));
  transactions.recover();
  transactions.close();
  const tables = [...store.tables.values()].filter(
    ({ name }) => !name.startsWith('_') || name === '_storage',
  );
  return Object.fromEntries(
    tables
      .map(({ component, name, documents }) => [path.posix.join(component, name), documents.size] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
