import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { TestProject } from 'vitest/node';
import { chooseBackend, type TestServer } from './backends.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address that answers with the connection URL of the run's PostgreSQL, which starts when first asked for. */
    stackyardPostgres: string;
  }
}

/**
 * One PostgreSQL for a whole Vitest run, started when the first test asks for it: a run of tests that need no
 * database starts none.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { mode, root } = project.vite.config;
  const suite = mode === 'containers' ? 'containers' : 'embedded';
  const backend = chooseBackend(process.env.STACKYARD_TEST_BACKEND || suite, root);
  // At once, and not when the first test asks: a run without what it needs fails, whatever its tests are.
  await backend.check().catch(refuse);
  let server: Promise<TestServer> | undefined;
  // The answer holds a superuser's password: only who knows the path gets it.
  const path = `/${randomBytes(16).toString('hex')}`;
  const broker = createServer(async (request, response) => {
    if (request.url !== path) {
      response.writeHead(404).end();
      return;
    }
    server ??= backend.postgres();
    try {
      response.end((await server).url);
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    }
  }).listen(0, '127.0.0.1');
  await once(broker, 'listening');
  const address = broker.address();
  if (address === null || typeof address === 'string') throw new TypeError('the broker has no port');
  project.provide('stackyardPostgres', `http://127.0.0.1:${address.port}${path}`);
  return async () => {
    broker.close();
    broker.closeAllConnections();
    const started = await server?.catch(() => undefined);
    await started?.[Symbol.asyncDispose]();
  };
}

/** One sentence is all there is to say: a stack trace would hide it. */
function refuse(error: unknown): never {
  if (!(error instanceof Error && 'hint' in error)) throw error;
  console.error(error.message);
  process.exit(1);
}
