import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Instance, inspectUploadToken, issueUploadToken } from '@stackyard/convex-selfhost';
import type { StoredDocument } from '../storage/document.ts';
import type { Store, Table } from '../storage/store.ts';
import { host } from './environment.ts';
import { FunctionError, RequestError } from './function-error.ts';

export const STORAGE = '_storage';
/** Which bytes belong to which document: the key is the name on disk and in urls. */
const KEYS = '_file_keys';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface FileDocument extends StoredDocument {
  sha256: string;
  size: number;
  contentType?: string;
}

/** Uploaded files: bytes on disk named by document id, facts about them in `_storage`. */
export class Files {
  readonly #root: string;
  readonly #store: Store;
  readonly #byKey = new Map<string, { component: string; id: string }>();
  readonly #byFile = new Map<string, string>();
  readonly #cloudUrl: string;
  readonly #instance: Instance;

  constructor(root: string, store: Store, cloudUrl: string, instance: Instance) {
    this.#root = root;
    this.#store = store;
    this.#cloudUrl = cloudUrl;
    this.#instance = instance;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  uploadUrl(component: string): string {
    const token = issueUploadToken(this.#instance, component, new Date(host.now()));
    return `${this.#cloudUrl}/api/storage/upload?token=${token}`;
  }

  componentOf(token: string): string {
    const found = inspectUploadToken(token, this.#instance, new Date(host.now()));
    if (found.verdict === 'valid') return found.component;
    throw found.verdict === 'expired'
      ? new RequestError(401, 'StorageTokenExpired', 'The upload url has expired.')
      : new RequestError(401, 'StorageTokenInvalid', 'The upload url is not valid.');
  }

  /** Puts bytes on disk; `record` then makes them a file inside a transaction. */
  async write(
    bytes: Uint8Array,
    sha256: string | null | undefined,
  ): Promise<{ key: string; sha256: string }> {
    const digest = createHash('sha256').update(bytes).digest();
    if (sha256 != null && sha256 !== digest.toString('base64') && sha256 !== digest.toString('hex')) {
      throw new RequestError(400, 'BadDigest', 'The SHA-256 of the body is not the one that was announced.');
    }
    const key = randomUUID();
    const target = path.join(this.#root, key);
    await writeFile(`${target}.part`, bytes, { mode: 0o600 });
    await rename(`${target}.part`, target);
    return { key, sha256: digest.toString('base64') };
  }

  /** Makes written bytes a file, inside the open transaction. */
  record(
    component: string,
    file: { key: string; sha256: string; size: number; contentType: string | null },
  ): string {
    const table = this.#store.ensureTable(component, STORAGE);
    const { key, sha256, size, contentType } = file;
    const type = contentType === null || contentType === '' ? {} : { contentType };
    const id = this.#store.insert(table, { sha256, size, ...type }, host.now());
    this.#store.insert(this.#store.ensureTable('', KEYS), { key, component, file: id }, host.now());
    this.#remember(component, id, key);
    return id;
  }

  #remember(component: string, id: string, key: string): void {
    this.#byKey.set(key, { component, id });
    this.#byFile.set(id, key);
  }

  /** Learns the files of the store after a restart. */
  index(): void {
    for (const { component, file, key } of this.#store.table('', KEYS)?.documents.values() ?? []) {
      this.#remember(component as string, file as string, key as string);
    }
  }

  /** Finds a file by its document id or by its key, which older code uses as id. */
  #find(component: string, id: string): { table: Table; document: FileDocument; key: string } | undefined {
    const alias = this.#byKey.get(id);
    const documentId = alias?.component === component ? alias.id : id;
    const table = this.#store.tableOf(component, documentId);
    if (table?.name !== STORAGE) return undefined;
    const document = table.documents.get(documentId) as FileDocument | undefined;
    const key = this.#byFile.get(documentId);
    return document === undefined || key === undefined ? undefined : { table, document, key };
  }

  #checkId(component: string, id: string, method: string): void {
    if (UUID.test(id)) return;
    const table = this.#store.tableOf(component, id);
    if (table?.name === STORAGE) return;
    const problem =
      table === undefined
        ? `Invalid storage ID: "${id}". It should be an Id of '_storage', or a UUID.`
        : `Invalid storage ID: it is an Id of '${table.name}', and should be one of '_storage'.`;
    throw new FunctionError(`Invalid argument \`storageId\` for \`storage.${method}\`: ${problem}`);
  }

  url(component: string, id: string): string | null {
    this.#checkId(component, id, 'getUrl');
    const found = this.#find(component, id);
    const query = component === '' ? '' : `?component=${encodeURIComponent(component)}`;
    return found === undefined ? null : `${this.#cloudUrl}/api/storage/${found.key}${query}`;
  }

  metadata(component: string, id: string): unknown {
    this.#checkId(component, id, 'getMetadata');
    const found = this.#find(component, id);
    if (found === undefined) return null;
    const { sha256, size, contentType } = found.document;
    const hex = Buffer.from(sha256, 'base64').toString('hex');
    return { storageId: found.key, sha256: hex, size, contentType: contentType ?? null };
  }

  /** Removes a file inside the open transaction. Its bytes go later, when nobody can roll back. */
  remove(component: string, id: string): void {
    this.#checkId(component, id, 'delete');
    const found = this.#find(component, id);
    if (found === undefined) throw new FunctionError(`storage id ${id} not found`);
    this.#store.remove(found.table, found.document._id);
    const keys = this.#store.table('', KEYS);
    for (const entry of keys?.documents.values() ?? []) {
      if (entry.key === found.key) this.#store.remove(keys!, entry._id);
    }
  }

  /** Where the bytes of a file are. */
  pathOf(component: string, id: string): string | undefined {
    const found = this.#find(component, id);
    return found === undefined ? undefined : path.join(this.#root, found.key);
  }

  /** Brings a file of a snapshot back under its id, inside the open transaction. */
  async restore(component: string, document: StoredDocument, bytes: Uint8Array): Promise<void> {
    const { key, sha256 } = await this.write(bytes, null);
    const { contentType } = document as FileDocument;
    const type = contentType === undefined ? {} : { contentType };
    const { _id, _creationTime } = document;
    this.#store.put(this.#store.ensureTable(component, STORAGE), {
      _id,
      _creationTime,
      sha256,
      size: bytes.length,
      ...type,
    } as StoredDocument);
    this.#store.insert(this.#store.ensureTable('', KEYS), { key, component, file: _id }, host.now());
    this.#remember(component, _id, key);
  }

  async read(component: string, id: string): Promise<Blob | null> {
    this.#checkId(component, id, 'get');
    const found = this.#find(component, id);
    if (found === undefined) return null;
    const bytes = await readFile(path.join(this.#root, found.key));
    return new Blob([bytes], { type: found.document.contentType ?? '' });
  }

  /** The bytes behind a public url. */
  byKey(key: string): { path: string; contentType: string | null; sha256: string; size: number } | null {
    const known = this.#byKey.get(key);
    const found = known === undefined ? undefined : this.#find(known.component, known.id);
    if (found === undefined) return null;
    const { contentType, sha256, size } = found.document;
    return { path: path.join(this.#root, key), contentType: contentType ?? null, sha256, size };
  }

  /** Drops the bytes of files that a commit removed. */
  forget(ids: readonly string[]): void {
    for (const id of ids) {
      const key = this.#byFile.get(id);
      if (key === undefined) continue;
      this.#byFile.delete(id);
      this.#byKey.delete(key);
      rmSync(path.join(this.#root, key), { force: true });
    }
  }
}
