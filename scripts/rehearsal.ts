// only: template
/**
 * Rehearses a release, from the next versions to what a person gets: publishes every package to a registry of its own
 * and uses them from there, in empty folders. Changes nothing in the checkout, and leaves nothing running.
 *
 *   ./pnpmw release:rehearse
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { $, type Shell } from 'zx';
import { freePorts } from './free-ports.ts';
import { type PublishedPackage, publishedPackages } from './published-packages.ts';
import { type LocalRegistry, startRegistry } from './registry.ts';

const root = resolve(import.meta.dirname, '..');
const minute = 60_000;

async function main(): Promise<void> {
  await using releases = new AsyncDisposableStack();
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'stackyard-rehearsal-')));
  releases.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const copy = join(folder, 'checkout');
  await step('copy of the checkout', () => copyCheckout(copy));
  const packages = await step('next versions', () => bumpVersions(copy));
  const own = packages.map(({ name }) => name);
  const registry = releases.use(await startRegistry(folder, own));
  await step('build, check and publish', () => publish(copy, registry));
  const shell = await step('npm install of every package', () =>
    installAll(join(folder, 'project'), packages, registry),
  );
  await step('types of every entry point', () => shell`npx --no-install tsc`);
  await step('a stack of every engine', () => runStack(shell));
  await createProject(join(folder, 'created'), registry);
}

/** Runs one part and prints the seconds it took. */
async function step<T>(name: string, run: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await run();
  console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return result;
}

/** What git knows and what it does not ignore, as it lies in the checkout. */
async function copyCheckout(copy: string): Promise<void> {
  const { stdout } = await $({
    cwd: root,
    quiet: true,
  })`git ls-files -z --cached --others --exclude-standard`;
  for (const file of new Set(stdout.split('\0').filter(Boolean))) {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await cp(join(root, file), join(copy, file), { verbatimSymlinks: true }).catch((error) => {
      if (error.code !== 'ENOENT') throw error; // deleted, and not yet committed
    });
  }
  const shell = inFolder(copy);
  await shell`git init -q`;
  await shell`git add -A`;
  await shell`git -c user.name=rehearsal -c user.email=rehearsal@example.org commit -q --no-gpg-sign -m rehearsal`;
  await shell`${join(root, 'pnpmw')} install --frozen-lockfile --prefer-offline`;
}

async function bumpVersions(copy: string): Promise<readonly PublishedPackage[]> {
  const before = await publishedPackages(copy);
  const bumps = before.map(({ name }) => `"${name}": patch\n`).join('');
  await writeFile(join(copy, '.changeset/rehearsal.md'), `---\n${bumps}---\n\nRehearsed.\n`);
  await inFolder(copy)`./pnpmw changeset version`;
  const after = await publishedPackages(copy);
  const versions = new Set(after.map(({ manifest }) => manifest.version));
  if (versions.size !== 1 || versions.has(before[0]!.manifest.version))
    throw new Error(`The next version is not one for all packages: ${[...versions].join(', ')}`);
  return after;
}

async function publish(copy: string, { url, environment }: LocalRegistry): Promise<void> {
  await inFolder(copy, environment)`./pnpmw release -- --no-git-checks --registry ${url}`;
}

/** A project that has every package, a program that imports all of them, and a stack. @returns a shell in it */
async function installAll(
  folder: string,
  packages: readonly PublishedPackage[],
  { environment }: LocalRegistry,
): Promise<Shell> {
  const entries = packages.flatMap(({ name, manifest }) =>
    Object.keys(manifest.exports ?? {}).map((path) => join(name, path)),
  );
  const imports = entries.map((entry, index) => `import * as m${index} from '${entry}';\n`);
  const used = `console.log(${entries.map((_, index) => `Object.keys(m${index})`).join(', ')});\n`;
  const files = {
    'package.json': JSON.stringify({ name: 'rehearsal', private: true, type: 'module' }),
    'check.ts': `${imports.join('')}${used}`,
    'tsconfig.json': JSON.stringify({
      // Looks into the declarations of the packages as well.
      compilerOptions: { module: 'nodenext', target: 'es2024', strict: true, types: ['node'], noEmit: true },
      files: ['check.ts'],
    }),
    'infra/compose.yaml': 'services: {}\n',
    'apps/shop/compose.yaml': shopCompose(await freePorts(4)),
  };
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  const shell = inFolder(folder, environment);
  await shell`npm install ${packages.map(({ name }) => name)} typescript @types/node@24 vitest`;
  return shell;
}

