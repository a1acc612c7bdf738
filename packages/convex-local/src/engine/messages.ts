import type { Damage } from '../storage/commit-log.ts';
import type { Caller } from './caller.ts';
import type { ImportRequest } from './snapshot-import.ts';
import type { LiveResult } from './subscriptions.ts';

/** How the server runs a function. `kind` says what the caller takes it for. */
export interface RunRequest {
  readonly kind: 'query' | 'mutation' | 'action' | 'any';
  readonly component: string;
  readonly path: string;
  /** Arguments as Convex JSON. */
  readonly args: unknown;
  readonly caller: Caller;
  readonly requestId: string;
  /** A query of the state at this timestamp, in place of the current one. */
  readonly at?: number;
  /** Present for mutations that a client may send again. */
  readonly idempotency?: { readonly session: string; readonly id: number };
}

export type RunResponse =
  | { readonly success: true; readonly value: string; readonly ts: number; readonly logLines: string[] }
  | {
      readonly success: false;
      readonly message: string;
      readonly data?: unknown;
      readonly logLines: string[];
    };

/** A request to an HTTP action. */
export interface HttpActionRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body: Uint8Array | null;
  readonly caller: Caller;
  readonly requestId: string;
}

/** One finished run, as `logs` shows it. */
export interface Execution {
  readonly udfType: 'Query' | 'Mutation' | 'Action' | 'HttpAction';
  readonly componentPath: string | null;
  readonly identifier: string;
  readonly logLines: string[];
  readonly timestamp: number;
  readonly executionTime: number;
  readonly success: unknown;
  readonly error: string | null;
  readonly requestId: string;
  readonly caller: string;
}

/** Calls of the server to the engine: the method's name, its parameters and its result. */
export interface EngineCalls {
  ping(): null;
  run(request: RunRequest): RunResponse;
  subscribe(request: {
    readonly token: number;
    readonly queries: ReadonlyArray<{
      readonly component: string;
      readonly path: string;
      readonly args: unknown;
      readonly journal: string | null;
    }>;
    readonly caller: Caller;
  }): null;
  release(ids: readonly number[]): null;
  timestamp(): number;
  authProviders(): readonly unknown[];
  publicKeys(): unknown;
  configHashes(): unknown;
  startPush(request: unknown): unknown;
  waitForSchema(request: unknown): unknown;
  finishPush(request: unknown): unknown;
  evaluateSchema(request: unknown): unknown;
  updateEnvironment(changes: ReadonlyArray<{ readonly name: string; readonly value: string | null }>): null;
  httpAction(request: HttpActionRequest): { readonly found: boolean };
  storeFile(request: {
    readonly token: string;
    readonly bytes: Uint8Array;
    readonly contentType: string | null;
    readonly sha256: string | null;
  }): { readonly storageId: string };
  findFile(fileId: string): {
    readonly path: string;
    readonly contentType: string | null;
    readonly sha256: string;
    readonly size: number;
  } | null;
  export(request: { readonly includeStorage: boolean }): null;
  exportFile(ts: string): string;
  startUpload(): unknown;
  addUploadPart(request: {
    readonly uploadToken: string;
    readonly part: number;
    readonly bytes: Uint8Array;
  }): unknown;
  finishUpload(request: { readonly uploadToken: string; readonly request: ImportRequest }): unknown;
  performImport(importId: string): null;
  runTestQuery(request: {
    readonly component: string;
    readonly source: string;
    readonly caller: Caller;
  }): RunResponse;
  close(): null;
}

export type EngineMethod = keyof EngineCalls;

/** What the engine tells the server unasked. */
export type EngineEvent =
  | {
      readonly event: 'ready';
      readonly ts: number;
      readonly documents: number;
      readonly damage: readonly Damage[];
    }
  /** In place of `ready`: it cannot start, now or later. */
  | { readonly event: 'failed'; readonly message: string; readonly code: string }
  | {
      /** All live results hold at `ts`; those that changed are listed. */
      readonly event: 'state';
      readonly ts: number;
      readonly changed: readonly LiveResult[];
      /** Answers to `subscribe`, in the order of its queries. */
      readonly subscribed?: { readonly token: number; readonly results: readonly LiveResult[] };
    }
  | { readonly event: 'execution'; readonly execution: Execution }
  | { readonly event: 'deployed' }
  | {
      readonly event: 'http';
      readonly requestId: string;
      readonly head?: { readonly status: number; readonly headers: ReadonlyArray<readonly [string, string]> };
      readonly chunk?: Uint8Array;
      readonly end?: boolean;
    };

export type ToEngine = { readonly id: number; readonly method: EngineMethod; readonly params: unknown };
export type FromEngine =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number;
      readonly error: { readonly message: string; readonly code?: string; readonly status?: number };
    }
  | EngineEvent;
