import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { loadCompose } from '../src/index.ts';

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

function findOracle(): { version: string; resolve: (set: FileSet) => unknown } {
  const v2 = run('docker', ['compose', 'version', '--short']);
  if (v2.status === 0) return { version: `docker compose ${v2.stdout.trim()}`, resolve: resolveWithV2 };
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

/** Both sides without what has no meaning: the order of sets, and extension fields, which the tools drop. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(comparable);
    const isCommand = items.every((item) => typeof item === 'string');
    return isCommand ? items : items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (value === null || typeof value !== 'object') return value;
  // 1.29 prints `networks: { default: {} }` and `test: [NONE]` for what v2 prints as null and `disable: true`.
  if (Object.keys(value).length === 0) return null;
  if ('disable' in value && value.disable === true) return { test: ['NONE'] };
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !key.startsWith('x-'))
      .map(([key, item]) => [key, SETS.has(key) && Array.isArray(item) ? [...item].sort() : comparable(item)])
      .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)),
  );
}

const SETS = new Set([
  'cap_add',
  'cap_drop',
  'expose',
  'security_opt',
  'dns',
  'extra_hosts',
  'aliases',
  'profiles',
]);

function differences(ours: unknown, theirs: unknown, path = ''): string[] {
  if (isObject(ours) && isObject(theirs)) {
    const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...keys].flatMap((key) => differences(ours[key], theirs[key], `${path}.${key}`));
  }
  const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)];
  return a === b ? [] : [`${path}: ours ${a}, theirs ${b}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
