import type { Service } from '@stackyard/compose';

/** An embedded engine: it turns one Compose service into one process that the supervisor runs and watches. */
export interface Engine {
  /** The value of `x-embedded.engine`. */
  readonly name: string;
  /**
   * Prepares data (initialises, verifies the stamp, repairs) and says how to run the service. It starts nothing
   * that outlives the call. Throws an `EngineError` when the data cannot be used.
   */
  prepare(context: EngineContext): Promise<Launch>;
}

export interface EngineContext {
  /** The service's key in the Compose files. */
  readonly serviceName: string;
  readonly service: Service;
  /** `x-embedded` of the service, without `engine`. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Absolute path of the checkout. */
  readonly root: string;
  /** The service's environment, resolved, as a process on the host must see it. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the person's shell and the `.env` files say; `hostBasics` has the part that any child may see. */
  readonly hostVariables: Readonly<Record<string, string>>;
  /** Absolute path that a container would see as the mount `target`, or undefined where nothing is mounted. */
  mount(target: string): string | undefined;
  /** Where the host reaches a port of the service. */
  address(containerPort: number): { readonly host: string; readonly port: number };
  /** Absolute, private folder for the engine's own files (not the user's data); exists, survives restarts. */
  readonly stateDirectory: string;
  /** One line of progress for the person who waits. */
  progress(message: string): void;
  readonly signal: AbortSignal;
}

/** One process to run. */
export interface Launch {
  /** What runs, with its version, for the summary: `PostgreSQL 17.10 (embedded)`. */
  readonly source: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The user to run as; the supervisor's own where absent. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** How to ask for an orderly stop, and how long to wait for it. */
  readonly stopSignal: NodeJS.Signals;
  readonly stopGraceMs: number;
  /** How to end it at once when nobody is left to wait for an orderly stop; `stopSignal` where absent. */
  readonly abandonSignal?: NodeJS.Signals;
  /** One probe of readiness, over the protocol a client would use. Resolves when ready, rejects with the answer. */
  ready(signal: AbortSignal): Promise<void>;
  /** Where a client connects, credentials included; people are shown it with the password masked. */
  readonly url?: string;
  /** A remark for the summary: what this engine is not, where data went. */
  readonly note?: string;
}
