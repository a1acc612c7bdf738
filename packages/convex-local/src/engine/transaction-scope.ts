import type { StoredDocument } from '../storage/document.ts';
import type { Store } from '../storage/store.ts';
import { type Caller, identityOf, identityOrRefusal } from './caller.ts';
import { checkDocument, checkFieldName, checkTableName, fieldsOf } from './document-rules.ts';
import { FunctionError, type RequestError, TransientError } from './function-error.ts';
import type { FunctionAddress } from './function-reference.ts';
import { type PageRequest, readPage } from './page.ts';
import { type QueryScope, QueryStream, type SerializedQuery } from './query-stream.ts';
import type { ReadSet } from './read-set.ts';
import type { TableSchema } from './schema.ts';
import { runSearch } from './text-search.ts';
import type { TokenRequest } from './token-signer.ts';
import { TransactionUsage } from './transaction-usage.ts';

/** What a transaction may ask of the engine beyond its own documents. */
export interface TransactionServices {
  readonly store: Store;
  readonly deploymentName: string;
  schemaOf(component: string, table: string): TableSchema | undefined;
  runNested(
    scope: TransactionScope,
    kind: 'query' | 'mutation',
    address: FunctionAddress,
    args: unknown,
  ): Promise<unknown>;
  createHandle(component: string, address: FunctionAddress): string;
  schedule(
    scope: { component: string; caller: Caller },
    address: FunctionAddress,
    seconds: number,
    args: unknown,
  ): string;
  cancelScheduled(component: string, id: string): void;
  uploadUrl(component: string): string;
  fileUrl(component: string, id: string): string | null;
  fileMetadata(component: string, id: string): unknown;
  deleteFile(component: string, id: string): void;
  signToken(component: string, request: TokenRequest): string;
}

/** How deep functions may call functions. */
const MAX_NESTING = 8;

/** One query or mutation while it runs. Nested calls share reads and writes, not the place they run at. */
export class TransactionScope {
  readonly deterministic = true;
  readonly kind: 'query' | 'mutation';
  readonly component: string;
  readonly functionName: string;
  readonly caller: Caller;
  readonly reads: ReadSet;
  readonly startedAt: number;
  readonly depth: number;
  /** A failure that ends the call whatever its code makes of it. */
  fatal: RequestError | undefined;
  readonly #services: TransactionServices;
  readonly #logs: string[];
  readonly #streams = new Map<number, QueryStream | { next(): StoredDocument | undefined }>();
  readonly #usage: TransactionUsage;
  #nextStream = 0;
  #seed: number;
  #closed = false;
  /** Cursors of `paginate`, so that a re-run returns the same pages. */
  readonly journal: { before: string | null; after: string | null };

  constructor(
    services: TransactionServices,
    options: {
      kind: 'query' | 'mutation';
      component: string;
      functionName: string;
      caller: Caller;
      reads: ReadSet;
      logs: string[];
      startedAt: number;
      journal?: string | null;
      parent?: TransactionScope;
    },
  ) {
    this.#services = services;
    this.kind = options.kind;
    this.component = options.component;
    this.functionName = options.functionName;
    this.caller = options.caller;
    this.reads = options.reads;
    this.#logs = options.logs;
    this.startedAt = options.startedAt;
    this.#seed = (options.startedAt * 1000) >>> 0;
    this.journal = { before: options.journal ?? null, after: null };
    this.depth = (options.parent?.depth ?? 0) + 1;
    this.#usage = options.parent === undefined ? new TransactionUsage() : options.parent.#usage;
    if (this.depth > MAX_NESTING) throw new FunctionError('Cross component call depth limit exceeded');
  }

  /** Ends the scope: code that still runs in it can do nothing any more. */
  close(): void {
    this.#closed = true;
  }

  log(line: string): void {
    this.#logs.push(line);
  }

  get logs(): string[] {
    return this.#logs;
  }

  clock(): number {
    this.reads.time = true;
    return this.startedAt;
  }

  random(): number {
    // mulberry32: small, seeded, good enough for what a Convex query may use randomness for.
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  get #store(): Store {
    return this.#services.store;
  }

