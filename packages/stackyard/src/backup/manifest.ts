import { z } from 'zod';
import { StackyardError } from '../errors.ts';

export const manifestName = 'manifest.json';

/** The manifest's own checksum, as `sha256sum --check` reads it. */
export const checksumName = 'manifest.json.sha256';

/** What a backup says about itself. */
export interface Manifest {
  readonly format: 1;
  readonly variant: string;
  readonly driver: string;
  readonly createdAt: string;
  /** Physical copies are read on the same platform only: `linux-x64`. */
  readonly platform: string;
  readonly services: readonly ServiceManifest[];
}

export interface ServiceManifest {
  readonly service: string;
  /** `engine postgres`, `image postgres:17`. */
  readonly as: string;
  /** What ran, with its version, where the copy was started: `PostgreSQL 17.10 (embedded)`. */
  readonly source?: string;
  /** PostgreSQL's major version, for data of one. */
  readonly major?: string;
  readonly method: Method;
  /** Why it was not a better method: the `pg_dump` of the image is too old. */
  readonly note?: string;
  /** Relative to the checkout. */
  readonly folders: readonly string[];
  readonly directories: readonly DirectoryRecord[];
  readonly files: readonly FileRecord[];
  /** Rows by `database.schema.table`, counted in the copy that was started, or in the dump. */
  readonly rows?: Readonly<Record<string, number>>;
}

/**
 * - `online`: PostgreSQL's own backup mode, with the write-ahead log that the copy needs;
 * - `paused`: the service's processes were stopped (SIGSTOP) while its files were copied: what it had written at one
 *   moment, as after a crash of the process;
 * - `stopped`: the service did not run;
 * - `dump`: `pg_dump -Fc`, one file per database, and the server's roles.
 */
export type Method = 'online' | 'paused' | 'stopped' | 'dump';

export interface DirectoryRecord {
  /** Index in `folders`. */
  readonly folder: number;
  readonly path: string;
  readonly mode: number;
}

export interface FileRecord extends DirectoryRecord {
  readonly size: number;
  readonly sha256: string;
}

const count = z.int().nonnegative();

/** Inside the folder that it is relative to. */
const inside = z
  .string()
  .refine((text) => !text.startsWith('/') && !text.split(/[\\/]/).includes('..') && !text.includes('\0'));

const directory = z.object({ folder: count, path: inside, mode: count.max(0o7777) });

const distinct = (names: readonly string[]): boolean => new Set(names).size === names.length;

const service = z
  .object({
    service: z.string().regex(/^[\w.-]+$/), // part of a path
    as: z.string(),
    source: z.string().optional(),
    major: z.string().optional(),
    method: z.enum(['online', 'paused', 'stopped', 'dump']),
    note: z.string().optional(),
    folders: z.array(z.string()).min(1).refine(distinct),
    directories: z.array(directory),
    files: z.array(directory.extend({ size: count, sha256: z.string() })),
    rows: z.record(z.string(), count).optional(),
  })
  .refine(({ folders, directories, files }) =>
    [...directories, ...files].every(({ folder }) => folder < folders.length),
  );

const manifestSchema = z.object({
  format: z.literal(1),
  variant: z.string(),
  driver: z.string(),
  createdAt: z.string(),
  platform: z.string(),
  services: z
    .array(service)
    .min(1)
    .refine((services) => distinct(services.map((entry) => entry.service))),
});

/** @throws StackyardError when the text is not a manifest that this version reads */
export function parseManifest(text: string, file: string): Manifest {
  let manifest: { readonly format?: unknown } | null;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, 'its manifest cannot be read', cause);
  }
  if (manifest?.format !== 1) {
    throw new StackyardError(
      'STACKYARD_BACKUP_MISMATCH',
      `${file} has the format ${manifest?.format}, not 1`,
      {
        hint: 'restore it with the version of Stackyard that made it',
      },
    );
  }
  const { success, error } = manifestSchema.safeParse(manifest);
  if (!success) throw damaged(file, 'its manifest is not sound', error);
  return manifest as Manifest;
}

export function damaged(file: string, what: string, cause?: unknown): StackyardError {
  return new StackyardError('STACKYARD_BACKUP_DAMAGED', `${file} is damaged, or no backup: ${what}`, {
    hint: 'use another copy of it, or another backup; nothing was changed',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Where the files of a service lie in a backup: in the folder of this name, each of its folders by its index. */
export function serviceFolder(index: number, service: string): string {
  return `${index}-${service}`;
}

/** Bytes of the files of a service. */
export function sizeOf(service: ServiceManifest): number {
  return service.files.reduce((sum, { size }) => sum + size, 0);
}
