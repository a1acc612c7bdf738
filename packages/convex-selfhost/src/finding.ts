/** Something about a configuration that a person should know. Holds no secret. */
export interface Finding {
  /** Stable name of the rule: `convex-postgres-url-database`. */
  readonly id: string;
  /** An `error` keeps the backend, or its clients, from working; a `warning` may; `info` only looks like trouble. */
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

export function error(id: string, message: string, fix: string): Finding {
  return { id, severity: 'error', message, fix };
}

export function warning(id: string, message: string, fix: string): Finding {
  return { id, severity: 'warning', message, fix };
}
