import { mkdirSync } from 'node:fs';
import { chmod, constants, copyFile, lstat, mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Stack } from '../driver.ts';
import { StackyardError } from '../errors.ts';
import type { LoadedStack } from '../load.ts';
import type { Reporter } from '../reporter.ts';
import { OwnedError } from '../start-stack.ts';
import { acquireLock, lockHolder, ownerLock } from '../state.ts';
import { type Backup, backupName, backupStack, refuseAmongData, settle, storedServices } from './backup.ts';
import { canBeStarted, checkCopy } from './check-copy.ts';
import { asOf, onCopies, placeOfCopy, portable, removal } from './copies.ts';
import { eachOf } from './each-of.ts';
import { HashThread } from './hash-thread.ts';
import { type Manifest, type ServiceManifest, sizeOf } from './manifest.ts';
import { fileOf, folderOf, type OpenBackup, verifyContent } from './open-backup.ts';
import { isMountPoint, realFolder, requireRoom, syncFolder, syncFolders } from './places.ts';
import { loadDumps } from './postgres-dump.ts';
import { privateName, type Remove } from './private-folder.ts';
import { countRows, differences } from './row-counts.ts';
import { loading, ScratchContainer } from './scratch-container.ts';

export interface RestoreOptions {
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

export interface Restored {
  readonly services: readonly string[];
  /** Rows that were counted and are as they were. */
  readonly rows: number;
  /** What was there before, where there was something. */
  readonly replaced?: Backup;
}

/**
 * Puts back what a backup holds: copies it beside the data, starts the copies and compares their rows, takes a backup
 * of what is there, and only then changes places. Meanwhile everything in the backup is compared with its checksums.
 *
 * @throws StackyardError before anything is changed, when the backup does not fit or is damaged
 */
export async function restoreStack(
  loaded: LoadedStack,
  backup: OpenBackup,
  options: RestoreOptions,
): Promise<Restored> {
  const { stack } = loaded;
  const { variant } = stack;
  const { manifest } = backup;
  const { signal } = options;
  await using releases = new AsyncDisposableStack();
  const hashing = releases.use(new HashThread(signal)); // it starts meanwhile
  refuseAmongData(loaded, backup.folder);
  const targets = await fit(loaded, manifest);
  mkdirSync(variant.stateDirectory, { recursive: true });
  const holder = lockHolder(ownerLock(variant.stateDirectory));
  const lock = holder ? { holder } : acquireLock(ownerLock(variant.stateDirectory));
  if ('holder' in lock) throw mustBeDown(variant.name, new OwnedError(variant.name, lock.holder));
  releases.defer(() => lock.release());
  await settle(stack);
  for (const folder of [...targets.values()].flat()) {
    if (await isMountPoint(realFolder(folder))) throw mounted(folder);
  }
  for (const [service, folders] of targets) {
    for (const folder of folders.slice(0, 1))
      await requireRoom(await existingParent(folder), sizeOf(service));
  }
  const sound = verifyContent(backup, hashing);
  const damage = new AbortController();
  sound.catch(() => damage.abort()); // awaited below
  const untilDamage = { ...options, signal: AbortSignal.any([signal, damage.signal]) };
  const moves: Move[] = [];
  let rows = 0;
  try {
    for (const [service, folders] of targets) {
      const copied = await copyService(loaded, backup, service, folders, untilDamage, releases);
      moves.push(...copied.moves);
      rows += copied.rows;
    }
  } catch (error) {
    if (!signal.aborted) await sound; // damage says more than what comes of it
    throw error;
  }
  await sound;
  signal.throwIfAborted();
  const replaced =
    storedServices(loaded).length > 0
      ? await backupStack(loaded, { ...options, folder: backupName(stack, new Date()), locked: true })
      : undefined;
  signal.throwIfAborted();
  await exchange(moves);
  return { services: manifest.services.map(({ service }) => service), rows, ...(replaced && { replaced }) };
}

/** Writes a service's data beside those that are there, proves them, and waits until the disk has them. */
async function copyService(
  { stack }: LoadedStack,
  backup: OpenBackup,
  service: ServiceManifest,
  folders: readonly string[],
  options: RestoreOptions,
  releases: AsyncDisposableStack,
): Promise<{ readonly moves: readonly Move[]; readonly rows: number }> {
  const { reporter } = options;
  const name = service.service;
  reporter.progress(name, 'writing the copy');
  const copies = new Map<string, string>();
  for (const folder of folders) {
    copies.set(folder, await placeOfCopy(stack, name, folder, 'restore', releases));
  }
  const relocated = await onCopies(stack, copies, 'restore', releases);
  const found = await writeCopies(relocated, backup, service, [...copies.values()], options);
  const wrong = found ? differences(service.rows ?? {}, found) : [];
  if (wrong.length > 0) throw rowsDiffer(name, wrong);
  const moves: Move[] = [];
  for (const [to, from] of copies) {
    await syncFolder(from); // what the check has changed
    moves.push({ from, to: realFolder(to), remove: removal(stack, name) });
  }
  reporter.done(name);
  return { moves, rows: Object.values(found ?? {}).reduce((sum, count) => sum + count, 0) };
}

/**
 * Writes what a backup holds of a service into folders, and counts the rows of what came of it.
 *
 * @param stack on those folders: see `relocate`
 * @returns undefined for what cannot be started
 */
async function writeCopies(
  stack: Stack,
  backup: OpenBackup,
  service: ServiceManifest,
  folders: readonly string[],
  { reporter, signal }: RestoreOptions,
): Promise<Readonly<Record<string, number>> | undefined> {
  const name = service.service;
  if (service.method === 'dump') {
    reporter.progress(name, 'loading the dump');
    const input = folderOf(backup, name, 0);
    const options = { settings: loading, input, keep: true };
    await using scratch = await ScratchContainer.start(stack, name, signal, options);
    await loadDumps(scratch.tools, input, service.files, signal);
    const found = await countRows(scratch.url);
    // A dump has no rows of what the server fills by itself: materialized views, and tables of extensions.
    return Object.fromEntries(Object.entries(found).filter(([table]) => table in (service.rows ?? {})));
  }
  await copyFiles(backup, service, folders, signal);
  const synced = syncFolders(folders); // most of it, while the copy is checked
  const checked = canBeStarted(stack, name)
    ? await checkCopy(stack, name, reporter, signal).finally(() => synced)
    : undefined;
  await synced;
  return checked && (checked.rows ?? {});
}

/** The files of a service, as they are in a backup: on file systems that can, they share their blocks with it. */
async function copyFiles(
  backup: OpenBackup,
  { service, directories, files }: ServiceManifest,
  folders: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const made = directories.map(({ folder, path: name, mode }) => ({
    folder: path.join(folders[folder]!, name),
    mode,
  }));
  for (const { folder } of made) await mkdir(folder, { recursive: true });
  await eachOf(files, 4, async (file) => {
    signal.throwIfAborted();
    const to = path.join(folders[file.folder]!, file.path);
    await copyFile(fileOf(backup, service, file), to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(to, file.mode);
  });
  for (const { folder, mode } of made) await chmod(folder, mode);
}

/** The folders of this machine that each service of the backup goes to, in the order of the manifest. */
async function fit(
  loaded: LoadedStack,
  manifest: Manifest,
): Promise<Map<ServiceManifest, readonly string[]>> {
  const { stack, driver } = loaded;
  const { root, name, stateDirectory } = stack.variant;
  const problems: string[] = [];
  const wrong = (what: string, made: string | undefined, here: string | undefined) => {
    if (made !== here)
      problems.push(`${what}: ${made ?? 'unknown'} in the backup, ${here ?? 'unknown'} here`);
  };
  wrong('variant', manifest.variant, name);
  wrong('driver', manifest.driver, stack.driver);
  wrong('platform', manifest.platform, `${process.platform}-${process.arch}`);
  const known = driver.data(stack).flatMap(({ service, folder }) => (folder ? [{ service, folder }] : []));
  const targets = new Map<ServiceManifest, readonly string[]>();
  for (const service of manifest.services) {
    if (!stack.model.services[service.service]) {
      problems.push(
        `service ${service.service}: the Compose files have none of that name, or only with its --profile`,
      );
      continue;
    }
    wrong(`service ${service.service}`, service.as, asOf(loaded, service.service));
    // Of an image, its tag says it.
    if (service.major !== undefined && service.as.startsWith('engine '))
      wrong(`service ${service.service}, PostgreSQL`, service.major, await majorHere(service.as));
    const folders = service.folders.flatMap((label) => {
      const match = known.find(
        (entry) =>
          entry.service === service.service && portable(entry.folder, root, stateDirectory) === label,
      );
      if (!match) problems.push(`service ${service.service}: it keeps nothing in ${label} here`);
      return match ? [match.folder] : [];
    });
    targets.set(service, folders);
  }
  if (problems.length > 0) {
    throw new StackyardError('STACKYARD_BACKUP_MISMATCH', `the backup does not fit ${name}`, {
      details: problems,
      hint: 'restore it where it was made, or with the versions that made it; nothing was changed',
    });
  }
  return targets;
}

/** The major version that an engine would run. */
async function majorHere(as: string): Promise<string | undefined> {
  if (as === 'engine postgres') {
    const { findBinaries } = await import('../engines/postgres/binaries.ts');
    return (await findBinaries()).version.split('.', 1)[0];
  }
  // only: pgvector
  if (as === 'engine pgvector') return (await import('../engines/pgvector/data-directory.ts')).POSTGRES_MAJOR;
  // /only
  return undefined;
}

interface Move {
  readonly from: string;
  readonly to: string;
  readonly remove: Remove;
}

/** Puts each copy where it belongs; when one cannot be moved, all are put back. */
async function exchange(moves: readonly Move[]): Promise<void> {
  const done: (Move & { readonly old: string | undefined })[] = [];
  try {
    for (const move of moves) {
      const { from, to } = move;
      const there = await lstat(to).catch(() => undefined);
      const old = there ? privateName(to, 'replaced') : undefined;
      await mkdir(path.dirname(to), { recursive: true });
      if (old) {
        await rename(to, old).catch((cause: NodeJS.ErrnoException) => {
          throw cause.code === 'EBUSY' ? mounted(to, cause) : cause;
        });
      }
      done.push({ ...move, old });
      await rename(from, to);
    }
  } catch (error) {
    for (const { to, old, from } of done.reverse()) {
      if (await lstat(to).catch(() => undefined)) await rename(to, from);
      if (old) await rename(old, to);
    }
    throw error;
  }
  for (const { old, remove } of done) if (old) await remove(old);
}

async function existingParent(folder: string): Promise<string> {
  const parent = path.dirname(realFolder(folder));
  await mkdir(parent, { recursive: true });
  return parent;
}

/** Copies are made beside the data, and change places with it. */
function mounted(folder: string, cause?: Error): StackyardError {
  return new StackyardError(
    'STACKYARD_RESTORE_MOUNT',
    `${folder} is where a disk is mounted, and cannot be replaced`,
    {
      hint: `mount the disk a folder higher: at ${path.dirname(folder)}; nothing was changed`,
      ...(cause && { cause }),
    },
  );
}

function mustBeDown(variant: string, cause: OwnedError): StackyardError {
  return new StackyardError('STACKYARD_RESTORE_UP', `${variant} is up, and a restore replaces its data`, {
    hint: `stop it first: stackyard down ${variant}`,
    cause,
  });
}

function rowsDiffer(service: string, details: readonly string[]): StackyardError {
  return new StackyardError(
    'STACKYARD_RESTORE_ROWS',
    `what was restored of ${service} is not what was backed up`,
    {
      details,
      hint: 'use another backup; nothing was changed',
    },
  );
}
