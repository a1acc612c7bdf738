import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Stack } from '../driver.ts';
import { StackyardError, UsageError } from '../errors.ts';
import type { LoadedStack } from '../load.ts';
import type { Reporter } from '../reporter.ts';
import { OwnedError, recoverStack } from '../start-stack.ts';
import { acquireLock, lockHolder, ownerLock, readLiveState, type StackState } from '../state.ts';
import { BackupFolder } from './backup-folder.ts';
import { removal } from './copies.ts';
import { HashThread } from './hash-thread.ts';
import { type Manifest, type ServiceManifest, sizeOf } from './manifest.ts';
import { isInside, realFolder, requireRoom } from './places.ts';
import { removeAbandoned } from './private-folder.ts';
import { backupService, type Stored } from './service-backup.ts';

export interface BackupOptions {
  /** What it is going to be called; the next free name counts where that is taken. */
  readonly folder: string;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  /** The caller holds the lock of the stack, which therefore does not run. */
  readonly locked?: boolean;
}

export interface Backup {
  readonly folder: string;
  readonly bytes: number;
  readonly manifest: Manifest;
}

/** Where backups of a variant go unless told otherwise. */
export function backupName(stack: Stack, now: Date): string {
  const { root, name } = stack.variant;
  const time = now.toISOString().replaceAll(/[-:]/g, '').replace(/\.\d+/, '');
  return path.join(root, 'data', 'backups', `${name}-${time}`);
}

/**
 * Copies what the services of a stack have stored into a folder, and proves it: copies by starting them, dumps by
 * reading them back. A stack that runs goes on running.
 *
 * @throws StackyardError when there is nothing to copy, or no room for it
 */
export async function backupStack(loaded: LoadedStack, options: BackupOptions): Promise<Backup> {
  const { stack } = loaded;
  const { variant } = stack;
  const { folder, signal } = options;
  const stored = storedServices(loaded);
  refuseVolumes(loaded);
  refuseAmongData(loaded, folder);
  if (stored.length === 0) {
    throw new StackyardError('STACKYARD_BACKUP_EMPTY', `${variant.name} has stored nothing`, {
      hint: `start it first: stackyard up ${variant.name}`,
    });
  }
  using holding = new DisposableStack();
  const state = options.locked ? undefined : await hold(stack, holding);
  const bytes = stored.reduce((sum, entry) => sum + entry.bytes, 0);
  await mkdir(path.dirname(folder), { recursive: true });
  await using backup = await BackupFolder.create(folder);
  await requireRooms(path.dirname(folder), stored, bytes);
  await using hashing = new HashThread(signal);
  const services: ServiceManifest[] = [];
  for (const entry of stored) {
    signal.throwIfAborted();
    options.reporter.progress(entry.service, 'copying');
    const target = await backup.service(services.length, entry.service);
    services.push(await backupService(loaded, entry, { ...options, target, hashing, state }));
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
  const name = await backup.finish(folder, manifest);
  return { folder: name, bytes: services.reduce((sum, entry) => sum + sizeOf(entry), 0), manifest };
}

/** The state of a stack that runs; one that does not is kept from being started meanwhile. */
async function hold(stack: Stack, holding: DisposableStack): Promise<StackState | undefined> {
  const { variant } = stack;
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
  await settle(stack);
  return undefined;
}

/** For whoever holds the lock of a stack that is down: from here on nobody works with its data. */
export async function settle(stack: Stack): Promise<void> {
  await recoverStack(stack);
  if (stack.driver === 'docker')
    await (await import('../drivers/docker/data-in-use.ts')).refuseDataInUse(stack);
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

/** Removes what backups and restores that were killed have left of a stack. */
export async function removeLeft({ stack, driver }: LoadedStack): Promise<void> {
  await removeAbandoned(path.dirname(backupName(stack, new Date())), ['backup']);
  for (const { service, folder } of driver.data(stack)) {
    if (folder === undefined) continue;
    const real = realFolder(folder);
    const options = { of: path.basename(real), remove: removal(stack, service) };
    await removeAbandoned(path.dirname(real), ['check', 'restore', 'replaced'], options);
  }
}

/** The copies are made beside the data, and then moved. */
async function requireRooms(target: string, stored: readonly Stored[], bytes: number): Promise<void> {
  await requireRoom(target, bytes);
  for (const { data } of stored) {
    for (const { folder } of data) await requireRoom(path.dirname(realFolder(folder)), bytes);
  }
}

/** A reset, or a restore, would delete a backup together with the data that it lies in. */
export function refuseAmongData({ stack, driver }: LoadedStack, backup: string): void {
  const data = driver.data(stack).find(({ folder }) => folder !== undefined && isInside(backup, folder));
  if (!data) return;
  throw new UsageError(`${backup} is in ${data.label}, and would go with these data`, {
    hint: `keep backups elsewhere than in what ${data.service} stores; nothing was changed`,
  });
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
