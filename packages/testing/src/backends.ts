import { startPostgres } from 'stackyard/engines/postgres';

/** A database server for the tests of one run. */
export interface TestServer extends AsyncDisposable {
  /** Connection URL of a superuser, for a database that holds nothing of the tests. */
  readonly url: string;
}

/** One way to run the servers that tests need. */
export interface Backend {
  /** Rejects in one sentence when this machine lacks what the backend needs. */
  check(): Promise<unknown>;
  postgres(): Promise<TestServer>;
}

/** By the name that `STACKYARD_TEST_BACKEND` gives; `vitest --mode containers` chooses the second. */
const backends: Readonly<Record<string, (root: string) => Backend>> = {
  embedded: () => ({
    check: async () => {},
    postgres: () => startPostgres({ settings: { max_connections: '300' } }),
  }),
  containers: (root) => ({
    check: async () => (await import('./containers/container-engine.ts')).containerEngine(),
    postgres: async () => (await import('./containers/postgres-container.ts')).startPostgresContainer(root),
  }),
};

/** @throws Error that names the known backends when `name` is not one of them. */
export function chooseBackend(name: string, root: string): Backend {
  const make = backends[name];
  if (make) return make(root);
  const known = Object.keys(backends).join(', ');
  throw new Error(`STACKYARD_TEST_BACKEND=${name} is not a test backend. Set it to one of: ${known}.`);
}
