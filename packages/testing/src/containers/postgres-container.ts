import { randomBytes } from 'node:crypto';
import { postgres as probe, waitUntil } from '@stackyard/healthchecks';
import pg from 'pg';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import type { TestServer } from '../backends.ts';
import { composeModels, imageOf } from './compose-images.ts';
import { ContainerError, containerEngine } from './container-engine.ts';
import { removeStaleRuns, startReaper } from './reaper.ts';

const port = 5432;
const dataDirectory = '/var/lib/postgresql/data';

/** Nothing waits for the disk: the data are in memory and go with the container. */
const settings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  checkpoint_timeout: '1d',
  max_wal_size: '1GB',
  autovacuum: 'off',
  max_connections: '300',
};

/**
 * A PostgreSQL for one run, in a container of the image that the Compose files name. Nothing is left of it when this
 * process ends, not even after a SIGKILL.
 */
export async function startPostgresContainer(root: string): Promise<TestServer> {
  const engine = await containerEngine();
  const image = imageOf('postgres', composeModels(root));
  await removeStaleRuns(engine);
  await using cleanup = new AsyncDisposableStack();
  const reaper = cleanup.use(startReaper());
  const password = randomBytes(18).toString('base64url');
  const local = ['localhost', '127.0.0.1'].includes(engine.info.containerRuntime.host);
  const container = await start(
    new LoopbackContainer(image, local)
      .withAutoCleanup(false) // by the reaper here
      .withLabels(reaper.labels)
      .withEnvironment({
        POSTGRES_PASSWORD: password,
        PGDATA: dataDirectory,
        // Many rounds of hashing protect a weak password; a random one needs them not, and connects faster.
        POSTGRES_INITDB_ARGS: '--set scram_iterations=1 --no-sync',
      })
      .withTmpFs({ [dataDirectory]: 'rw' })
      .withSharedMemorySize(256 * 1024 ** 2)
      .withCommand([
        'postgres',
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ])
      .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/))
      .withStartupTimeout(60_000),
    image,
  );
  cleanup.defer(() =>
    container.stop({ timeout: 0, remove: true, removeVolumes: true }).then(() => undefined),
  );
  const host = local ? '127.0.0.1' : container.getHost();
  const url = `postgresql://postgres:${password}@${host}:${container.getMappedPort(port)}/postgres`;
  // The log line may be that of the image's first, private start.
  await waitUntil(probe(url, pg), { timeoutMs: 60_000, what: `PostgreSQL of ${image}` });
  const owned = cleanup.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Publishes its port on this machine's loopback alone, where the engine is this machine's. */
class LoopbackContainer extends GenericContainer {
  readonly #local: boolean;

  constructor(image: string, local: boolean) {
    super(image);
    this.#local = local;
    this.withExposedPorts(port);
  }

  protected override async beforeContainerCreated(): Promise<void> {
    if (this.#local)
      this.hostConfig.PortBindings = { [`${port}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: '0' }] };
  }
}

async function start(container: GenericContainer, image: string): Promise<StartedTestContainer> {
  try {
    return await container.start();
  } catch (cause) {
    const { message } = cause as Error;
    if (!/pull|not found|no such image|registry|manifest/i.test(message)) throw cause;
    throw new ContainerError(
      'TESTING_IMAGE_MISSING',
      `The image ${image} is not here and cannot be pulled (${message.trim()})`,
      'build a stand-in with ./pnpmw images',
      { cause },
    );
  }
}
