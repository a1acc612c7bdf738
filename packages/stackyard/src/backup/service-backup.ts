import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Stack, StoredData } from '../driver.ts';
import { embeddedField } from '../drivers/embedded/fields.ts';
import { hostEnvironment } from '../host-environment.ts';
import type { LoadedStack } from '../load.ts';
import { hostAddresses } from '../plan.ts';
import type { Reporter } from '../reporter.ts';
import type { StackState } from '../state.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { canBeStarted, checkCopy } from './check-copy.ts';
import { ContainerTools } from './container-tools.ts';
import { asOf, onCopies, placeOfCopy, portable } from './copies.ts';
import { copyFolder, type FolderCopy, type FolderCopyOptions } from './folder-copy.ts';
import type { DirectoryRecord, FileRecord, Method, ServiceManifest } from './manifest.ts';
import { pauseContainer, pauseGroup } from './pause.ts';
import { realFolder } from './places.ts';
import { canDump, dumpPostgres } from './postgres-dump.ts';
import { copyPostgresOnline } from './postgres-online.ts';
import { countRows } from './row-counts.ts';
import { runsPostgres, ScratchContainer, variablesOf } from './scratch-container.ts';

/** What a service has stored, in folders of this machine. */
export interface Stored {
  readonly service: string;
  readonly data: readonly (StoredData & { readonly folder: string })[];
  readonly bytes: number;
}

export interface ServiceBackupOptions {
  readonly archive: ArchiveWriter;
  /** Of the service's files in the archive. */
  readonly prefix: string;
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

/** Adds what a service has stored to an archive, and proves it: a PostgreSQL in a container as dumps, others as files. */
export async function backupService(
  loaded: LoadedStack,
  stored: Stored,
  options: ServiceBackupOptions,
): Promise<ServiceManifest> {
  const { stack } = loaded;
  const { root, stateDirectory } = stack.variant;
  const { service, data } = stored;
  const { reporter, signal, archive, prefix } = options;
  await using releases = new AsyncDisposableStack();
  const copies = new Map<string, string>();
  if (canBeStarted(stack, service)) {
    for (const { folder } of data)
      copies.set(folder, await placeOfCopy(stack, service, folder, 'check', releases));
  }
  const running = options.state && (await runningAs(stack, service, options.state));
  const beside = copies.size > 0 ? await onCopies(stack, copies, releases) : undefined;
  const tools = beside && (await dumpTools(stack, stored, running, releases, signal));
  const dump = tools && (await canDump(tools, signal));
  const content = async (): Promise<Content> => {
    if (beside && tools && dump && 'major' in dump) {
      reporter.progress(service, 'dumping, and loading the dump');
      await using scratch = await ScratchContainer.start(beside, service, signal);
      const files = await dumpPostgres({ tools, major: dump.major }, scratch.tools, archive, prefix, signal);
      const rows = await countRows(scratch.url);
      return {
        method: 'dump',
        files,
        directories: [],
        major: String(dump.major),
        source: scratch.image,
        rows,
      };
    }
    const copied = await copyFiles(loaded, stored, running, copies, options);
    archive.flush(); // while the copy is checked
    const checked = beside && (await checkCopy(beside, service, reporter, signal));
    return { ...copied, ...checked, ...(dump && 'reason' in dump ? { note: dump.reason } : {}) };
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
  if (stack.driver !== 'docker' || others.length > 0) return undefined;
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

/** The files of a service: of a PostgreSQL that runs in its backup mode, of others that run while they are paused. */
async function copyFiles(
  loaded: LoadedStack,
  { service, data }: Stored,
  running: RunningService | undefined,
  copies: ReadonlyMap<string, string>,
  { archive, prefix, signal }: ServiceBackupOptions,
): Promise<Content> {
  const url = running && superuserUrl(loaded, service);
  const method: Method = url ? 'online' : running ? 'paused' : 'stopped';
  const directories: DirectoryRecord[] = [];
  const files: FileRecord[] = [];
  let major: string | undefined;
  using _pause = method === 'paused' ? running?.pause() : undefined;
  for (const [number, { folder }] of data.entries()) {
    const real = realFolder(folder);
    const copy: FolderCopyOptions = {
      archive,
      prefix: `${prefix}/${number}`,
      index: number,
      folder: real,
      copy: copies.get(folder),
      signal,
    };
    const version = await readFile(path.join(real, 'PG_VERSION'), 'utf8').catch(() => undefined);
    major ??= version?.trim();
    const copied: FolderCopy =
      url && version !== undefined ? await copyPostgresOnline(url, copy) : await copyFolder(copy);
    directories.push(...copied.directories);
    files.push(...copied.files);
  }
  return { method, directories, files, ...(major === undefined ? {} : { major }) };
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
