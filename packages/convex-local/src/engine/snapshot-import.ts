import { parse } from 'csv-parse/sync';
import { strFromU8, unzipSync } from 'fflate';
import type { StoredDocument } from '../storage/document.ts';
import { tableNumberOf } from '../storage/document-id.ts';
import type { Store } from '../storage/store.ts';
import type { Deployment } from './deployment.ts';
import { schemaProblem } from './document-rules.ts';
import { host } from './environment.ts';
import { type Files, STORAGE } from './files.ts';
import { RequestError } from './function-error.ts';

export interface ImportRequest {
  readonly tableName?: string;
  readonly componentPath?: string;
  readonly mode: 'requireEmpty' | 'append' | 'replace' | 'replaceAll';
  readonly format: 'csv' | 'jsonLines' | 'jsonArray' | 'zip';
}

type Row = Record<string, unknown>;

interface TableImport {
  readonly name: string;
  /** The number that the ids in the rows carry, where a snapshot says it. */
  readonly number?: number;
  readonly rows: readonly Row[];
}

function invalid(message: string): RequestError {
  return new RequestError(400, 'InvalidImport', message);
}

function jsonLines(text: string): Row[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, i) => {
      try {
        return JSON.parse(line) as Row;
      } catch {
        throw invalid(`Line ${i + 1} is not JSON.`);
      }
    });
}

function csvRows(text: string): Row[] {
  const records = parse(text, { columns: true, skip_empty_lines: true }) as Array<Record<string, string>>;
  // As on Convex: what reads as a number becomes one, everything else stays text.
  const value = (cell: string) => (cell.trim() !== '' && Number.isFinite(Number(cell)) ? Number(cell) : cell);
  return records.map((record) =>
    Object.fromEntries(Object.entries(record).map(([name, cell]) => [name, value(cell)])),
  );
}

/** Takes a zip apart that `writeSnapshot` (or Convex) made; files come with their documents. */
function zipTables(bytes: Uint8Array): { tables: TableImport[]; files: Map<string, Uint8Array> } {
  const entries = unzipSync(bytes);
  const numbers = new Map(
    jsonLines(strFromU8(entries['_tables/documents.jsonl'] ?? new Uint8Array())).map(({ name, id }) => [
      name as string,
      id as number,
    ]),
  );
  const tables: TableImport[] = [];
  const files = new Map<string, Uint8Array>();
  for (const [name, content] of Object.entries(entries)) {
    const [folder, file, ...rest] = name.split('/');
    if (folder === '_storage' && file !== 'documents.jsonl' && file)
      files.set(file.replace(/\.\w+$/, ''), content);
    if (rest.length > 0 || file !== 'documents.jsonl' || folder === '_tables') continue;
    const number = numbers.get(folder!);
    tables.push({
      name: folder!,
      ...(number === undefined ? {} : { number }),
      rows: jsonLines(strFromU8(content)),
    });
  }
  return { tables, files };
}

function readTables(request: ImportRequest, bytes: Uint8Array) {
  if (request.format === 'zip') return zipTables(bytes);
  const text = Buffer.from(bytes).toString('utf8');
  const rows =
    request.format === 'csv'
      ? csvRows(text)
      : request.format === 'jsonLines'
        ? jsonLines(text)
        : JSON.parse(text);
  if (!Array.isArray(rows)) throw invalid('The file does not hold a JSON array.');
  if (!request.tableName) throw invalid('The import names no table.');
  return { tables: [{ name: request.tableName, rows: rows as Row[] }], files: new Map<string, Uint8Array>() };
}

/** Imports documents inside the open transaction; returns how many. Ids are kept where they fit their table. */
export async function importDocuments(
  store: Store,
  deployment: Deployment,
  files: Files,
  request: ImportRequest,
  bytes: Uint8Array,
): Promise<number> {
  const component = request.componentPath ?? '';
  const { tables, files: contents } = readTables(request, bytes);
  const named = new Set(tables.map(({ name }) => name));
  if (request.mode === 'replaceAll') {
    for (const table of store.tables.values()) {
      if (table.component !== component || table.name.startsWith('_') || named.has(table.name)) continue;
      for (const id of [...table.documents.keys()]) store.remove(table, id);
    }
  }
  let count = 0;
  for (const { name, number, rows } of tables) {
    if (name === STORAGE) {
      for (const row of rows) {
        const content = contents.get(row._id as string);
        if (content === undefined || files.pathOf(component, row._id as string) !== undefined) continue;
        await files.restore(component, row as StoredDocument, content);
      }
      continue;
    }
    if (name.startsWith('_')) continue;
    count += importTable(store, deployment, component, request.mode, {
      name,
      ...(number === undefined ? {} : { number }),
      rows,
    });
  }
  return count;
}

function importTable(
  store: Store,
  deployment: Deployment,
  component: string,
  mode: ImportRequest['mode'],
  { name, number, rows }: TableImport,
): number {
  const firstId = rows.find(({ _id }) => typeof _id === 'string')?._id as string | undefined;
  const wanted = number ?? (firstId === undefined ? undefined : (tableNumberOf(firstId) ?? undefined));
  const table = store.table(component, name) ?? store.createTable(component, name, wanted);
  if (mode === 'requireEmpty' && table.documents.size > 0) {
    throw invalid(`Table ${name} is not empty. Use --append, or --replace to replace its documents.`);
  }
  if (mode === 'replace' || mode === 'replaceAll') {
    for (const id of [...table.documents.keys()]) store.remove(table, id);
  }
  const schema = deployment.schema(component)?.tables.find(({ tableName }) => tableName === name);
  for (const { _id, _creationTime, ...fields } of rows) {
    const keeps = typeof _id === 'string' && tableNumberOf(_id) === table.number;
    const id = keeps ? _id : store.insert(table, fields, host.now());
    if (keeps) {
      const time = typeof _creationTime === 'number' ? _creationTime : store.nextCreationTime(host.now());
      store.put(table, { ...fields, _creationTime: time, _id });
    }
    const problem = schemaProblem(table.documents.get(id)!, schema, (other) =>
      store.tableOf(component, other),
    );
    if (problem !== undefined)
      throw invalid(`A document for table ${name} does not match the schema: ${problem}`);
  }
  return rows.length;
}
