import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ComposeModel, loadCompose } from '../src/index.ts';

/** Files that only Compose v2 reads, and beside each set what version 2.40.3 made of it. */
export const folder = fileURLToPath(new URL('./awkward/v2/', import.meta.url));
export const recordedSets = [
  { name: 'fields', files: ['fields.yaml'] },
  { name: 'layers', files: ['layers.yaml', 'layers.override.yaml'] },
].map(({ name, files }) => ({
  name,
  files: files.map((file) => join(folder, file)),
  recording: join(folder, `${name}.recorded`),
}));

/** Nothing else is set while these files are resolved. */
export const variables = { HOME: '/home/me', TOKEN: 'secret' };

export const resolveRecorded = (files: readonly string[]): ComposeModel =>
  loadCompose({ files, env: variables, projectDirectory: folder, profiles: ['*'] });

/** Paths of this checkout, so that a recording holds for every one. */
export const withoutFolder = (text: string): string => text.replaceAll(folder.replace(/\/$/, ''), '<folder>');
