import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Stack, StoredData } from '../driver.ts';
import { embeddedField } from '../drivers/embedded/fields.ts';
import { hostEnvironment } from '../host-environment.ts';
import type { LoadedStack } from '../load.ts';
import { hostAddresses } from '../plan.ts';
import type { Reporter } from '../reporter.ts';
import type { StackState } from '../state.ts';
import { describeFolder } from './backup-folder.ts';
import { type CheckedCopy, canBeStarted, checkCopy } from './check-copy.ts';
import { ContainerTools } from './container-tools.ts';
import { asOf, onCopies, placeOfCopy, portable } from './copies.ts';
import { copyFolder, type FolderCopy } from './folder-copy.ts';
import type { HashThread } from './hash-thread.ts';
import type { DirectoryRecord, FileRecord, Method, ServiceManifest } from './manifest.ts';
import { pauseContainer, pauseGroup } from './pause.ts';
import { moveFolder, realFolder, syncFolders } from './places.ts';
import { canDump, dumpPostgres } from './postgres-dump.ts';
import { copyPostgresOnline } from './postgres-online.ts';
import { runsPostgres, ScratchContainer, variablesOf } from './scratch-container.ts';

/** What a service has stored, in folders of this machine. */
export interface Stored {
  readonly service: string;
  readonly data: readonly (StoredData & { readonly folder: string })[];
  readonly bytes: number;
}

