// only: template
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { glob } from 'zx';

/** The fields of a package.json that a release needs. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly publishConfig?: Pick<Manifest, 'exports' | 'bin'> & { readonly access?: string };
}

/** A package of the workspace that a person can install from a registry. */
export interface PublishedPackage {
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
  readonly manifest: Manifest;
  /** The other published packages that it depends on. */
  readonly uses: readonly string[];
}

/** Every package below `packages/` that is not private, those first that others use. */
export async function publishedPackages(root: string): Promise<readonly PublishedPackage[]> {
  const files = (await glob('packages/*/package.json', { cwd: root })).toSorted();
  const read = await Promise.all(
    files.map(async (file) => {
      const manifest = JSON.parse(await readFile(join(root, file), 'utf8')) as Manifest;
      return { directory: join(root, dirname(file)), manifest };
    }),
  );
  const found = read.filter(({ manifest }) => !manifest.private);
  const names = new Set(found.map(({ manifest }) => manifest.name));
  const packages = new Map(
    found.map(({ directory, manifest }) => {
      const uses = Object.keys(manifest.dependencies ?? {}).filter((name) => names.has(name));
      return [manifest.name, { name: manifest.name, directory, manifest, uses }];
    }),
  );
  const ordered = new Map<string, PublishedPackage>();
  const add = (name: string) => {
    const entry = packages.get(name)!;
    if (ordered.has(name)) return;
    entry.uses.forEach(add);
    ordered.set(name, entry);
  };
  for (const name of packages.keys()) add(name);
  return [...ordered.values()];
}
