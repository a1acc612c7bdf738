import { execFileSync } from 'node:child_process';
import { ContractWorkspace } from './contract/workspace.ts';

/** What `docker` answers. */
export const docker = (...args: string[]): string => execFileSync('docker', args, { encoding: 'utf8' });

export const check = { test: ['CMD', 'true'], interval: '200ms' };

/** A container that does nothing until it is told to end. */
export const idle = {
  image: 'debian:bookworm-slim',
  command: ['sleep', '600'],
  init: true,
  healthcheck: check,
};

/** A checkout whose variant `one` has these services, as the Compose file writes them. */
export function workspaceOf(
  others: Record<string, unknown>,
  scripts: Record<string, string> = {},
): ContractWorkspace {
  return new ContractWorkspace('docker', { one: { services: {}, others, scripts } });
}

/** A PostgreSQL that both drivers run. */
export function database(port: number, password: string) {
  return {
    postgres: {
      image: 'postgres:17',
      environment: { POSTGRES_PASSWORD: password, POSTGRES_DB: 'shop' },
      ports: [`127.0.0.1:${port}:5432`],
      volumes: ['./data/one/postgres:/var/lib/postgresql/data'],
      healthcheck: { test: ['CMD-SHELL', 'pg_isready -q -h 127.0.0.1'], interval: '200ms', retries: 100 },
      'x-embedded': { engine: 'postgres' },
    },
  };
}