  syscall(name: string, args: Record<string, unknown>): unknown {
    this.#assertOpen();
    switch (name) {
      case '1.0/queryStream': {
        const id = this.#nextStream++;
        this.#streams.set(id, this.#open(args.query as SerializedQuery));
        return { queryId: id };
      }
      case '1.0/queryCleanup':
        return this.#streams.delete(args.queryId as number);
      case '1.0/db/normalizeId': {
        const table = this.#store.tableOf(this.component, args.idString as string);
        const fits = table !== undefined && table.name === args.table;
        return { id: fits ? args.idString : null };
      }
      case '1.0/getSnapshotTs':
        return { $integer: int64(BigInt(Math.floor(this.startedAt * 1000)) * 1000n) };
      case 'throwOcc':
        throw new TransientError(
          'OptimisticConcurrencyControlFailure',
          'Another mutation changed the same documents.',
        );
      case 'throwOverloaded':
        throw new TransientError('Busy', 'The deployment has too much to do.');
      default:
        throw new FunctionError(`Unknown operation ${name}`);
    }
  }

  #assertOpen(): void {
    if (this.#closed)
      throw new FunctionError('The function has ended: this call was not awaited, and is lost.');
  }

  async asyncSyscall(name: string, args: Record<string, unknown>): Promise<unknown> {
    this.#assertOpen();
    switch (name) {
      case '1.0/get':
        return this.#get(args);
      case '1.0/queryStreamNext': {
        const document = this.#streams.get(args.queryId as number)?.next();
        return { value: document ?? null, done: document === undefined };
      }
      case '1.0/queryPage':
        return this.#page(args);
      case '1.0/count': {
        const table = this.#store.table(this.component, args.table as string);
        this.reads.add(this.component, args.table as string, {
          index: 'by_id',
          range: { low: { prefix: [], after: false }, high: { prefix: [], after: true } },
        });
        return table?.documents.size ?? 0;
      }
      case '1.0/insert':
        return this.#insert(args.table as string, args.value as Record<string, unknown>);
      case '1.0/shallowMerge':
      case '1.0/replace':
      case '1.0/remove':
        return this.#change(name, args);
      case '1.0/getUserIdentity':
        this.reads.identity = true;
        return identityOf(this.caller);
      case '1.0/getUserIdentityDebug':
        this.reads.identity = true;
        return identityOrRefusal(this.caller);
      case '1.0/getUserIdentityInsecure':
        return null;
      case '1.0/signJwt':
        this.#assertWritable();
        return this.#services.signToken(this.component, args);
      case '1.0/runUdf':
        return await this.#services.runNested(
          this,
          args.udfType === 'mutation' ? 'mutation' : 'query',
          args as FunctionAddress,
          args.args,
        );
      case '1.0/createFunctionHandle':
        return this.#services.createHandle(this.component, args as FunctionAddress);
      case '1.0/schedule':
        this.#assertWritable();
        return this.#services.schedule(this, args as FunctionAddress, args.ts as number, args.args);
      case '1.0/cancel_job':
        this.#assertWritable();
        this.#services.cancelScheduled(this.component, args.id as string);
        return null;
      case '1.0/storageGenerateUploadUrl':
        this.#assertWritable();
        return this.#services.uploadUrl(this.component);
      case '1.0/storageGetUrl':
        this.#noteFile(args.storageId as string);
        return this.#services.fileUrl(this.component, args.storageId as string);
      case '1.0/storageGetMetadata':
        this.#noteFile(args.storageId as string);
        return this.#services.fileMetadata(this.component, args.storageId as string);
      case '1.0/storageDelete':
        this.#assertWritable();
        this.#services.deleteFile(this.component, args.storageId as string);
        return null;
      case '1.0/getFunctionMetadata':
        return { name: this.functionName, componentPath: this.component };
      case '1.0/getDeploymentMetadata':
        return { name: this.#services.deploymentName, region: null, class: 's256' };
      case '1.0/getRequestMetadata':
        return (
          this.caller.request ?? { ip: null, userAgent: null, requestId: null, scheduledFunctionId: null }
        );
      case '1.0/getTransactionMetrics':
        return this.#usage.metrics();
      default:
        throw new FunctionError(`Unknown async operation ${name}`);
    }
  }

  jsSyscall(name: string): unknown {
    throw new FunctionError(`Unknown operation ${name}`);
  }

