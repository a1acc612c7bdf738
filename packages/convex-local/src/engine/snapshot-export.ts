import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { strToU8, type Zippable, zipSync } from 'fflate';
import type { StoredDocument } from '../storage/document.ts';
import type { Store, Table } from '../storage/store.ts';
import type { Deployment } from './deployment.ts';
import { host } from './environment.ts';
import { type Files, STORAGE } from './files.ts';
import { encodeInt64 } from './int64.ts';
import { userTables } from './system-functions.ts';

const EXPORTS = '_exports';

const README = `A snapshot of a Convex deployment: one folder for each table with its documents as JSON lines.
Documents keep their ids. Files are in _storage, named by id.
`;

function lines(documents: Iterable<unknown>): Uint8Array {
  return strToU8(Array.from(documents, (document) => `${JSON.stringify(document)}\n`).join(''));
}

function tablePart(table: Table | undefined): Iterable<StoredDocument> {
  return table?.documents.values() ?? [];
}

/** Writes the documents of every component, and its files where wanted, as the zip that `convex import` reads. */
export function writeSnapshot(
  store: Store,
  deployment: Deployment,
  files: Files,
  folder: string,
  ts: number,
  includeStorage: boolean,
): string {
  const zip: Zippable = { 'README.md': strToU8(README) };
  for (const component of deployment.components.length === 0 ? [''] : deployment.components) {
    const prefix = component === '' ? '' : `_components/${component}/`;
    const names = userTables(store, deployment, component);
    const tables = names.flatMap((name) => store.table(component, name) ?? []);
    zip[`${prefix}_tables/documents.jsonl`] = lines(tables.map(({ name, number }) => ({ name, id: number })));
    for (const table of tables) zip[`${prefix}${table.name}/documents.jsonl`] = lines(tablePart(table));
    if (!includeStorage) continue;
    const stored = [...tablePart(store.table(component, STORAGE))];
    zip[`${prefix}_storage/documents.jsonl`] = lines(stored);
    for (const { _id } of stored) {
      const file = files.pathOf(component, _id);
      if (file !== undefined) zip[`${prefix}_storage/${_id}`] = readFileSync(file);
    }
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const target = path.join(folder, `${ts}.zip`);
  writeFileSync(target, zipSync(zip, { level: 6 }), { mode: 0o600 });
  return target;
}

/** Records a finished export, inside the open transaction: the CLI waits for it through a live query. */
export function recordExport(store: Store, ts: number, file: string): void {
  const table = store.ensureTable('', EXPORTS);
  for (const id of [...table.documents.keys()]) store.remove(table, id);
  const at = encodeInt64(BigInt(ts));
  store.insert(
    table,
    { state: 'completed', start_ts: at, complete_ts: at, zip_object_key: path.basename(file) },
    host.now(),
  );
}
