import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { parseEnvFile } from './env-file.ts';
import { composeError, type OnWarning, type Place } from './errors.ts';
import type { Environment } from './interpolate.ts';
import type { Origin } from './node.ts';

/** A Compose file: its path, or its path and content when it is not on the disk. */
export type ComposeFile = string | { readonly path: string; readonly content: string };

export interface Source {
  /** As it is shown in errors. */
  readonly path: string;
  readonly content: string;
}

/**
 * Reads a Compose file. A relative path is looked for in the working directory, then in the project directory.
 *
 * @throws ComposeError COMPOSE_FILE
 */
export function readSource(file: ComposeFile, projectDirectory: string | undefined): Source {
  if (typeof file !== 'string') return { path: resolve(file.path), content: file.content };
  const inProject = projectDirectory === undefined ? undefined : join(projectDirectory, file);
  const path =
    !isAbsolute(file) && !existsSync(file) && inProject !== undefined && existsSync(inProject)
      ? resolve(inProject)
      : resolve(file);
  return { path, content: readText(path, undefined) };
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EISDIR: 'it is a folder',
  EFBIG: 'it is larger than 16 MiB, or has no end',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not UTF-8',
};

/** What to say of an error that {@link readUtf8} threw. */
export function whyUnreadable(error: unknown): string {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? code;
}

/** The text of a file, without a byte order mark. Other bytes than those of UTF-8 are an error, never replaced. */
export const readUtf8 = (path: string): string =>
  new TextDecoder('utf-8', { fatal: true }).decode(readBytes(path));

const MAX_BYTES = 16 * 1024 * 1024;

/** The bytes of a file or a pipe. A device may give bytes for ever, so that there is a limit. */
function readBytes(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const pieces: Buffer[] = [];
    for (let length = 0; length <= MAX_BYTES; ) {
      const piece = Buffer.allocUnsafe(65_536);
      const count = readSync(file, piece);
      if (count === 0) return Buffer.concat(pieces, length);
      pieces.push(piece.subarray(0, count));
      length += count;
    }
    throw Object.assign(new Error('file too large'), { code: 'EFBIG' });
  } finally {
    closeSync(file);
  }
}

/** @throws ComposeError COMPOSE_FILE that says who asked for the file */
export function readText(path: string, at: Place | undefined): string {
  try {
    return readUtf8(path);
  } catch (error) {
    const why = whyUnreadable(error);
    const place = at ?? { file: path, line: 1 };
    throw composeError('COMPOSE_FILE', `cannot read ${path}: ${why}`, place, 'check the path', error);
  }
}

/**
 * The absolute path of a file that `include` or `extends` names.
 *
 * @throws ComposeError COMPOSE_UNSUPPORTED for one that would have to be fetched
 */
export function localPath(path: string, at: Origin): string {
  if (!/^[a-z][a-z0-9+.-]+:|^git@/i.test(path)) return resolve(at.folder, path);
  throw composeError(
    'COMPOSE_UNSUPPORTED',
    `${path} is not a local file`,
    at,
    'copy the file into the project',
  );
}

/** The folder of the first file, when nobody names a project directory. */
export function projectDirectoryOf(files: readonly ComposeFile[], given: string | undefined): string {
  if (given !== undefined) return resolve(given);
  const first = files[0];
  return first === undefined
    ? resolve('.')
    : dirname(resolve(typeof first === 'string' ? first : first.path));
}

/**
 * The environment that interpolation sees: the process environment over the env files, of which a later one wins.
 * Without a list of files that is `.env` in the project directory, if there is one.
 *
 * @throws ComposeError COMPOSE_FILE for a named file that is missing, COMPOSE_ENV_FILE
 */
export function projectEnvironment(
  env: Environment,
  envFiles: readonly string[] | undefined,
  projectDirectory: string,
  onWarning?: OnWarning,
): Environment {
  const fallback = join(projectDirectory, '.env');
  const files =
    envFiles?.map((file) => resolve(projectDirectory, file)) ?? (existsSync(fallback) ? [fallback] : []);
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
  let variables: Environment = {};
  for (const file of files) {
    const parsed = parseEnvFile(readText(file, undefined), {
      env: { ...variables, ...given },
      file,
      ...(onWarning === undefined ? {} : { onWarning }),
    });
    variables = { ...variables, ...parsed };
  }
  return { ...variables, ...given };
}
