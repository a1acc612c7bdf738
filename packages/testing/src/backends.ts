import { startPostgres } from 'stackyard/engines/postgres';

/** A database server for the tests of one run. */
export interface TestServer extends AsyncDisposable {
  /** Connection URL of a superuser, for a database that holds nothing of the tests. */
  readonly url: string;
}

/** How each backend starts a PostgreSQL; `STACKYARD_TEST_BACKEND` names the one to use. */
const backends: Readonly<Record<string, () => Promise<TestServer>>> = {
  embedded: () => startPostgres({ settings: { max_connections: '300' } }),
};

/** @throws Error that names the known backends when `name` is not one of them. */
export function chooseBackend(name: string): () => Promise<TestServer> {
  const start = backends[name];
  if (start) return start;
  const known = Object.keys(backends).join(', ');
  throw new Error(`STACKYARD_TEST_BACKEND=${name} is not a test backend. Set it to one of: ${known}.`);
}
