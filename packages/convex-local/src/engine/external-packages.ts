import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';

export interface ExternalPackage {
  readonly name: string;
  readonly version: string;
}

const INSTALL_TIMEOUT_MS = 120_000;

/** Packages that `convex.json` keeps out of the bundles: Node actions import them at run time. */
export class ExternalPackages {
  readonly #root: string;
  readonly #hostEnvironment: Readonly<Record<string, string | undefined>>;

  constructor(root: string, hostEnvironment: Readonly<Record<string, string | undefined>>) {
    this.#root = root;
    this.#hostEnvironment = hostEnvironment;
  }

  /** A `node_modules` folder with these packages: those that the working folder has, else installed by npm. */
  async prepare(packages: readonly ExternalPackage[]): Promise<string> {
    const sorted = packages.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const name = createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 32);
    const target = path.join(this.#root, name);
    const modules = path.join(target, 'node_modules');
    if (existsSync(target)) return modules;
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    const part = await mkdtemp(path.join(this.#root, 'part-'));
    try {
      if (!linkLocal(part, sorted)) await this.#install(part, sorted);
      renameSync(part, target);
    } catch (error) {
      rmSync(part, { recursive: true, force: true });
      if (!existsSync(target)) throw error;
    }
    return modules;
  }

  async #install(folder: string, packages: readonly ExternalPackage[]): Promise<void> {
    writeFileSync(path.join(folder, 'package.json'), '{"private":true}\n');
    const specifiers = packages.map(({ name, version }) => `${name}@${version}`);
    await promisify(execFile)(
      'npm',
      ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', ...specifiers],
      { cwd: folder, env: { ...this.#hostEnvironment }, timeout: INSTALL_TIMEOUT_MS },
    );
  }
}

/** Links every package from the working folder, where all are there in the wanted version. */
function linkLocal(folder: string, packages: readonly ExternalPackage[]): boolean {
  const require = createRequire(path.join(process.cwd(), 'package.json'));
  const found = packages.map(({ name, version }) => {
    const place = (require.resolve.paths(name) ?? [])
      .map((candidate) => path.join(candidate, name))
      .find((candidate) => existsSync(path.join(candidate, 'package.json')));
    if (place === undefined) return undefined;
    const manifest = JSON.parse(readFileSync(path.join(place, 'package.json'), 'utf8')) as {
      version?: string;
    };
    return manifest.version === version ? { name, place: realpathSync(place) } : undefined;
  });
  if (found.some((entry) => entry === undefined)) return false;
  for (const entry of found) {
    const link = path.join(folder, 'node_modules', entry!.name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(entry!.place, link);
  }
  return true;
}
