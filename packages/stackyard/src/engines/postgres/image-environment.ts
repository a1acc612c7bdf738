import { readFile } from 'node:fs/promises';
import type { EngineContext } from '../../engine.ts';
import { EngineError } from '../engine-error.ts';

/** What the variables of the official `postgres` image ask for. */
export interface ImageEnvironment {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly hostAuth: string;
  readonly initdbArgs: readonly string[];
}

const hostAuthMethods = ['scram-sha-256', 'md5', 'trust'];

/**
 * Reads `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB` (each also as `..._FILE`), `POSTGRES_HOST_AUTH_METHOD` and
 * `POSTGRES_INITDB_ARGS`, with the image's defaults.
 *
 * @throws EngineError that lists every variable that is wrong.
 * @see https://github.com/docker-library/docs/blob/master/postgres/README.md
 */
export async function readImageEnvironment(
  context: Pick<EngineContext, 'serviceName' | 'environment' | 'mount'>,
): Promise<ImageEnvironment> {
  const problems: string[] = [];
  const value = async (name: string): Promise<string | undefined> => {
    const plain = context.environment[name] || undefined;
    const file = context.environment[`${name}_FILE`];
    if (!file) return plain;
    if (plain !== undefined) problems.push(`${name} and ${name}_FILE exclude each other`);
    const path = context.mount(file);
    const text = path && (await readFile(path, 'utf8').catch(() => undefined));
    if (text === undefined) problems.push(`${name}_FILE: no readable file is mounted at ${file}`);
    return text?.replace(/\r?\n+$/, '');
  };
  const user = (await value('POSTGRES_USER')) ?? 'postgres';
  const password = (await value('POSTGRES_PASSWORD')) ?? '';
  const database = (await value('POSTGRES_DB')) ?? user;
  const initdbArgs = ((await value('POSTGRES_INITDB_ARGS')) ?? '').split(/\s+/).filter(Boolean);
  const hostAuth = context.environment.POSTGRES_HOST_AUTH_METHOD || 'scram-sha-256';
  if (!hostAuthMethods.includes(hostAuth)) {
    problems.push(`POSTGRES_HOST_AUTH_METHOD must be one of ${hostAuthMethods.join(', ')}`);
  }
  if (password === '' && hostAuth !== 'trust') problems.push('POSTGRES_PASSWORD is not set');
  if (/[\r\n]/.test(password)) problems.push('POSTGRES_PASSWORD holds a line break');
  if (context.environment.POSTGRES_INITDB_WALDIR) {
    problems.push('POSTGRES_INITDB_WALDIR is not supported by the embedded engine');
  }
  if (problems.length > 0) {
    throw new EngineError(
      'ENGINE_ENVIRONMENT',
      `Service ${context.serviceName}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
      "Change the service's environment in the Compose files, or the variables they read from .env.",
    );
  }
  return { user, password, database, hostAuth, initdbArgs };
}