  #assertWritable(): void {
    if (this.kind !== 'mutation') throw new FunctionError('Queries cannot change data. Use a mutation.');
  }

  #noteFile(id: string): void {
    this.#noteDocument('_storage', id);
  }

  #noteDocument(table: string, id: string): void {
    this.reads.add(this.component, table, {
      index: 'by_id',
      range: { low: { prefix: [id], after: false }, high: { prefix: [id], after: true } },
    });
  }

  #get(args: Record<string, unknown>): StoredDocument | null {
    const id = args.id as string;
    const table = this.#tableFor(id, 'get', args.table as string | undefined);
    if (table === null) return null;
    if (table.name.startsWith('_') !== (args.isSystem === true)) {
      const [kind, place] = args.isSystem === true ? ['User', 'db'] : ['System', 'db.system'];
      throw new FunctionError(`${kind} tables can only be accessed from ${place}.get().`);
    }
    this.#noteDocument(table.name, id);
    const document = table.documents.get(id);
    if (document !== undefined) this.#usage.charge(document);
    return document ?? null;
  }

  /** The table of an id; null where the id is sound but its table is not of this component. */
  #tableFor(id: unknown, operation: string, expected: string | undefined) {
    const table = typeof id === 'string' ? this.#store.tableOf(this.component, id) : undefined;
    if (table === undefined) {
      throw new FunctionError(
        `Invalid argument \`id\` for \`db.${operation}\`: Unable to decode ID: ${describeBadId(id)}`,
      );
    }
    if (expected !== undefined && table.name !== expected) {
      throw new FunctionError(
        `Invalid argument \`id\` for \`db.${operation}\`: expected to be an Id<"${expected}">, got Id<"${table.name}"> instead.`,
      );
    }
    return table;
  }

  #insert(name: string, value: Record<string, unknown>): { _id: string } {
    this.#assertWritable();
    checkTableName(name);
    const table = this.#store.ensureTable(this.component, name);
    const fields = fieldsOf(value);
    for (const field of ['_id', '_creationTime']) {
      if (field in fields) {
        throw new FunctionError(`Provided document for table "${name}" must not have the field "${field}".`);
      }
    }
    const id = this.#store.insert(table, fields, this.startedAt);
    this.#checkWritten(name, table.documents.get(id)!);
    return { _id: id };
  }

  #change(operation: string, args: Record<string, unknown>): StoredDocument {
    this.#assertWritable();
    const id = args.id as string;
    const verb = operation === '1.0/remove' ? 'delete' : operation === '1.0/replace' ? 'replace' : 'patch';
    const table = this.#tableFor(id, verb, args.table as string | undefined);
    if (table.name.startsWith('_')) {
      throw new FunctionError('System tables (prefixed with `_`) are read-only.');
    }
    this.#noteDocument(table.name, id);
    const before = table.documents.get(id);
    if (before === undefined) {
      const action = verb === 'delete' ? 'Delete' : verb === 'replace' ? 'Replace' : 'Update';
      throw new FunctionError(`${action} on nonexistent document ID ${id}`);
    }
    if (operation === '1.0/remove') {
      this.#usage.countWrite();
      this.#store.remove(table, id);
      return before;
    }
    const value = fieldsOf(args.value);
    if (value._id !== undefined && value._id !== id) {
      throw new FunctionError(`Provided document \`_id\` field "${value._id}" does not match "${id}".`);
    }
    const time = value._creationTime;
    if (time !== undefined && time !== before._creationTime) {
      throw new FunctionError(
        `Provided \`_creationTime\` field ${time} does not match ${before._creationTime}.`,
      );
    }
    const after = operation === '1.0/replace' ? {} : { ...before };
    for (const [field, part] of Object.entries(value)) {
      checkFieldName(field);
      if (isUndefined(part)) delete (after as Record<string, unknown>)[field];
      else Object.assign(after, { [field]: part });
    }
    const document = { ...after, _id: id, _creationTime: before._creationTime };
    this.#store.put(table, document);
    this.#checkWritten(table.name, document);
    return document;
  }

  #checkWritten(table: string, document: StoredDocument): void {
    this.#usage.countWrite();
    checkDocument(document, table, this.#services.schemaOf(this.component, table), (id) =>
      this.#store.tableOf(this.component, id),
    );
  }

  get #queryScope(): QueryScope {
    return {
      store: this.#store,
      component: this.component,
      reads: this.reads,
      charge: (document) => this.#usage.charge(document),
      schemaOf: (table) => this.#services.schemaOf(this.component, table),
    };
  }

  #open(query: SerializedQuery): QueryStream | { next(): StoredDocument | undefined } {
    if (query.source.type !== 'Search') return new QueryStream(this.#queryScope, query);
    const found = runSearch(this.#queryScope, query).values();
    return { next: () => found.next().value };
  }

  #page(args: Record<string, unknown>): unknown {
    const result = readPage(this.#queryScope, args as unknown as PageRequest, this.journal.before);
    this.journal.after = result.continueCursor;
    return result;
  }
}

function isUndefined(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '$undefined' in value;
}

function describeBadId(id: unknown): string {
  if (typeof id !== 'string') return 'ID is not a string';
  if (id.length < 31 || id.length > 37) return `Invalid ID length ${id.length}`;
  return "ID wasn't valid base32";
}

function int64(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes.toString('base64');
}
