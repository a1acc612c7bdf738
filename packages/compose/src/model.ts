/**
 * The resolved form of a set of Compose files: what `docker compose config --format json` prints, with the
 * extension fields (`x-*`) of services kept. Field names are those of the Compose specification.
 */
export interface ComposeModel {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly networks?: Readonly<Record<string, unknown>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, unknown>>;
  readonly configs?: Readonly<Record<string, unknown>>;
  readonly [extension: `x-${string}`]: unknown;
}

export interface Service {
  readonly image?: string;
  readonly build?: Build;
  readonly command?: readonly string[] | null;
  readonly entrypoint?: readonly string[] | null;
  /** `null` marks a variable that the files name without a value and the environment does not define. */
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly ports?: readonly Port[];
  readonly volumes?: readonly Mount[];
  readonly depends_on?: Readonly<Record<string, Dependency>>;
  readonly healthcheck?: Healthcheck;
  readonly profiles?: readonly string[];
  readonly stop_signal?: string;
  readonly stop_grace_period?: string;
  readonly [extension: `x-${string}`]: unknown;
  /** The other fields of the specification, in canonical form. */
  readonly [field: string]: unknown;
}

export interface Build {
  readonly context: string;
  readonly dockerfile?: string;
  readonly target?: string;
  readonly args?: Readonly<Record<string, string | null>>;
  readonly [field: string]: unknown;
}

export interface Port {
  readonly mode?: string;
  readonly host_ip?: string;
  /** The container's port. */
  readonly target: number;
  /** The host's port or port range; absent when the engine is to choose one. */
  readonly published?: string;
  readonly protocol: string;
  readonly [field: string]: unknown;
}

export interface Mount {
  readonly type: string;
  /** A volume's name, or for a bind mount an absolute host path. */
  readonly source?: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly [field: string]: unknown;
}

export interface Dependency {
  readonly condition: 'service_started' | 'service_healthy' | 'service_completed_successfully';
  readonly required: boolean;
  readonly restart?: boolean;
}

/** Durations are Go's, as the Compose files write them (`1m30s`). */
export interface Healthcheck {
  readonly test?: readonly string[];
  readonly interval?: string;
  readonly timeout?: string;
  readonly retries?: number;
  readonly start_period?: string;
  readonly start_interval?: string;
  readonly disable?: boolean;
}
