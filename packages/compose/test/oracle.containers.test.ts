import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { loadCompose } from '../src/index.ts';
import { comparable, differences } from './comparable.ts';
import { folder, recordedSets, resolveRecorded, variables, withoutFolder } from './recorded.ts';

vi.setConfig({ testTimeout: 60_000 });

/**
 * The loader against the tool itself: `docker compose config --format json` where Compose v2 is installed, else
 * `docker-compose config` of 1.29. Neither needs an engine.
 */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const awkward = fileURLToPath(new URL('./awkward/', import.meta.url));
const { PATH = '', HOME = '/root', DOCKER_CONFIG } = process.env;
const environment = { PATH, HOME, ...(DOCKER_CONFIG ? { DOCKER_CONFIG } : {}) };

interface FileSet {
  readonly title: string;
  readonly directory: string;
  readonly files: readonly string[];
  readonly envFile?: string;
}

const variants: FileSet[] = readdirSync(join(root, 'apps'))
  .filter((name) => existsSync(join(root, 'apps', name, 'compose.yaml')))
  .map((name) => ({
    title: `the variant ${name}`,
    directory: root,
    files: [join(root, 'infra/compose.yaml'), join(root, 'apps', name, 'compose.yaml')],
  }));

const fileSets: FileSet[] = [
  ...variants,
  ...['forms', 'extends', 'isolated'].map((name) => ({
    title: `${name}.yaml`,
    directory: awkward,
    files: [join(awkward, `${name}.yaml`)],
  })),
  {
    title: 'variables.yaml with its env file',
    directory: awkward,
    files: [join(awkward, 'variables.yaml')],
    envFile: join(awkward, 'variables.env'),
  },
  {
    title: 'base.yaml and override.yaml',
    directory: awkward,
    files: [join(awkward, 'base.yaml'), join(awkward, 'override.yaml')],
  },
  {
    title: 'files of two folders with one project directory',
    directory: dirname(awkward.replace(/\/$/, '')),
    files: [join(awkward, 'base.yaml'), join(awkward, 'override.yaml')],
  },
];

const oracle = findOracle();

describe(`loadCompose resolves as ${oracle.version}`, () => {
  test.each(fileSets)('$title', (set) => {
    const theirs = oracle.resolve(set);
    const ours = loadCompose({
      files: set.files,
      env: environment,
      projectDirectory: set.directory,
      projectName: 'oracle',
      profiles: ['*'],
      ...(set.envFile === undefined ? {} : { envFiles: [set.envFile] }),
    });
    expect(differences(comparable(ours), comparable(theirs))).toEqual([]);
  });
});

// Versions before 2.40 do not read these files; where one of those is installed, the recordings hold the loader to it.
const { resolveRecorded: ask } = oracle;
if (ask !== undefined) {
  test.each(recordedSets)('the recording of $name is what Compose says', async ({ files, recording }) => {
    const theirs = ask(files);
    await expect(`${withoutFolder(JSON.stringify(theirs, null, 2))}\n`).toMatchFileSnapshot(recording);
    expect(differences(comparable(resolveRecorded(files)), comparable(theirs))).toEqual([]);
  });
}

interface Oracle {
  readonly version: string;
  readonly resolve: (set: FileSet) => unknown;
  readonly resolveRecorded?: (files: readonly string[]) => unknown;
}

function findOracle(): Oracle {
  const v2 = run('docker', ['compose', 'version', '--short']);
  if (v2.status === 0) {
    const version = v2.stdout.trim();
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return {
      version: `docker compose ${version}`,
      resolve: resolveWithV2,
      ...(major > 2 || minor >= 40 ? { resolveRecorded: recordWithV2 } : {}),
    };
  }
  const v1 = run('docker-compose', ['version', '--short']);
  if (v1.status === 0) return { version: `docker-compose ${v1.stdout.trim()}`, resolve: resolveWithV1 };
  throw new Error(
    'neither `docker compose` nor `docker-compose` is installed; apt-get install docker-compose',
  );
}

function resolveWithV2(set: FileSet): unknown {
  const profiles = ['--profile', '*'];
  const output = run('docker', ['compose', ...profiles, ...options(set), 'config', '--format', 'json']);
  if (output.status !== 0) throw new Error(output.stderr);
  return withoutEscapes(JSON.parse(output.stdout));
}

function recordWithV2(files: readonly string[]): unknown {
  const args = ['compose', '--profile', '*', '--project-directory', folder];
  const env = { ...environment, ...variables };
  const command = [...args, ...files.flatMap((file) => ['--file', file]), 'config', '--format', 'json'];
  const output = spawnSync('docker', command, { encoding: 'utf8', env });
  if (output.status !== 0) throw new Error(output.stderr);
  return withoutEscapes(JSON.parse(output.stdout));
}

/**
 * Compose 1.29 prints what it merged in short forms, without names and defaults, and keeps `$$`. That output is a
 * Compose file itself, so it is brought to the canonical forms of v2 by loading it once more: values, paths, merging
 * and interpolation are 1.29's, only the forms are ours.
 */
function resolveWithV1(set: FileSet): unknown {
  const output = run('docker-compose', [...options(set), 'config'], set.directory);
  if (output.status !== 0) throw new Error(output.stderr);
  const content = output.stdout.replaceAll(/^(\s*- )service:(\S+):rw$/gm, '$1$2');
  expect(parse(content)).toHaveProperty('services');
  const file = { path: join(set.directory, 'resolved.yaml'), content };
  return loadCompose({ files: [file], env: {}, envFiles: [], projectName: 'oracle', profiles: ['*'] });
}

function options({ files, directory, envFile }: FileSet): string[] {
  return [
    ...['--project-directory', directory, '--project-name', 'oracle'],
    ...(envFile === undefined ? [] : ['--env-file', envFile]),
    ...files.flatMap((file) => ['--file', file]),
  ];
}

function run(command: string, args: readonly string[], cwd = root) {
  return spawnSync(command, args, { cwd, encoding: 'utf8', env: environment });
}

/** `config` writes `$$` so that its output can be read as a Compose file again. */
function withoutEscapes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll('$$', '$'));
}
