import { mkdirSync } from 'node:fs';
import { mkdir, readFile, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Stack, StoredData } from '../driver.ts';
import { embeddedField, engineDirectory } from '../drivers/embedded/fields.ts';
import { StackyardError } from '../errors.ts';
import { hostEnvironment } from '../host-environment.ts';
import type { LoadedStack } from '../load.ts';
import { hostAddresses } from '../plan.ts';
import { relocate } from '../relocate.ts';
import type { Reporter } from '../reporter.ts';
import { OwnedError, ownerLock } from '../start-stack.ts';
import { acquireLock, lockHolder, readLiveState, type StackState } from '../state.ts';
import { ArchiveWriter } from './archive-writer.ts';
import { runsPostgres } from './check-container.ts';
import { canBeStarted, checkCopy } from './check-copy.ts';
import { copyFolder, type FolderCopy, type FolderCopyOptions } from './folder-copy.ts';
import type { Manifest, Method, ServiceManifest } from './manifest.ts';
import { pauseContainer, pauseGroup } from './pause.ts';
import { besideFolder, realFolder, requireRoom } from './places.ts';
import { copyPostgresOnline } from './postgres-online.ts';

export interface BackupOptions {
  readonly file: string;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  /** The caller holds the lock of the stack, which therefore does not run. */
  readonly locked?: boolean;
}

export interface Backup {
  readonly file: string;
  readonly bytes: number;
  readonly manifest: Manifest;
}

/** What a service has stored, in the folders of this machine. */
interface Stored {
  readonly service: string;
  readonly data: readonly (StoredData & { readonly folder: string })[];
  readonly bytes: number;
}

/** Where backups of a variant go unless told otherwise. */
export function backupFile(stack: Stack, now: Date): string {
  const { root, name } = stack.variant;
  const time = now.toISOString().replaceAll(/[-:]/g, '').replace(/\.\d+/, '');
  return path.join(root, 'data', 'backups', `${name}-${time}.tar`);
}

/**
 * Copies what the services of a stack have stored into one file, and proves the copies by starting them. A stack that
 * runs goes on running.
 *
 * @throws StackyardError when there is nothing to copy, or no room for it
 */
export async function backupStack(loaded: LoadedStack, options: BackupOptions): Promise<Backup> {
  const { stack } = loaded;
  const { variant } = stack;
  const { file, signal } = options;
  const stored = storedServices(loaded);
  refuseVolumes(loaded);
  if (stored.length === 0) {
    throw new StackyardError('STACKYARD_BACKUP_EMPTY', `${variant.name} has stored nothing`, {
      hint: `start it first: stackyard up ${variant.name}`,
    });
  }
  using holding = new DisposableStack();
  const state = options.locked ? undefined : hold(stack, holding);
  const bytes = stored.reduce((sum, entry) => sum + entry.bytes, 0);
  await mkdir(path.dirname(file), { recursive: true });
  await requireRooms(file, stored, bytes);
  await using archive = await ArchiveWriter.create(file);
  const services: ServiceManifest[] = [];
  for (const entry of stored) {
    signal.throwIfAborted();
    options.reporter.progress(entry.service, 'copying');
    services.push(await backupService(loaded, entry, services.length, archive, state, options));
    options.reporter.done(entry.service);
  }
  const manifest: Manifest = {
    format: 1,
    variant: variant.name,
    driver: stack.driver,
    createdAt: new Date().toISOString(),
    platform: `${process.platform}-${process.arch}`,
    services,
  };
  signal.throwIfAborted();
  await archive.finish(manifest);
  return { file, bytes: archive.size, manifest };
}

/** The state of a stack that runs; one that does not is kept from being started meanwhile. */
function hold({ variant }: Stack, holding: DisposableStack): StackState | undefined {
  const state = readLiveState(variant.stateDirectory);
  const holder = lockHolder(ownerLock(variant.stateDirectory));
  if (holder) {
    if (state?.phase === 'ready') return state;
    throw new OwnedError(variant.name, holder);
  }
  mkdirSync(variant.stateDirectory, { recursive: true });
  const lock = acquireLock(ownerLock(variant.stateDirectory));
  if ('holder' in lock) throw new OwnedError(variant.name, lock.holder);
  holding.defer(() => lock.release());
  return undefined;
}

export function storedServices({ stack, driver }: LoadedStack): Stored[] {
  const services = new Map<string, Stored>();
  for (const data of driver.data(stack)) {
    const bytes = data.size();
    if (bytes === undefined || data.folder === undefined) continue;
    const known = services.get(data.service);
    services.set(data.service, {
      service: data.service,
      data: [...(known?.data ?? []), { ...data, folder: data.folder }],
      bytes: bytes + (known?.bytes ?? 0),
    });
  }
  return [...services.values()];
}

async function requireRooms(file: string, stored: readonly Stored[], bytes: number): Promise<void> {
  const folders = stored.flatMap(({ data }) => data.map(({ folder }) => path.dirname(realFolder(folder))));
  const disk = async (folder: string) =>
    JSON.stringify(await statfs(folder).then(({ type, blocks }) => [type, blocks]));
  const target = path.dirname(file);
  const disks = await Promise.all([target, ...folders].map(disk));
  // The archive, and for a while the copy that is started.
  await requireRoom(target, disks.slice(1).includes(disks[0] as string) ? 2 * bytes : bytes);
  for (const folder of folders) await requireRoom(folder, bytes);
}

