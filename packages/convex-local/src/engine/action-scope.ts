import { type Caller, identityOf, identityOrRefusal } from './caller.ts';
import { FunctionError, type RequestError } from './function-error.ts';
import type { FunctionAddress } from './function-reference.ts';

/** What an action may ask of the engine. Every call is a transaction of its own. */
export interface ActionServices {
  readonly deploymentName: string;
  run(
    scope: ActionScope,
    kind: 'query' | 'mutation' | 'action',
    address: FunctionAddress,
    args: unknown,
  ): Promise<unknown>;
  schedule(scope: ActionScope, address: FunctionAddress, seconds: number, args: unknown): Promise<string>;
  cancelScheduled(component: string, id: string): Promise<void>;
  createHandle(component: string, address: FunctionAddress): string;
  vectorSearch(component: string, query: VectorQuery): Promise<unknown>;
  uploadUrl(component: string): string;
  fileUrl(component: string, id: string): Promise<string | null>;
  fileMetadata(component: string, id: string): Promise<unknown>;
  deleteFile(component: string, id: string): Promise<void>;
  storeFile(component: string, blob: Blob, sha256: string | undefined): Promise<string>;
  readFile(component: string, id: string): Promise<Blob | null>;
}

export interface VectorQuery {
  readonly indexName: string;
  readonly limit?: number;
  readonly vector: readonly number[];
  readonly expressions: unknown;
}

/** One action while it runs. */
export class ActionScope {
  readonly deterministic = false;
  readonly component: string;
  readonly functionName: string;
  readonly caller: Caller;
  readonly logs: string[];
  readonly depth: number;
  /** A failure that ends the call whatever its code makes of it. */
  fatal: RequestError | undefined;
  /** Calls of the engine that have not come back. */
  pendingCalls = 0;
  readonly #services: ActionServices;
  readonly #onLog: ((line: string) => void) | undefined;

  constructor(
    services: ActionServices,
    options: {
      component: string;
      functionName: string;
      caller: Caller;
      logs: string[];
      depth?: number;
      onLog?: (line: string) => void;
    },
  ) {
    this.#services = services;
    this.component = options.component;
    this.functionName = options.functionName;
    this.caller = options.caller;
    this.logs = options.logs;
    this.depth = options.depth ?? 1;
    this.#onLog = options.onLog;
  }

  log(line: string): void {
    this.logs.push(line);
    this.#onLog?.(line);
  }

  clock(): number {
    return Date.now();
  }

  random(): number {
    return Math.random();
  }

  syscall(name: string): unknown {
    throw new FunctionError(`Unknown operation ${name}`);
  }

  async asyncSyscall(name: string, args: Record<string, unknown>): Promise<unknown> {
    return await this.#counted(() => this.#perform(name, args));
  }

  async #counted<T>(call: () => Promise<T>): Promise<T> {
    this.pendingCalls++;
    try {
      return await call();
    } finally {
      this.pendingCalls--;
    }
  }

  async #perform(name: string, args: Record<string, unknown>): Promise<unknown> {
    const services = this.#services;
    const address = args as FunctionAddress;
    const file = args.storageId as string;
    switch (name) {
      case '1.0/actions/query':
        return services.run(this, 'query', address, args.args);
      case '1.0/actions/mutation':
        return services.run(this, 'mutation', address, args.args);
      case '1.0/actions/action':
        return services.run(this, 'action', address, args.args);
      case '1.0/actions/schedule':
        return services.schedule(this, address, args.ts as number, args.args);
      case '1.0/actions/cancel_job':
        return services.cancelScheduled(this.component, args.id as string);
      case '1.0/actions/vectorSearch':
        return services.vectorSearch(this.component, args.query as VectorQuery);
      case '1.0/createFunctionHandle':
        return services.createHandle(this.component, address);
      case '1.0/getUserIdentity':
        return identityOf(this.caller);
      case '1.0/getUserIdentityDebug':
        return identityOrRefusal(this.caller);
      case '1.0/getUserIdentityInsecure':
        return null;
      case '1.0/storageGenerateUploadUrl':
        return services.uploadUrl(this.component);
      case '1.0/storageGetUrl':
        return services.fileUrl(this.component, file);
      case '1.0/storageGetMetadata':
        return services.fileMetadata(this.component, file);
      case '1.0/storageDelete':
        return services.deleteFile(this.component, file);
      case '1.0/getFunctionMetadata':
        return { name: this.functionName, componentPath: this.component };
      case '1.0/getDeploymentMetadata':
        return { name: services.deploymentName, region: null, class: 's256' };
      case '1.0/getRequestMetadata':
        return (
          this.caller.request ?? { ip: null, userAgent: null, requestId: null, scheduledFunctionId: null }
        );
      default:
        throw new FunctionError(`Unknown async operation ${name}`);
    }
  }

  async jsSyscall(name: string, args: Record<string, unknown>): Promise<unknown> {
    return await this.#counted(() => this.#performJs(name, args));
  }

  async #performJs(name: string, args: Record<string, unknown>): Promise<unknown> {
    if (name === 'storage/storeBlob') {
      const options = args.options as { sha256?: string } | undefined;
      return this.#services.storeFile(this.component, args.blob as Blob, options?.sha256);
    }
    if (name === 'storage/getBlob') return this.#services.readFile(this.component, args.storageId as string);
    throw new FunctionError(`Unknown operation ${name}`);
  }
}
