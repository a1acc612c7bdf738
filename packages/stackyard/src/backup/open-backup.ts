import { createHash } from 'node:crypto';
import { lstat, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { StackyardError } from '../errors.ts';
import type { HashThread } from './hash-thread.ts';
import {
  checksumName,
  type DirectoryRecord,
  damaged,
  type FileRecord,
  type Manifest,
  manifestName,
  parseManifest,
  serviceFolder,
} from './manifest.ts';
import { listTree } from './tree.ts';

/** A backup whose manifest is intact, and names just what is there. */
export interface OpenBackup {
  readonly folder: string;
  readonly manifest: Manifest;
}

/**
 * @param name of the folder, or of the manifest in it
 * @throws StackyardError for what is no whole backup
 */
export async function openBackup(name: string): Promise<OpenBackup> {
  const given = path.basename(name) === manifestName ? path.dirname(name) : path.resolve(name);
  const folder = await realpath(given).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(given, cause.code, cause);
  });
  if (!(await lstat(folder)).isDirectory()) throw unreadable(given, 'a backup is a folder, and this is none');
  const [text, checksum] = await Promise.all(
    [manifestName, checksumName].map((file) =>
      readFile(path.join(folder, file), 'utf8').catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') throw damaged(folder, `it has no ${file}`, cause);
        throw unreadable(folder, cause.message, cause);
      }),
    ),
  );
  if (createHash('sha256').update(text!).digest('hex') !== checksum!.split(' ', 1)[0])
    throw damaged(folder, 'the checksum of its manifest differs');
  const manifest = parseManifest(text!, folder);
  await compare(folder, manifest);
  return { folder, manifest };
}

/** Where one of the folders of a service lies in a backup. */
export function folderOf({ folder, manifest }: OpenBackup, service: string, index: number): string {
  const position = manifest.services.findIndex((entry) => entry.service === service);
  return path.join(folder, serviceFolder(position, service), String(index));
}

/** Where a file of a service lies in a backup. */
export function fileOf(backup: OpenBackup, service: string, file: FileRecord): string {
  return path.join(folderOf(backup, service, file.folder), file.path);
}

/**
 * Hashes everything in a backup.
 *
 * @throws StackyardError when a checksum differs
 */
export async function verifyContent(backup: OpenBackup, hashing: HashThread): Promise<void> {
  for (const { service, files } of backup.manifest.services) {
    const hashes = await hashing.hash(files.map((file) => fileOf(backup, service, file)));
    const wrong = files.find(({ sha256 }, index) => hashes[index] !== sha256);
    if (wrong) throw damaged(backup.folder, `the checksum of ${wrong.path} of ${service} differs`);
  }
}

/** Whether the files are those of the manifest, with their sizes, and nothing else; what is in them is read later. */
async function compare(folder: string, manifest: Manifest): Promise<void> {
  const expected = new Map<string, number>();
  for (const [index, { service, files, directories }] of manifest.services.entries()) {
    const placeOf = (entry: DirectoryRecord) =>
      path.posix.join(serviceFolder(index, service), String(entry.folder), entry.path);
    for (const file of files) {
      const place = placeOf(file);
      if (expected.has(place)) throw damaged(folder, `${place} is in its manifest twice`);
      expected.set(place, file.size);
    }
    const both = directories.map(placeOf).find((place) => expected.has(place));
    if (both) throw damaged(folder, `${both} is a file and a folder in its manifest`);
  }
  const entries = await listTree(folder).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(folder, cause.message, cause);
  });
  for (const { name, stat } of entries) {
    if (stat.isDirectory() || [manifestName, checksumName].includes(name)) continue;
    const size = expected.get(name);
    if (size === undefined) throw damaged(folder, `${name} is not in its manifest`);
    if (!stat.isFile()) throw damaged(folder, `${name} is not a file`);
    if (stat.size !== size) throw damaged(folder, `${name} has ${stat.size} bytes, not ${size}`);
    expected.delete(name);
  }
  for (const name of expected.keys()) throw damaged(folder, `${name} is missing`);
}

function unreadable(folder: string, why: string | undefined, cause?: Error): StackyardError {
  return new StackyardError('STACKYARD_BACKUP_UNREADABLE', `${folder} cannot be read: ${why}`, {
    hint: 'name a folder that "stackyard backup" made; without --output they are in data/backups',
    ...(cause && { cause }),
  });
}
