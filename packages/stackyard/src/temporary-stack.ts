import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Driver } from './driver.ts';
import { toolBasics } from './drivers/docker/command.ts';
import { hostBasics } from './host-environment.ts';
import { portVariables } from './isolated-ports.ts';
import { type LoadedStack, load } from './load.ts';
import { hostAddresses, planStack } from './plan.ts';
import { choosePort } from './ports.ts';
import { processVariables } from './process-environment.ts';
import { relocate } from './relocate.ts';
import { removeFolder } from './remove-folder.ts';
import type { Reporter } from './reporter.ts';
import { scriptEnvironment } from './scripts.ts';
import { startStack } from './start-stack.ts';
import { describeVariant, type Variant } from './workspace.ts';

export interface TemporaryStackOptions {
  /** The checkout. */
  readonly root: string;
  readonly variant: string;
  /** `embedded` (the default) or `docker`. */
  readonly driver?: string;
  readonly profiles?: readonly string[];
  /** Variables of the Compose files, on top of their defaults; `.env` files are not read. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/**
 * A stack of which nothing stays: data (of containers: in memory), state and secrets are in a temporary folder, on ports
 * of its own.
 */
export interface TemporaryStack extends AsyncDisposable {
  /** Where clients of this machine connect, by service, credentials included. */
  readonly urls: Readonly<Record<string, string>>;
  /** What the Compose files give a process, as this machine reaches it: `setup`, a `dev:` script's name, a service. */
  environment(process?: string): Readonly<Record<string, string>>;
  /** Output of the `setup` script. */
  readonly output: readonly string[];
}

/**
 * Starts the services of a variant and runs its script `setup`, beside whatever else runs.
 * It ends with this process, however that ends.
 *
 * @throws StackyardError as `stackyard up` does
 */
export async function startTemporaryStack(options: TemporaryStackOptions): Promise<TemporaryStack> {
  await using cleanup = new AsyncDisposableStack();
  const home = await mkdtemp(path.join(tmpdir(), 'stackyard-stack-'));
  cleanup.defer(() => rm(home, { recursive: true, force: true }));
  await chmod(home, 0o711); // engines may run as another user, who has to pass
  const described = describeVariant(options.root, options.variant);
  const variant: Variant = { ...described, envFiles: [], stateDirectory: path.join(home, 'state') };
  const ports = await freePorts(portVariables(variant));
  const processEnvironment = {
    ...hostBasics(process.env),
    ...toolBasics(process.env),
    ...ports,
    ...options.environment,
  };
  const { profiles = [], driver: name = 'embedded' } = options;
  const loading = { processEnvironment, profiles, driver: name, home };
  let loaded = await load(variant, loading);
  if (name === 'docker') loaded = await load(await inMemory(loaded, home), loading);
  const data = path.join(options.root, 'data');
  const stack =
    name === 'docker'
      ? loaded.stack
      : await relocate(loaded.stack, {
          stateDirectory: variant.stateDirectory,
          folder: (folder) =>
            isBelow(data, folder) ? path.join(home, 'data', path.relative(data, folder)) : folder,
          keepPorts: new Set(Object.values(ports).map(Number)),
        });
  // An engine may have put data elsewhere, with a link in their place.
  for (const { folder } of name === 'docker' ? [] : loaded.driver.data(stack)) {
    if (folder) cleanup.defer(() => removeFolder(folder));
  }
  const urls: Record<string, string> = {};
  const driver = listening(loaded.driver, urls);
  const output: string[] = [];
  const reporter: Reporter = { progress: () => {}, done: () => {}, output: (_, line) => output.push(line) };
  const running = await startStack({
    stack,
    driver,
    plan: planStack(stack, driver),
    mode: 'dev',
    reporter,
    processEnvironment,
    signal: options.signal ?? new AbortController().signal,
    hurry: new AbortController().signal,
  });
  cleanup.defer(() => running.stop());
  const owned = cleanup.move();
  return {
    urls,
    output,
    environment(name) {
      const { services } = processVariables({ ...loaded, stack }, name);
      return scriptEnvironment(stack, services, hostAddresses(stack, driver), processEnvironment);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The same variant under a project name of its own, its containers' data in memory. */
async function inMemory({ stack }: LoadedStack, home: string): Promise<Variant> {
  const { variant, model } = stack;
  const data = path.join(variant.root, 'data');
  const services = Object.entries(model.services).flatMap(([name, service]) => {
    const stored = (service.volumes ?? []).filter(
      ({ type, source, read_only: readOnly }) =>
        !readOnly && (type === 'volume' || (type === 'bind' && isBelow(data, source ?? ''))),
    );
    const volumes = stored.map(({ target }) => ({ type: 'tmpfs', target }));
    return volumes.length > 0 ? [[name, { volumes }] as const] : [];
  });
  if (services.length === 0) return { ...variant, name: path.basename(home).toLowerCase() };
  const override = path.join(home, 'compose.json');
  await writeFile(override, JSON.stringify({ services: Object.fromEntries(services) })); // JSON is YAML
  return { ...variant, name: path.basename(home).toLowerCase(), files: [...variant.files, override] };
}

async function freePorts(names: readonly string[]): Promise<Record<string, string>> {
  const ports: Record<string, string> = {};
  for (const name of names) {
    let port = await choosePort();
    while (Object.values(ports).includes(String(port))) port = await choosePort();
    ports[name] = String(port);
  }
  return ports;
}

/** The same driver; it tells where each service is that it starts. */
function listening(driver: Driver, urls: Record<string, string>): Driver {
  return {
    ...driver,
    async open(context) {
      const session = await driver.open(context);
      return {
        async start(name) {
          const running = await session.start(name);
          const port = running.ports[0]?.host;
          const url = running.url ?? (port === undefined ? undefined : `http://127.0.0.1:${port}`);
          if (url !== undefined) urls[name] = url;
          return running;
        },
        [Symbol.asyncDispose]: async () => session[Symbol.asyncDispose](),
      };
    },
  };
}

function isBelow(folder: string, inner: string): boolean {
  return inner.startsWith(folder + path.sep);
}
