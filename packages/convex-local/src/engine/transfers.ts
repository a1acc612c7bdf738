import { createHash, randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Store } from '../storage/store.ts';
import type { Deployer } from './deployer.ts';
import { host } from './environment.ts';
import type { Files } from './files.ts';
import { RequestError } from './function-error.ts';
import { encodeInt64 } from './int64.ts';
import type { Runner } from './runner.ts';
import { recordExport, writeSnapshot } from './snapshot-export.ts';
import { type ImportRequest, importDocuments } from './snapshot-import.ts';

const IMPORTS = '_snapshot_imports';

const MAX_UPLOADS = 4;

/** Imports and exports, in the steps that the CLI takes. */
export class Transfers {
  readonly #store: Store;
  readonly #runner: Runner;
  readonly #deployer: Deployer;
  readonly #files: Files;
  readonly #folder: string;
  readonly #uploads = new Map<string, Map<number, Uint8Array>>();
  readonly #ready = new Map<string, { readonly request: ImportRequest; readonly bytes: Uint8Array }>();

  constructor(store: Store, runner: Runner, deployer: Deployer, files: Files, folder: string) {
    this.#store = store;
    this.#runner = runner;
    this.#deployer = deployer;
    this.#files = files;
    this.#folder = folder;
  }

  async export(ts: number, includeStorage: boolean): Promise<void> {
    await this.#runner.change(() => {
      const file = writeSnapshot(
        this.#store,
        this.#deployer.current,
        this.#files,
        this.#folder,
        ts,
        includeStorage,
      );
      recordExport(this.#store, ts, file);
    });
  }

  exportFile(ts: string): string {
    if (!/^\d+$/.test(ts))
      throw new RequestError(400, 'BadTimestamp', 'The timestamp of an export is a number.');
    return path.join(this.#folder, `${ts}.zip`);
  }

  startUpload(): { uploadToken: string } {
    const uploadToken = randomUUID();
    this.#uploads.set(uploadToken, new Map());
    if (this.#uploads.size > MAX_UPLOADS) this.#uploads.delete(this.#uploads.keys().next().value!);
    return { uploadToken };
  }

  addPart(uploadToken: string, part: number, bytes: Uint8Array): { etag: string; partNumber: number } {
    const upload = this.#uploads.get(uploadToken);
    if (upload === undefined)
      throw new RequestError(400, 'UnknownUpload', 'This upload is not known any more.');
    upload.set(part, bytes);
    return { etag: createHash('sha256').update(bytes).digest('hex'), partNumber: part };
  }

  /** The upload is complete; the CLI asks the person, if need be, before `perform`. */
  async finishUpload(uploadToken: string, request: ImportRequest): Promise<{ importId: string }> {
    const upload = this.#uploads.get(uploadToken);
    if (upload === undefined)
      throw new RequestError(400, 'UnknownUpload', 'This upload is not known any more.');
    this.#uploads.delete(uploadToken);
    const parts = [...upload].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
    const importId = await this.#runner.change(() => {
      const table = this.#store.ensureTable('', IMPORTS);
      for (const id of [...table.documents.keys()]) this.#store.remove(table, id);
      const replaces = request.mode === 'replace' || request.mode === 'replaceAll';
      const confirmation = replaces
        ? { message_to_confirm: 'The import replaces existing documents.', require_manual_confirmation: true }
        : { message_to_confirm: '', require_manual_confirmation: false };
      return this.#store.insert(
        table,
        { state: { state: 'waiting_for_confirmation', ...confirmation } },
        host.now(),
      );
    });
    this.#ready.set(importId, { request, bytes: Buffer.concat(parts) });
    return { importId };
  }

  async perform(importId: string): Promise<void> {
    const ready = this.#ready.get(importId);
    if (ready === undefined)
      throw new RequestError(400, 'UnknownImport', 'This import is not known any more.');
    this.#ready.delete(importId);
    const set = (state: unknown) => {
      const table = this.#store.table('', IMPORTS)!;
      this.#store.put(table, { ...table.documents.get(importId)!, state } as never);
    };
    try {
      await this.#runner.change(async () => {
        const { request, bytes } = ready;
        const rows = await importDocuments(this.#store, this.#deployer.current, this.#files, request, bytes);
        set({ state: 'completed', num_rows_written: encodeInt64(BigInt(rows)) });
      });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      await this.#runner.change(() => set({ state: 'failed', error_message: message }));
    }
  }
}
