import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Store, StoredDocument, Table } from '../storage/store.ts';
import { host } from './environment.ts';
import { FunctionError, RequestError } from './function-error.ts';

export const STORAGE = '_storage';
const UPLOAD_TTL_MS = 60 * 60 * 1000;
const MAX_TOKENS = 100_000;

interface FileDocument extends StoredDocument {
  sha256: string;
  size: number;
  contentType?: string;
}

/** Uploaded files: bytes on disk named by document id, facts about them in `_storage`. */
export class Files {
  readonly #root: string;
  readonly #store: Store;
  readonly #tokens = new Map<string, { component: string; expires: number }>();
  /** File id of a url to document: ids stay secret, urls are public. */
  #cloudUrl: string;

  constructor(root: string, store: Store, cloudUrl: string) {
    this.#root = root;
    this.#store = store;
    this.#cloudUrl = cloudUrl;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  uploadUrl(component: string): string {
    const token = randomUUID();
    this.#tokens.set(token, { component, expires: host.now() + UPLOAD_TTL_MS });
    if (this.#tokens.size > MAX_TOKENS) this.#tokens.delete(this.#tokens.keys().next().value!);
    return `${this.#cloudUrl}/api/storage/upload?token=${token}`;
  }

  componentOf(token: string): string {
    const known = this.#tokens.get(token);
    if (known === undefined || known.expires < host.now()) {
      throw new RequestError(401, 'Unauthorized', 'The upload url is not valid, or has expired.');
    }
    return known.component;
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

  record(
    component: string,
    file: { key: string; sha256: string; size: number; contentType: string | null },
  ): string {
    const table = this.#store.ensureTable(component, STORAGE);
    const id = this.#store.insert(
      table,
      {
        sha256: file.sha256,
        size: file.size,
        ...(file.contentType === null || file.contentType === '' ? {} : { contentType: file.contentType }),
      },
      host.now(),
    );
    const keys = this.#store.ensureTable('', '_file_keys');
    this.#store.insert(keys, { key: file.key, file: id }, host.now());
    this.#byKey.set(file.key, id);
    this.#byFile.set(id, file.key);
    return id;
  }

  readonly #byKey = new Map<string, string>();
  readonly #byFile = new Map<string, string>();

  /** Learns the files of the store after a restart. */
  index(): void {
    for (const document of this.#store.table('', '_file_keys')?.documents.values() ?? []) {
      this.#byKey.set(document.key as string, document.file as string);
      this.#byFile.set(document.file as string, document.key as string);
    }
  }

  #find(component: string, id: string): { table: Table; document: FileDocument; key: string } | undefined {
    const table = this.#store.tableOf(id);
    if (table?.name !== STORAGE || table.component !== component) {
      // The older form of storage ids, still accepted: the key in the url.
      const known = this.#byKey.get(id);
      return known === undefined || known === id ? undefined : this.#find(component, known);
    }
    const document = table.documents.get(id) as FileDocument | undefined;
    const key = this.#byFile.get(id);
    return document === undefined || key === undefined ? undefined : { table, document, key };
  }

  url(component: string, id: string): string | null {
    this.#checkId(id);
    const found = this.#find(component, id);
    return found === undefined ? null : `${this.#cloudUrl}/api/storage/${found.key}`;
  }

  #checkId(id: string): void {
    const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
    const table = this.#store.tableOf(id);
    if (!uuid && table === undefined) {
      throw new FunctionError(`Invalid storageId: ${id}`);
    }
    if (table !== undefined && table.name !== STORAGE) {
      throw new FunctionError(`Invalid storageId: expected an ID in table "_storage", got "${table.name}"`);
    }
  }

  metadata(component: string, id: string): unknown {
    this.#checkId(id);
    const found = this.#find(component, id);
    if (found === undefined) return null;
    const { sha256, size, contentType } = found.document;
    return { storageId: id, sha256, size, contentType: contentType ?? null };
  }

  /** Removes a file inside the open transaction. Its bytes go later, when nobody can roll back. */
  remove(component: string, id: string): void {
    this.#checkId(id);
    const found = this.#find(component, id);
    if (found === undefined) throw new FunctionError(`storage id ${id} not found`);
    this.#store.remove(found.table, found.document._id);
  }

  async read(component: string, id: string): Promise<Blob | null> {
    this.#checkId(id);
    const found = this.#find(component, id);
    if (found === undefined) return null;
    const bytes = await readFile(path.join(this.#root, found.key));
    return new Blob([bytes], { type: found.document.contentType ?? '' });
  }

  /** The bytes behind a public url. */
  byKey(key: string): { path: string; contentType: string | null; sha256: string; size: number } | null {
    const id = this.#byKey.get(key);
    const document = id === undefined ? undefined : (this.#store.get(id) as FileDocument | undefined);
    if (document === undefined) return null;
    return {
      path: path.join(this.#root, key),
      contentType: document.contentType ?? null,
      sha256: document.sha256,
      size: document.size,
    };
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
