import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { type ComposeFile, type ComposeModel, findVariables, loadCompose } from '@stackyard/compose';

/** The host ports and variables that the Compose files of every variant use where nobody sets any. */
export interface Claims {
  /** By variant. */
  readonly ports: ReadonlyMap<string, readonly number[]>;
  /** By variant; those of the base are not among them. */
  readonly variables: ReadonlyMap<string, readonly string[]>;
}

const base = 'infra/compose.yaml';
/** Ports of a new variant lie in a block of that size, none of which another variant uses. */
const blockSize = 10;
const firstBlock = 4300;

/** Reads what the variants of the checkout at `root` claim. @throws ComposeError when a file cannot be loaded */
export function readClaims(root: string): Claims {
  const ports = new Map<string, readonly number[]>();
  const variables = new Map<string, readonly string[]>();
  const shared = new Set(findVariables([base], { projectDirectory: root }).map(({ name }) => name));
  for (const entry of variantFolders(root)) {
    const files = [base, `apps/${entry}/compose.yaml`].map((file) => path.join(root, file));
    const own = findVariables(files, { projectDirectory: root });
    variables.set(
      entry,
      own.map(({ name }) => name).filter((name) => !shared.has(name)),
    );
    const published = Object.values(loadDefaults(root, files).services).flatMap(
      (service) => service.ports ?? [],
    );
    ports.set(
      entry,
      published.flatMap((port) => range(port.published)),
    );
  }
  return { ports, variables };
}

/** What Compose files give where nobody sets a variable; those that have to be set may be anything. */
export function loadDefaults(root: string, files: readonly ComposeFile[]): ComposeModel {
  const required = findVariables(files, { projectDirectory: root }).filter((variable) => variable.required);
  return loadCompose({
    files,
    env: Object.fromEntries(required.map(({ name }) => [name, '1'])),
    envFiles: [],
    projectDirectory: root,
    profiles: ['*'],
  });
}

/** The folders of `apps/` that hold a `compose.yaml`. */
export function variantFolders(root: string): string[] {
  const apps = path.join(root, 'apps');
  if (!existsSync(apps)) return [];
  return readdirSync(apps)
    .filter((entry) => existsSync(path.join(apps, entry, 'compose.yaml')))
    .sort();
}

/** The first port of a block that no variant uses. */
export function freeBlock(claims: Claims): number {
  const used = allPorts(claims);
  for (let first = firstBlock; ; first += blockSize) {
    const block = Array.from({ length: blockSize }, (_, index) => first + index);
    if (!block.some((port) => used.has(port))) return first;
  }
}

/** Hands out ports for a variant: those that follow its lowest, as far as no variant uses them. */
export function portsFor(claims: Claims, variant: string): () => number {
  const used = allPorts(claims);
  const own = claims.ports.get(variant) ?? [];
  let next = own.length > 0 ? Math.min(...own) : freeBlock(claims);
  return () => {
    while (used.has(next)) next += 1;
    used.add(next);
    return next;
  };
}

function allPorts({ ports }: Claims): Set<number> {
  return new Set([...ports.values()].flat());
}

/** `8000-8002` are three. */
function range(published: string | undefined): number[] {
  const [first = Number.NaN, last = first] = (published ?? '').split('-').map(Number);
  if (!(first > 0 && last >= first)) return [];
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
