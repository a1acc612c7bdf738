import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { StackyardError, UsageError } from './errors.ts';

/** A checkout and the stacks in it. */
export interface Workspace {
  /** Absolute, without symbolic links. */
  readonly root: string;
  /** Folders of `apps/` that hold a `compose.yaml`, sorted. */
  readonly variants: readonly string[];
  /** The variant whose folder the command was called in. */
  readonly current: string | undefined;
}

/** One stack of the workspace and where its parts are. */
export interface Variant {
  readonly name: string;
  readonly root: string;
  /** Absolute path of `apps/<name>`. */
  readonly directory: string;
  /** Compose files, the base first. */
  readonly files: readonly string[];
  /** Env files that exist, weakest first. */
  readonly envFiles: readonly string[];
  /** The scripts of the variant's `package.json`. */
  readonly scripts: Readonly<Record<string, string>>;
  /** Its own commands (`bin`), with the absolute path of each; pnpm links only those of its dependencies. */
  readonly commands: Readonly<Record<string, string>>;
  /** Absolute path of this stack's state: locks, logs, the engines' own files. */
  readonly stateDirectory: string;
}

/** Walks up from `from` to the folder that holds `infra/compose.yaml`. */
export function findRoot(from: string): string | undefined {
  for (let directory = path.resolve(from); ; directory = path.dirname(directory)) {
    if (existsSync(path.join(directory, 'infra', 'compose.yaml'))) return directory;
    if (path.dirname(directory) === directory) return undefined;
  }
}

export function findWorkspace(from: string): Workspace {
  const found = findRoot(from);
  if (!found) {
    throw new UsageError(`no Stackyard workspace at ${from} or above it`, {
      hint: 'run this inside a checkout: the folder that holds infra/compose.yaml, or one below it',
    });
  }
  const root = realpathSync(found);
  const apps = path.join(root, 'apps');
  const variants = (existsSync(apps) ? readdirSync(apps) : [])
    .filter((name) => existsSync(path.join(apps, name, 'compose.yaml')))
    .sort();
  const [top, name] = path.relative(root, realpathSync(from)).split(path.sep);
  const current = top === 'apps' && name !== undefined && variants.includes(name) ? name : undefined;
  return { root, variants, current };
}

/** The variant that a command means: the one named, else the one it was called in, else the only one. */
export function selectVariant(workspace: Workspace, name?: string): Variant {
  const only = workspace.variants.length === 1 ? workspace.variants[0] : undefined;
  const chosen = name ?? workspace.current ?? only;
  if (chosen === undefined) {
    throw new UsageError('which variant?', {
      hint: `name one of ${workspace.variants.join(', ')}, or run this inside apps/<variant>`,
    });
  }
  if (!workspace.variants.includes(chosen)) {
    throw new UsageError(`there is no variant ${JSON.stringify(chosen)}`, {
      hint: workspace.variants.length
        ? `the variants of this checkout are ${workspace.variants.join(', ')}`
        : 'a variant is a folder of apps/ with a compose.yaml',
    });
  }
  return describeVariant(workspace.root, chosen);
}

export function describeVariant(root: string, name: string): Variant {
  const directory = path.join(root, 'apps', name);
  return {
    name,
    root,
    directory,
    files: [path.join(root, 'infra', 'compose.yaml'), path.join(directory, 'compose.yaml')],
    envFiles: [path.join(root, '.env'), path.join(directory, '.env')].filter((file) => existsSync(file)),
    ...readPackage(directory),
    stateDirectory: path.join(root, '.stackyard', 'run', name),
  };
}

interface PackageJson {
  readonly name?: string;
  readonly scripts?: Record<string, string>;
  readonly bin?: string | Record<string, string>;
}

function readPackage(directory: string): Pick<Variant, 'scripts' | 'commands'> {
  const file = path.join(directory, 'package.json');
  if (!existsSync(file)) return { scripts: {}, commands: {} };
  try {
    const {
      name = path.basename(directory),
      scripts = {},
      bin = {},
    } = JSON.parse(readFileSync(file, 'utf8')) as PackageJson;
    const commands = typeof bin === 'string' ? { [name.replace(/^.*\//, '')]: bin } : bin;
    const absolute = Object.entries(commands).map(([key, target]) => [key, path.join(directory, target)]);
    return { scripts, commands: Object.fromEntries(absolute) };
  } catch (cause) {
    throw new StackyardError('STACKYARD_PACKAGE_JSON', `${file} is not JSON: ${(cause as Error).message}`, {
      hint: 'correct the file; Stackyard reads its "scripts" and "bin"',
      cause,
    });
  }
}
