import type { ComposeModel } from '@stackyard/compose';
import { describe, expect, test } from 'vitest';
import { hostBasics, hostEnvironment } from './host-environment.ts';

const port = (target: number) => ({ target, protocol: 'tcp' });

/** The environment of a service `app` beside postgres (on 5434), api (on 4000) and a cache that does not run. */
function seen(environment: Record<string, string | null>) {
  const model: ComposeModel = {
    name: 'test',
    services: {
      app: { environment },
      postgres: { ports: [port(5432)] },
      'postgres-replica': { ports: [port(5432)] },
      api: { ports: [port(80), port(8080)] },
      cache: {},
    },
  };
  const ports: Record<string, Record<number, number>> = {
    postgres: { 5432: 5434 },
    'postgres-replica': { 5432: 5435 },
    api: { 80: 4000, 8080: 4001 },
  };
  return hostEnvironment(model, 'app', {
    runs: (service) => service in ports,
    port: (service, container) => ports[service]?.[container],
  });
}

describe('a reference to another service becomes an address of this machine', () => {
  test.each([
    [
      'postgresql://u:p@postgres:5432/db?sslmode=disable',
      'postgresql://u:p@127.0.0.1:5434/db?sslmode=disable',
    ],
    ['postgresql://u:p@postgres/db', 'postgresql://u:p@127.0.0.1:5434/db'],
    [
      'postgresql://postgres:5432@postgres:5432/postgres',
      'postgresql://postgres:5432@127.0.0.1:5434/postgres',
    ],
    ['postgresql://postgres-replica:5432/db', 'postgresql://127.0.0.1:5435/db'],
    ['http://api', 'http://127.0.0.1:4000'],
    ['http://api:8080/v1', 'http://127.0.0.1:4001/v1'],
    ['http://api:8080,http://api/', 'http://127.0.0.1:4001,http://127.0.0.1:4000/'],
    ['postgres:5432', '127.0.0.1:5434'],
    ['postgres:5432,postgres-replica:5432', '127.0.0.1:5434,127.0.0.1:5435'],
  ])('%s', (given, expected) => {
    expect(seen({ VALUE: given })).toEqual({ values: { VALUE: expected }, unset: [] });
  });
});

describe('what only looks like a reference stays', () => {
  test.each([
    'postgres',
    'postgres:17',
    'postgres:17-alpine',
    'my-postgres:5432',
    'postgres.example.org:5432',
    'https://example.org/postgres:5432x',
    '/var/lib/postgres',
    'cache:7',
  ])('%s', (value) => {
    expect(seen({ VALUE: value }).values).toEqual({ VALUE: value });
  });
});

test('a host and a port in two variables are rewritten together', () => {
  expect(seen({ PGHOST: 'postgres', PGPORT: '5432', PGUSER: 'postgres' }).values).toEqual({
    PGHOST: '127.0.0.1',
    PGPORT: '5434',
    PGUSER: 'postgres',
  });
});

test('a variable that points at a service which does not run is left out and named', () => {
  expect(
    seen({ REDIS_URL: 'redis://cache:6379/0', CACHE_HOST: 'cache', CACHE_PORT: '6379', A: '1', B: null }),
  ).toEqual({
    values: { A: '1' },
    unset: [
      { name: 'REDIS_URL', service: 'cache' },
      { name: 'CACHE_HOST', service: 'cache' },
      { name: 'CACHE_PORT', service: 'cache' },
    ],
  });
});

test('of the shell, a process gets only what every process needs', () => {
  const shell = {
    PATH: '/bin',
    HOME: '/home/x',
    LC_ALL: 'C',
    DATABASE_URL: 'postgresql://elsewhere',
    AWS_SECRET: 'x',
  };
  expect(hostBasics(shell)).toEqual({ PATH: '/bin', HOME: '/home/x', LC_ALL: 'C' });
});
