import { randomBytes } from 'node:crypto';
import { postgres as probe, waitUntil } from '@stackyard/healthchecks';
import type { Stack } from '../driver.ts';
import { refuseOtherCredentials } from '../drivers/docker/clients.ts';
import { type DockerEnvironment, docker, toolBasics } from '../drivers/docker/command.ts';
import { repository } from '../drivers/docker/images.ts';
import { folderLabel, projectLabel } from '../drivers/docker/project.ts';
import { ContainerWatchdog } from '../drivers/docker/watchdog.ts';
import { StackyardError } from '../errors.ts';
import { ContainerTools } from './container-tools.ts';

/** Longest wait for a server: it may have a write-ahead log to read. */
const readyMs = 120_000;

/** Where the container sees the folder that it is given to read. */
export const inputFolder = '/stackyard-input';

/** Nobody waits for the disk, nor sends a log elsewhere that is no real one. */
const throwaway: readonly string[] = [
  ...['fsync=off', 'full_page_writes=off', 'synchronous_commit=off'],
  ...['autovacuum=off', 'archive_mode=off', 'maintenance_work_mem=256MB'],
];

/** Names of images that hold a PostgreSQL. */
const images = [
  'postgres',
  'pgvector', // only: pgvector
];

/** Whether a service's image is one of PostgreSQL's. */
export function runsPostgres(stack: Stack, service: string): boolean {
  return images.includes(repository(stack.model.services[service]?.image ?? '').replace(/^.*\//, ''));
}

/** Where a PostgreSQL service keeps its data. */
export function dataMount(stack: Stack, service: string) {
  const { volumes = [] } = stack.model.services[service] ?? {};
  return volumes.find(({ target }) => target.startsWith('/var/lib/postgresql'));
}

/** For a server that is filled: what is written to new tables needs no log. */
export const loading: readonly string[] = [
  ...throwaway,
  ...['wal_level=minimal', 'max_wal_senders=0', 'max_wal_size=4GB', 'checkpoint_timeout=1d'],
];

/** What a service gives its container as environment. */
export function variablesOf(stack: Stack, service: string): Record<string, string> {
  const given = Object.entries(stack.model.services[service]?.environment ?? {});
  return Object.fromEntries(given.map(([name, value]) => [name, String(value ?? '')]));
}

/**
 * A container of a PostgreSQL service's image, beside the stack: on a copy of its data, which may be those of a running
 * server, as the write-ahead log makes them consistent; or on an empty folder.
 */
export class ScratchContainer implements AsyncDisposable {
  readonly image: string;
  readonly tools: ContainerTools;
  /** The superuser's. */
  readonly url: string;
  readonly #releases: AsyncDisposableStack;

  private constructor(image: string, tools: ContainerTools, url: string, releases: AsyncDisposableStack) {
    this.image = image;
    this.tools = tools;
    this.url = url;
    this.#releases = releases;
  }

  /**
   * @param stack on the folders to use: see `relocate`
   * @param options.settings of the server; those of a copy do not wait for the disk
   * @param options.input a folder for it to read
   * @param options.keep whether the data outlive the container: it is shut down in order, else just removed
   * @throws StackyardError when the server does not start on them
   */
  static async start(
    stack: Stack,
    service: string,
    signal: AbortSignal,
    {
      settings = throwaway,
      input,
      keep = false,
    }: { settings?: readonly string[]; input?: string; keep?: boolean } = {},
  ): Promise<ScratchContainer> {
    const { image = '', user } = stack.model.services[service]!;
    const data = dataMount(stack, service);
    const given = variablesOf(stack, service);
    // Whoever keeps the data waits for the disk in the end.
    const initdb = [given.POSTGRES_INITDB_ARGS, '--no-sync'].filter(Boolean).join(' ');
    const variables: Record<string, string> = { ...given, POSTGRES_INITDB_ARGS: initdb };
    const environment: DockerEnvironment = { ...toolBasics(stack.environment), ...variables };
    const name = `stackyard-check-${randomBytes(4).toString('hex')}`;
    await using releases = new AsyncDisposableStack();
    releases.use(new ContainerWatchdog(name, stack.variant.stateDirectory, environment));
    releases.defer(async () => void (await docker(['rm', '--force', '--volumes', name], environment)));
    const run = [
      ...['run', '--detach', '--pull', 'never', '--name', name],
      ...['--label', `${projectLabel}=${name}`, '--label', `${folderLabel}=${stack.variant.root}`],
      ...(user === undefined ? [] : ['--user', String(user)]),
      ...Object.keys(variables).flatMap((variable) => ['--env', variable]), // the values are in the environment
      ...(input === undefined ? [] : ['--volume', `${input}:${inputFolder}:ro`]),
      ...['--volume', `${data?.source}:${data?.target}`, '--publish', '127.0.0.1::5432', image],
      ...['postgres', ...settings.flatMap((setting) => ['-c', setting])],
    ];
    const started = await docker(run, environment, { signal });
    if (started.code !== 0) throw failed(image, started.stderr);
    const published = await docker(['port', name, '5432/tcp'], environment, { signal });
    const url = new URL(`postgresql://${published.stdout.trim().split('\n')[0]}/postgres`);
    url.username = encodeURIComponent(variables.POSTGRES_USER || 'postgres');
    url.password = encodeURIComponent(variables.POSTGRES_PASSWORD ?? '');
    await ready(stack, service, { name, url, environment, signal });
    if (keep) releases.defer(async () => void (await docker(['stop', '--time', '60', name], environment)));
    const tools = new ContainerTools(name, variables, environment, '0'); // may read what it is given
    return new ScratchContainer(image, tools, url.href, releases.move());
  }

  /** Shuts the server down where its data is kept, and removes the container. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#releases.disposeAsync();
  }
}

/** Waits until the server answers; fails at once when it ends, or refuses the credentials. */
async function ready(
  stack: Stack,
  service: string,
  container: { name: string; url: URL; environment: DockerEnvironment; signal: AbortSignal },
): Promise<void> {
  const { name, url, environment, signal } = container;
  const image = stack.model.services[service]?.image ?? '';
  const { default: pg } = await import('pg');
  using waiting = new DisposableStack();
  const stop = new AbortController();
  waiting.defer(() => stop.abort());
  const ended = docker(['wait', name], environment, { signal: stop.signal, timeoutMs: 2 * readyMs });
  const refused = Promise.withResolvers<void>();
  try {
    await waitUntil(probe(url, pg), {
      timeoutMs: readyMs,
      what: `the copy in ${image}`,
      signal,
      died: Promise.race([refused.promise, ended.then(({ stdout }) => `exit code ${stdout.trim()}`)]),
      onAnswer: (answer) => {
        const { code = '' } = (answer as { cause?: { code?: string } }).cause ?? {};
        if (code.startsWith('28')) refused.resolve(); // invalid authorization
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    await refuseOtherCredentials(stack, service, url.href);
    const log = await docker(['logs', '--tail', '12', name], environment);
    throw failed(image, `${(error as Error).message}\n${log.stderr}`);
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