async function backupService(
  loaded: LoadedStack,
  { service, data }: Stored,
  index: number,
  archive: ArchiveWriter,
  state: StackState | undefined,
  options: BackupOptions,
): Promise<ServiceManifest> {
  const { stack } = loaded;
  const { root, stateDirectory } = stack.variant;
  const { signal, reporter } = options;
  await using releases = new AsyncDisposableStack();
  const started = canBeStarted(stack, service);
  const copies = new Map<string, string>();
  if (started) {
    for (const { folder } of data)
      copies.set(folder, await placeOfCopy(stack, service, folder, 'check', releases));
  }
  const running = state && (await runningAs(stack, service, state));
  const url = running && online(loaded, service);
  const method: Method = url ? 'online' : running ? 'paused' : 'stopped';
  const directories: ServiceManifest['directories'][number][] = [];
  const files: ServiceManifest['files'][number][] = [];
  let major: string | undefined;
  {
    using _pause = method === 'paused' ? running?.pause() : undefined;
    for (const [number, { folder }] of data.entries()) {
      const real = realFolder(folder);
      const copy: FolderCopyOptions = {
        archive,
        prefix: `${index}-${service}/${number}`,
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
  }
  const checked = started
    ? await checkCopy(await onCopies(stack, copies, releases), service, reporter, signal)
    : undefined;
  return {
    service,
    as: asOf(loaded, service),
    ...(checked ?? {}),
    ...(major === undefined ? {} : { major }),
    method,
    folders: data.map(({ folder }) => portable(folder, root, stateDirectory)),
    directories,
    files,
  };
}

/** What runs a service, as the plan says it. */
export function asOf({ stack, driver }: LoadedStack, service: string): string {
  const placement = driver.place(service, stack.model.services[service]!);
  return placement.kind === 'run' ? placement.as : placement.kind;
}

/** A folder as the manifest names it: relative to the checkout. */
export function portable(folder: string, root: string, stateDirectory: string): string {
  const inside = path.relative(stateDirectory, folder);
  const name = inside.startsWith('..') ? path.relative(root, folder) : path.join('state', inside);
  return name.split(path.sep).join('/');
}

/** How to pause what runs a service; undefined when nothing does. */
async function runningAs(
  stack: Stack,
  service: string,
  state: StackState,
): Promise<{ pause(): Disposable } | undefined> {
  const { root, name } = stack.variant;
  if (stack.driver !== 'docker') {
    const leader = state.services[service]?.process;
    return leader && { pause: () => pauseGroup(leader) };
  }
  const { listContainers, projectName } = await import('../drivers/docker/project.ts');
  const id = (await listContainers(projectName(root, name), stack.environment)).get(service);
  return id === undefined ? undefined : { pause: () => pauseContainer(id, stack.environment) };
}

/** What is not in a folder of this machine cannot be read here. */
function refuseVolumes({ stack, driver }: LoadedStack): void {
  const volumes = driver
    .data(stack)
    .filter((data) => data.folder === undefined && data.size() !== undefined)
    .map(({ label, service }) => `${label} (${service})`);
  if (volumes.length === 0) return;
  throw new StackyardError(
    'STACKYARD_BACKUP_VOLUME',
    `${stack.variant.name} stores things in Docker volumes`,
    {
      details: volumes,
      hint: 'mount folders below data/ in their place, or save the volumes with Docker',
    },
  );
}

/** The superuser's URL of a running PostgreSQL; undefined for other engines. */
function online({ stack, driver }: LoadedStack, service: string): string | undefined {
  const isPostgres =
    stack.driver === 'docker'
      ? runsPostgres(stack, service)
      : embeddedField(stack.model.services[service]!)?.engine === 'postgres';
  if (!isPostgres) return undefined;
  const port = stack.ports[service]?.find(({ container }) => container === 5432)?.host;
  const { values } = hostEnvironment(stack.model, service, hostAddresses(stack, driver));
  const url = new URL(`postgresql://127.0.0.1:${port}/postgres`);
  url.username = encodeURIComponent(values.POSTGRES_USER || 'postgres');
  url.password = encodeURIComponent(values.POSTGRES_PASSWORD ?? '');
  return url.href;
}

/** Where a check of copies keeps its state. */
export const checkDirectory = (stateDirectory: string): string => path.join(stateDirectory, 'check');

/** Where the copy of a folder goes while it is checked: an engine's own files where that engine will look for them. */
export async function placeOfCopy(
  stack: Stack,
  service: string,
  folder: string,
  purpose: 'check' | 'restore',
  releases: AsyncDisposableStack,
): Promise<string> {
  const { stateDirectory } = stack.variant;
  if (folder !== engineDirectory(stateDirectory, service)) return besideFolder(folder, purpose, releases);
  const place = engineDirectory(checkDirectory(stateDirectory), service);
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { recursive: true, mode: 0o700 });
  return place;
}

/** The stack with a service on copies of its folders; the state of the check goes when `releases` are. */
export async function onCopies(
  stack: Stack,
  copies: ReadonlyMap<string, string>,
  releases: AsyncDisposableStack,
): Promise<Stack> {
  const stateDirectory = checkDirectory(stack.variant.stateDirectory);
  await mkdir(stateDirectory, { recursive: true });
  releases.defer(() => rm(stateDirectory, { recursive: true, force: true }));
  return relocate(stack, {
    stateDirectory,
    folder: (folder) => copies.get(folder) ?? folder,
    // Nobody waits for the disk: the copy is thrown away, or waited for as a whole.
    postgresSettings: throwaway, // containers are told so too
  });
}

const throwaway = { fsync: 'off', full_page_writes: 'off', autovacuum: 'off', archive_mode: 'off' };