export interface ServiceBackupOptions {
  /** Where the service's files go, in a folder for each of its own. */
  readonly target: string;
  readonly hashing: HashThread;
  /** Of the stack, where it runs. */
  readonly state: StackState | undefined;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/** What the manifest says of a service, beside how it is. */
type Content = Pick<
  ServiceManifest,
  'method' | 'files' | 'directories' | 'major' | 'source' | 'rows' | 'note'
>;

/** Copies what a service has stored, and proves it: a PostgreSQL in a container as dumps, others as files. */
export async function backupService(
  loaded: LoadedStack,
  stored: Stored,
  options: ServiceBackupOptions,
): Promise<ServiceManifest> {
  const { stack } = loaded;
  const { root, stateDirectory } = stack.variant;
  const { service, data } = stored;
  const { reporter, signal, target } = options;
  await using releases = new AsyncDisposableStack();
  const running = options.state && (await runningAs(stack, service, options.state));
  const tools = await dumpTools(stack, stored, running, releases, signal);
  const dump = tools && (await canDump(tools, signal));
  const content = async (): Promise<Content> => {
    if (tools && dump && 'major' in dump) {
      reporter.progress(service, 'dumping, and reading the dump back');
      const folder = path.join(target, '0');
      await mkdir(folder, { mode: 0o700 });
      const dumped = await dumpPostgres(tools, dump.major, folder, signal);
      return {
        ...dumped,
        method: 'dump',
        directories: [],
        major: String(dump.major),
        source: stack.model.services[service]?.image ?? '',
      };
    }
    const copied = await copyFiles(loaded, stored, running, options, releases);
    return { ...copied, ...(dump && 'reason' in dump ? { note: dump.reason } : {}) };
  };
  return {
    service,
    as: asOf(loaded, service),
    folders: data.map(({ folder }) => portable(folder, root, stateDirectory)),
    ...(await content()),
  };
}

/** The tools that dump a PostgreSQL: in its container, or in one for a while, where the files are only a container's. */
async function dumpTools(
  stack: Stack,
  { service, data }: Stored,
  running: RunningService | undefined,
  releases: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<ContainerTools | undefined> {
  const [{ folder }, ...others] = data as [Stored['data'][0], ...Stored['data']];
  if (stack.driver !== 'docker' || others.length > 0 || !canBeStarted(stack, service)) return undefined;
  if (running?.container)
    return new ContainerTools(running.container, variablesOf(stack, service), stack.environment);
  if (running || (await isReadable(realFolder(folder)))) return undefined;
  return releases.use(await ScratchContainer.start(stack, service, signal, { settings: [], keep: true }))
    .tools;
}

const isReadable = (folder: string): Promise<boolean> =>
  readdir(folder).then(
    () => true,
    () => false,
  );

/**
 * The files of a service: of a PostgreSQL that runs in its backup mode, of others that run while they are paused. What
 * can be started is, on these very files; they are what it leaves behind when it has been stopped.
 */
async function copyFiles(
  loaded: LoadedStack,
  { service, data }: Stored,
  running: RunningService | undefined,
  { target, hashing, reporter, signal }: ServiceBackupOptions,
  releases: AsyncDisposableStack,
): Promise<Content> {
  const { stack } = loaded;
  const places = new Map<string, string>();
  for (const [number, { folder }] of data.entries()) {
    const place = canBeStarted(stack, service)
      ? await placeOfCopy(stack, service, folder, 'check', releases)
      : path.join(target, String(number));
    places.set(folder, place);
  }
  const url = running && superuserUrl(loaded, service);
  const method: Method = url ? 'online' : running ? 'paused' : 'stopped';
  let major: string | undefined;
  const copies: FolderCopy[] = [];
  {
    using _pause = method === 'paused' ? running?.pause() : undefined;
    for (const [folder, to] of places) {
      const from = realFolder(folder);
      const cluster = await clusterIn(from);
      major ??= cluster?.major;
      const inside = (url && cluster?.name) ?? '';
      const copy = {
        ...{ from: path.join(from, inside), to: path.join(realFolder(to), inside) },
        ...{ hashing, signal },
      };
      copies.push(await (url && cluster ? copyPostgresOnline(url, copy) : copyFolder(copy)));
    }
  }
  const until = Date.now();
  let checked: CheckedCopy | undefined;
  if (canBeStarted(stack, service)) {
    const synced = syncFolders(places.values()); // most of it, while the copy is checked
    const beside = await onCopies(stack, places, 'check', releases);
    checked = await checkCopy(beside, service, reporter, signal).finally(() => synced);
  }
  const directories: DirectoryRecord[] = [];
  const files: FileRecord[] = [];
  for (const [number, place] of [...places.values()].entries()) {
    const folder = path.join(target, String(number));
    if (place !== folder) await moveFolder(place, folder);
    const hashes = await copies[number]!.hashes;
    const described = await describeFolder(folder, number, { hashes, until }, hashing);
    directories.push(...described.directories);
    files.push(...described.files);
  }
  return { method, directories, files, ...(major === undefined ? {} : { major }), ...checked };
}

/** The data directory of a PostgreSQL: a folder, or in the engine's own folder, `data`. */
async function clusterIn(
  folder: string,
): Promise<{ readonly name: string; readonly major: string } | undefined> {
  for (const name of ['', 'data']) {
    const version = await readFile(path.join(folder, name, 'PG_VERSION'), 'utf8').catch(() => undefined);
    if (version !== undefined) return { name, major: version.trim() };
  }
  return undefined;
}

interface RunningService {
  /** Its id, where it is one. */
  readonly container?: string;
  pause(): Disposable;
}

/** What runs a service; undefined when nothing does. */
async function runningAs(
  stack: Stack,
  service: string,
  state: StackState,
): Promise<RunningService | undefined> {
  const { root, name } = stack.variant;
  if (stack.driver !== 'docker') {
    const leader = state.services[service]?.process;
    return leader && { pause: () => pauseGroup(leader) };
  }
  const { listContainers, projectName } = await import('../drivers/docker/project.ts');
  const id = (await listContainers(projectName(root, name), stack.environment)).get(service);
  return id === undefined ? undefined : { container: id, pause: () => pauseContainer(id, stack.environment) };
}

/** The superuser's URL of a running PostgreSQL; undefined for other engines. */
function superuserUrl({ stack, driver }: LoadedStack, service: string): string | undefined {
  const isPostgres =
    stack.driver === 'docker'
      ? runsPostgres(stack, service)
      : embeddedField(stack.model.services[service]!)?.engine === 'postgres';
  if (!isPostgres) return undefined;
  const port = stack.ports[service]?.find(({ container }) => container === 5432)?.host;
  if (port === undefined) return undefined;
  const { values } = hostEnvironment(stack.model, service, hostAddresses(stack, driver));
  const url = new URL(`postgresql://127.0.0.1:${port}/postgres`);
  url.username = encodeURIComponent(values.POSTGRES_USER || 'postgres');
  url.password = encodeURIComponent(values.POSTGRES_PASSWORD ?? '');
  return url.href;
}
