import type { ComposeModel, Service } from '@stackyard/compose';
import type { StackyardError } from './errors.ts';
import type { ProcessIdentity } from './processes.ts';
import type { PortRecord, StackState } from './state.ts';
import type { Exit, ManagedProcess, ProcessSpec } from './supervisor/managed-process.ts';
import type { Variant } from './workspace.ts';

/**
 * Decides how the services of a Compose model run. Everything around it is the same for every driver: the plan,
 * ports, locks, state, the package scripts, the summary.
 */
export interface Driver {
  /** As `--driver` and `STACKYARD_DRIVER` name it. */
  readonly name: string;
  /** What the driver does with a service. Pure: it is asked while planning. */
  place(name: string, service: Service): Placement;
  /** Gets ready to start services. Refuses when the driver cannot work on this machine. */
  open(context: DriverContext): Promise<DriverSession>;
  /**
   * Removes what a dead owner of the stack left behind; called before anything starts.
   *
   * @param environment `.env` files under the process environment, as in `Stack`
   * @returns what it had to leave although nothing runs any more: no hindrance to a start, but `down` says it
   */
  recover(
    state: StackState,
    environment: Readonly<Record<string, string>>,
  ): Promise<StackyardError | undefined>;
  /** What the services of the stack have stored, for `reset`. */
  data(stack: Stack): readonly StoredData[];
}

export type Placement =
  | { readonly kind: 'run' /** `engine postgres`, `image postgres:17` */; readonly as: string }
  | { readonly kind: 'skip'; readonly reason: string }
  | { readonly kind: 'refuse'; readonly reason: string };

/** One variant, loaded: everything that is known before anything runs. */
export interface Stack {
  readonly variant: Variant;
  readonly model: ComposeModel;
  readonly driver: string;
  readonly profiles: readonly string[];
  /** Nothing runs on the host: what package scripts stand for runs in containers too (`--build`). */
  readonly containersOnly: boolean;
  /** On ports of the checkout's own block. */
  readonly isolated: boolean;
  /** What interpolation saw: `.env` files under the process environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Published ports of every service, by service; ports that the files leave open are chosen at start. */
  readonly ports: Readonly<Record<string, readonly PortRecord[]>>;
}

export interface DriverContext {
  readonly stack: Stack;
  /** The services that will be started, dependencies first. */
  readonly services: readonly string[];
  /** A service's environment as a process on the host must see it. */
  hostEnvironment(service: string): Readonly<Record<string, string>>;
  /** Runs a child that cannot outlive this process. */
  spawn(spec: ProcessSpec): Promise<ManagedProcess>;
  /** What a service is busy with, for the person who waits. */
  progress(service: string, message: string): void;
  readonly signal: AbortSignal;
}

/** Services of one stack. Disposed after every service it started has been stopped. */
export interface DriverSession extends AsyncDisposable {
  /** Starts one service whose dependencies are satisfied. Its output goes to `logFile(stateDirectory, name)`. */
  start(name: string): Promise<Running>;
}

/** A started service. */
export interface Running {
  readonly service: string;
  /** What runs, with its version: `PostgreSQL 17.10 (embedded)`. */
  readonly source: string;
  readonly ports: readonly PortRecord[];
  /** Where a client connects, credentials included; shown with the password masked. */
  readonly url?: string | undefined;
  readonly note?: string;
  readonly process?: ProcessIdentity;
  /** Settles when the service ends by itself or is stopped; never rejects. */
  readonly exited: Promise<Exit>;
  /** Resolves when the health check passes; rejects when the service dies or its time is up. */
  healthy(signal: AbortSignal): Promise<void>;
  stop(hurry?: AbortSignal): Promise<void>;
}

/** Something `reset` would delete. */
export interface StoredData {
  readonly service: string;
  /** As the person knows it: a folder relative to the checkout, a volume's name. */
  readonly label: string;
  /** Absolute path of the folder as the Compose files give it, where it is one of this machine. */
  readonly folder?: string;
  /** Bytes, or undefined when there is nothing yet. */
  size(): number | undefined;
  remove(): Promise<void>;
}
