import { randomBytes } from 'node:crypto';
import { postgres as probe, waitUntil } from '@stackyard/healthchecks';
import type { Stack } from '../driver.ts';
import { type DockerEnvironment, docker, toolBasics } from '../drivers/docker/command.ts';
import { projectLabel } from '../drivers/docker/project.ts';
import { ContainerWatchdog } from '../drivers/docker/watchdog.ts';
import { StackyardError } from '../errors.ts';
import type { CheckedCopy } from './check-copy.ts';
import { countRows } from './row-counts.ts';

/** Whether a service's image is one of PostgreSQL's. */
export function runsPostgres(stack: Stack, service: string): boolean {
  return /(^|\/)(postgres|pgvector)(:|@|$)/.test(stack.model.services[service]?.image ?? '');
}

/**
 * Starts a container of a service's image on a copy of its data, counts the rows, and removes it. Its data may be
 * those of a running server: the write-ahead log makes them consistent.
 */
export async function checkContainer(
  stack: Stack,
  service: string,
  folder: string,
  signal: AbortSignal,
): Promise<CheckedCopy> {
  const { image, environment: given = {} } = stack.model.services[service]!;
  const variables = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, String(value ?? '')]),
  );
  const environment: DockerEnvironment = { ...toolBasics(stack.environment), ...variables };
  const project = `stackyard-check-${randomBytes(4).toString('hex')}`;
  using watchdog = new ContainerWatchdog(project, stack.variant.stateDirectory, environment);
  void watchdog;
  const run = [
    ...['run', '--detach', '--pull', 'never', '--label', `${projectLabel}=${project}`],
    ...Object.keys(variables).flatMap((name) => ['--env', name]), // the values are in the environment
    ...['--volume', `${folder}:/var/lib/postgresql/data`, '--publish', '127.0.0.1::5432', image!],
    ...['postgres', '-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'autovacuum=off'],
  ];
  const started = await docker(run, environment, { signal });
  if (started.code !== 0) throw failed(image!, started.stderr);
  const id = started.stdout.trim();
  try {
    const published = await docker(['port', id, '5432/tcp'], environment, { signal });
    const url = new URL(`postgresql://${published.stdout.trim().split('\n')[0]}/postgres`);
    url.username = encodeURIComponent(variables.POSTGRES_USER || 'postgres');
    url.password = encodeURIComponent(variables.POSTGRES_PASSWORD ?? '');
    const { default: pg } = await import('pg');
    await waitUntil(probe(url, pg), { timeoutMs: 120_000, what: `the copy in ${image}`, signal }).catch(
      async (error: Error) => {
        signal.throwIfAborted();
        throw failed(
          image!,
          `${error.message}\n${(await docker(['logs', '--tail', '12', id], environment)).stderr}`,
        );
      },
    );
    const rows = await countRows(url.href);
    await docker(['stop', '--time', '60', id], environment, { signal });
    return { source: `${image}`, rows };
  } finally {
    await docker(['rm', '--force', '--volumes', id], environment);
  }
}

function failed(image: string, output: string): StackyardError {
  return new StackyardError('STACKYARD_BACKUP_CHECK', `the copy does not start in a container of ${image}`, {
    details: output
      .trim()
      .split('\n')
      .slice(-14)
      .map((line) => `| ${line}`),
    hint: 'see what it says; the data of the stack are as they were',
  });
}
