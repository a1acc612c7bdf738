// only: template
/**
 * Builds every package that is published: `packages/<name>/src` becomes `dist` beside it, ES modules with declarations.
 *
 *   ./pnpmw build
 *
 * Development never needs it: `exports` lead to the sources, and `publishConfig` to what this writes.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { $, glob } from 'zx';
import { type PublishedPackage, publishedPackages } from './published-packages.ts';

/** Compiles the packages in the order of their dependencies. Reads and writes the checkout at `root` alone. */
export async function build(root: string): Promise<readonly PublishedPackage[]> {
  const packages = await publishedPackages(root);
  const work = join(root, 'node_modules', '.cache', 'build');
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  for (const { directory } of packages) await rm(join(directory, 'dist'), { recursive: true, force: true });
  const projectOf = (name: string) => join(work, `${name.replace('/', '+')}.json`);
  for (const entry of packages) {
    // A reference makes an import of another package resolve to what is built of it, not to its sources.
    const references = entry.uses.map((name) => ({ path: projectOf(name) }));
    await writeFile(projectOf(entry.name), JSON.stringify({ ...project(root, entry), references }));
  }
  const everything = join(work, 'all.json');
  const references = packages.map(({ name }) => ({ path: projectOf(name) }));
  await writeFile(everything, JSON.stringify({ files: [], references }));
  await $({ cwd: root })`node_modules/.bin/tsc --build ${everything}`;
  for (const { directory } of packages) await correctDeclarations(join(directory, 'dist'));
  return packages;
}

function project(root: string, { directory }: PublishedPackage): object {
  return {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      noEmit: false,
      composite: true,
      allowJs: true, // entry points
      rootDir: join(directory, 'src'),
      outDir: join(directory, 'dist'),
    },
    include: [join(directory, 'src')],
    exclude: [join(directory, 'src/**/*.test.ts')],
  };
}

/** The compiler rewrites `./x.ts` in the code that it emits, but not in declarations. */
async function correctDeclarations(dist: string): Promise<void> {
  for (const file of await glob('**/*.d.ts', { cwd: dist })) {
    const text = await readFile(join(dist, file), 'utf8');
    await writeFile(
      join(dist, file),
      text.replaceAll(/((?:from |import\(|import )['"]\.[^'"\n]*)\.ts(?=['"])/g, '$1.js'),
    );
  }
}

if (import.meta.main) {
  const packages = await build(resolve(import.meta.dirname, '..'));
  console.log(`Built ${packages.map(({ name }) => name).join(', ')}.`);
}
