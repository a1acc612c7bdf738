import { basename } from 'node:path';
import { composeError, type Place } from './errors.ts';

/** What Docker accepts as the name of a project. */
const VALID = /^[a-z0-9][a-z0-9_-]*$/;

/** A project name out of any text, as Compose makes one out of a folder's name; '' when nothing is left. */
export function normalizeProjectName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^-_a-z0-9]/g, '')
    .replace(/^[_-]+/, '');
}

/** @throws ComposeError COMPOSE_PROJECT_NAME for a name that somebody wrote and Docker refuses. */
export function checkProjectName(name: string, at: Place | undefined): string {
  if (VALID.test(name)) return name;
  throw composeError(
    'COMPOSE_PROJECT_NAME',
    `invalid project name ${JSON.stringify(name)}: only lower-case letters, digits, - and _, first a letter or digit`,
    at,
    `write ${JSON.stringify(normalizeProjectName(name) || 'my-project')}`,
  );
}

/** @throws ComposeError COMPOSE_PROJECT_NAME when the folder's name holds no usable character. */
export function folderProjectName(folder: string): string {
  const name = normalizeProjectName(basename(folder));
  if (name !== '') return name;
  throw composeError(
    'COMPOSE_PROJECT_NAME',
    `no project name can be made of the folder ${JSON.stringify(basename(folder))}`,
    undefined,
    'write `name:` at the top of the Compose file, or set COMPOSE_PROJECT_NAME',
  );
}
