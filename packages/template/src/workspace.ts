import path from 'node:path';
import { parse } from 'yaml';
import { type Tree, textOf } from './tree.ts';

/** One `package.json` of the tree and what it says. */
export interface Manifest {
  /** Folder of the workspace, relative to the root; empty for the root itself. */
  readonly folder: string;
  readonly name: string;
  readonly json: PackageJson;
}

export interface PackageJson {
  name?: string;
  version?: string;
  description?: string;
  private?: boolean;
  bin?: string | Record<string, string>;
  keywords?: string[];
  exports?: Record<string, unknown>;
  publishConfig?: { exports?: Record<string, unknown> };
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  /** What only the template needs says so, and no project gets it. */
  templateOnly?: boolean;
}

export const dependencyFields = [
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
] as const;

/** A variant and what its Compose files ask for. */
export interface VariantFacts {
  readonly name: string;
  readonly engines: ReadonlySet<string>;
  /** Repositories of the images that its Compose files and Dockerfiles name. */
  readonly images: ReadonlySet<string>;
}

export function readManifests(tree: Tree): Manifest[] {
  return [...tree.keys()].filter(isManifest).map((file) => {
    const json = JSON.parse(textOf(tree.get(file)) ?? '{}') as PackageJson;
    const folder = path.posix.dirname(file) === '.' ? '' : path.posix.dirname(file);
    return { folder, name: json.name ?? path.posix.basename(folder), json };
  });
}

/** The folders of `apps/` that hold a `compose.yaml`. */
export function readVariants(tree: Tree): VariantFacts[] {
  return [...tree.keys()].sort().flatMap((file) => {
    const name = /^apps\/([^/]+)\/compose\.yaml$/.exec(file)?.[1];
    return name === undefined ? [] : [variantFacts(tree, name)];
  });
}

/** Names of the services in the base: engines of that name belong to every variant. */
export function baseServices(tree: Tree): ReadonlySet<string> {
  return new Set(Object.keys(servicesOf(tree, 'infra/compose.yaml')));
}

/** Repositories of the images that the base names. */
export function baseImages(tree: Tree): ReadonlySet<string> {
  const files = ['infra/compose.yaml', 'infra/compose.production.yaml'];
  return new Set(files.flatMap((file) => Object.values(servicesOf(tree, file)).flatMap(imageOf)));
}

export function dependenciesOf(json: PackageJson): string[] {
  return dependencyFields.flatMap((field) => Object.keys(json[field] ?? {}));
}

/** Names that mean something in the tree: a project called so would be taken for it. */
export function takenNames(tree: Tree): ReadonlySet<string> {
  const variants = readVariants(tree);
  return new Set([
    ...variants.flatMap(({ name, engines }) => [name, ...engines]),
    ...readManifests(tree).flatMap(({ name, json }) => [
      path.posix.basename(name),
      ...Object.keys(json.scripts ?? {}),
      ...(typeof json.bin === 'object' ? Object.keys(json.bin) : []),
      ...dependenciesOf(json).map((dependency) => path.posix.basename(dependency)),
    ]),
    ...[...tree.keys()].map((file) => file.split('/')[0]!),
  ]);
}

function isManifest(file: string): boolean {
  return /^(?:(?:apps|packages)\/[^/]+\/|scripts\/)?package\.json$/.test(file);
}

function variantFacts(tree: Tree, name: string): VariantFacts {
  const files = ['compose.yaml', 'compose.production.yaml'].map((file) => `apps/${name}/${file}`);
  const services = files.flatMap((file) => Object.values(servicesOf(tree, file)));
  const engines = services.flatMap((service) => service?.['x-embedded']?.engine ?? []);
  const dockerfiles = [...tree.keys()].filter((file) => file.startsWith(`apps/${name}/Dockerfile`));
  const bases = dockerfiles.flatMap((file) => {
    const text = textOf(tree.get(file)) ?? '';
    const stages = new Set([...text.matchAll(/^FROM\s.*\sAS\s+(\S+)/gim)].map(([, stage]) => stage));
    const images = [...text.matchAll(/^FROM\s+(\S+)/gim)].flatMap(([, image]) => image ?? []);
    return images.filter((image) => !stages.has(image)).map(repository);
  });
  return { name, engines: new Set(engines), images: new Set([...services.flatMap(imageOf), ...bases]) };
}

interface ComposeService {
  readonly image?: string;
  readonly 'x-embedded'?: { readonly engine?: string };
}

function servicesOf(tree: Tree, file: string): Record<string, ComposeService | null> {
  const text = textOf(tree.get(file));
  const document = text === undefined ? undefined : parse(text, { logLevel: 'silent', merge: true });
  return (document as { services?: Record<string, ComposeService | null> } | undefined)?.services ?? {};
}

function imageOf(service: ComposeService | null): string[] {
  return service?.image === undefined ? [] : [repository(service.image)];
}

function repository(image: string): string {
  return image.replace(/[:@].*$/, '');
}