/** Every engine comes up from the installed command, outside any checkout of the repository. */
async function runStack(shell: Shell): Promise<void> {
  try {
    await shell`npx --no-install stackyard up shop`;
    const { stdout } = await shell`npx --no-install stackyard status shop --json`;
    for (const service of ['database', 'vectors', 'convex']) {
      if (!new RegExp(`"${service}"[^}]*"healthy"`).test(stdout))
        throw new Error(`${service} is not healthy: ${stdout}`);
    }
  } finally {
    await shell`npx --no-install stackyard down shop`;
  }
}

/** What a person does who has nothing but npm: create, dev until it is ready, test. */
async function createProject(folder: string, { environment }: LocalRegistry): Promise<void> {
  await mkdir(folder);
  const options = ['--yes', '--keep', 'school-erp-ddl'];
  const creating = inFolder(folder, environment);
  // The oldest Node that may make a project, and an npm of its time that refuses packages for a later one.
  const old = ['--yes', '-p', 'node@18', '-p', 'npm@9', '--', 'npm', '--engine-strict'];
  const look = ['create', '--yes', 'stackyard@latest', 'other', '--', '--yes', '--dry-run'];
  await step('npm create on Node 18, as a dry run', () => creating`npx ${old} ${look}`);
  const began = performance.now();
  await step('npm create', () => creating`npm create --yes stackyard@latest my-app -- ${options}`);
  const project = join(folder, 'my-app');
  await step('dev until it is ready', () => develop(project, environment));
  console.log(`npm create to ready: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const shell = inFolder(project, environment);
  // `subsets` runs all of them.
  const tests = ['apps/school-erp-ddl/src', 'packages/testing/src', 'packages/postgres/src'];
  await step('tests of the variant and of what it uses', () => shell`./pnpmw vitest run ${tests}`);
}

/** Runs the readme's command on free ports until the stack is ready, and stops it as Ctrl-C does. */
async function develop(project: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const child = spawn(join(project, 'pnpmw'), ['turbo', 'dev', '--filter', 'school-erp-ddl'], {
    cwd: project,
    env: { ...process.env, ...environment, MY_APP_ISOLATED: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const closed = once(child, 'close');
  let output = '';
  const { promise: ready, resolve: end } = Promise.withResolvers<boolean>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
      if (/is ready after/.test(output)) end(true);
    });
  }
  void closed.then(() => end(false));
  const late = setTimeout(() => end(false), 3 * minute);
  const came = await ready;
  clearTimeout(late);
  if (child.exitCode === null) process.kill(-child.pid!, 'SIGINT');
  await closed;
  if (!came) throw new Error(`dev did not get ready:\n${output}`);
}

function shopCompose([database, vectors, api, site]: readonly number[]): string {
  const postgres = (port: number | undefined, engine: string) => ({
    image: 'postgres:17',
    environment: { POSTGRES_PASSWORD: 'postgres' },
    ports: [`127.0.0.1:${port}:5432`],
    volumes: [`./data/shop/${engine}:/var/lib/postgresql/data`],
    'x-embedded': { engine },
  });
  // JSON is YAML.
  return JSON.stringify({
    services: {
      database: postgres(database, 'postgres'),
      vectors: postgres(vectors, 'pgvector'),
      convex: {
        image: 'ghcr.io/get-convex/convex-backend:latest',
        environment: { INSTANCE_NAME: 'shop', INSTANCE_SECRET: '0f'.repeat(32) },
        ports: [`127.0.0.1:${api}:3210`, `127.0.0.1:${site}:3211`],
        volumes: ['./data/shop/convex:/convex/data'],
        'x-embedded': { engine: 'convex' },
      },
    },
  });
}

/** A shell for commands in a folder: quiet, but their output is part of the error when they fail. */
function inFolder(cwd: string, environment: Readonly<Record<string, string>> = {}): Shell {
  return $({ cwd, quiet: true, timeout: 5 * minute, env: { ...process.env, ...environment } });
}

await main();
