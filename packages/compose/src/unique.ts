import { composeError } from './errors.ts';
import {
  entry,
  list,
  type MapNode,
  mapEntries,
  type Node,
  type Path,
  PathTable,
  showPath,
  text,
} from './node.ts';
import { parseVolume } from './volume.ts';

/** What makes two entries of a sequence the same one; undefined when an entry has no such thing. */
type Indexer = (item: Node, path: Path) => string | undefined;

/** Sequences in which a later entry takes the place of an earlier one. */
const UNIQUE = new PathTable<Indexer>([
  ['networks.*.labels', uniqueByKey],
  ['networks.*.ipam.options', uniqueByKey],
  ['services.*.annotations', uniqueByKey],
  ['services.*.build.additional_contexts', uniqueByKey],
  ['services.*.build.args', uniqueByKey],
  ['services.*.build.labels', uniqueByKey],
  // Not a field; Compose has its rule under this name too.
  ['services.*.build.platform', uniqueByKey],
  ['services.*.build.platforms', uniqueByKey],
  ['services.*.build.tags', uniqueByKey],
  ['services.*.cap_add', uniqueByKey],
  ['services.*.cap_drop', uniqueByKey],
  ['services.*.configs', mountKey('')],
  ['services.*.deploy.labels', uniqueByKey],
  ['services.*.devices', deviceKey],
  ['services.*.dns', uniqueByKey],
  ['services.*.dns_opt', uniqueByKey],
  ['services.*.dns_search', uniqueByKey],
  ['services.*.env_file', envFileKey],
  ['services.*.environment', uniqueByKey],
  ['services.*.expose', (item) => text(item)],
  ['services.*.labels', uniqueByKey],
  ['services.*.links', uniqueByKey],
  ['services.*.networks.*.aliases', uniqueByKey],
  ['services.*.networks.*.link_local_ips', uniqueByKey],
  ['services.*.ports', portKey],
  ['services.*.profiles', uniqueByKey],
  ['services.*.secrets', mountKey('/run/secrets')],
  ['services.*.sysctls', uniqueByKey],
  ['services.*.tmpfs', uniqueByKey],
  ['services.*.volumes', volumeKey],
]);

/** Whether the entries of the sequence at a path are told apart by a key of theirs. */
export const hasKeys = (path: Path): boolean => UNIQUE.get(path) !== undefined;

/** Keeps the last of the entries that mean the same, in the place of the first. */
export function enforceUnicity(document: MapNode): MapNode {
  return unique(document, []) as MapNode;
}

function unique(node: Node, path: Path): Node {
  if (node.kind === 'map') return mapEntries(node, (value, key) => unique(value, [...path, key]));
  if (node.kind === 'scalar') return node;
  const indexer = UNIQUE.get(path);
  if (indexer === undefined) return node;
  return {
    ...list(
      uniqueEntries(node.items, (item, index) => indexer(item, [...path, `[${index}]`])),
      node.at,
    ),
  };
}

/** The last entry of each key, in the place of the first; entries without a key all stay. */
export function uniqueEntries<T>(
  items: readonly T[],
  keyOf: (item: T, index: number) => string | undefined,
): T[] {
  const result: T[] = [];
  const places = new Map<string, number>();
  items.forEach((item, index) => {
    const key = keyOf(item, index);
    const place = key === undefined ? undefined : places.get(key);
    if (place !== undefined) {
      result[place] = item;
      return;
    }
    result.push(item);
    if (key !== undefined) places.set(key, result.length - 1);
  });
  return result;
}

/** `KEY=value` and `KEY` by their key. */
export function uniqueByKey(item: Node): string | undefined {
  return text(item)?.split('=', 1)[0];
}

function volumeKey(item: Node, path: Path): string | undefined {
  if (item.kind === 'map') return text(entry(item, 'target')) ?? missing(item, path, 'target');
  const spec = text(item);
  return spec === undefined ? undefined : parseVolume(spec, item.at).target;
}

function deviceKey(item: Node, path: Path): string | undefined {
  if (item.kind === 'map') return text(entry(item, 'target')) ?? missing(item, path, 'target');
  const parts = text(item)?.split(':');
  return parts?.[1] ?? parts?.[0];
}

function envFileKey(item: Node, path: Path): string | undefined {
  return item.kind === 'map' ? (text(entry(item, 'path')) ?? missing(item, path, 'path')) : text(item);
}

function mountKey(folder: string): Indexer {
  return (item) => {
    if (item.kind !== 'map') return `${folder}/${text(item) ?? ''}`;
    return text(entry(item, 'target')) ?? `${folder}/${text(entry(item, 'source')) ?? ''}`;
  };
}

/** Short forms are compared as they are written; they meet the long ones once both are canonical. */
function portKey(item: Node, path: Path): string | undefined {
  if (item.kind !== 'map') return text(item);
  const target = text(entry(item, 'target')) ?? missing(item, path, 'target');
  const host = text(entry(item, 'host_ip')) ?? '0.0.0.0';
  const published = text(entry(item, 'published')) ?? '';
  return `${host}:${published}:${target}/${text(entry(item, 'protocol')) ?? 'tcp'}`;
}

function missing(item: Node, path: Path, field: string): never {
  throw composeError('COMPOSE_VALUE', `${showPath(path)} has no ${field}`, item.at, `add \`${field}:\``);
}
