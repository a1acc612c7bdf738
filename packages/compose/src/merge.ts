import { composeError } from './errors.ts';
import {
  entry,
  identity,
  isNull,
  type ListNode,
  list,
  type MapNode,
  map,
  type Node,
  type Origin,
  type Path,
  PathTable,
  scalar,
  showPath,
  text,
} from './node.ts';
import { withoutTagged } from './tags.ts';
import { hasKeys, uniqueByKey, uniqueEntries } from './unique.ts';

type Merge = (base: Node, override: Node, path: Path) => Node;

/** Paths that do not follow the general rule (maps recurse, sequences append, scalars replace). */
const SPECIAL = new PathTable<Merge>([
  ['networks.*.ipam.config', mergeIpamConfig],
  ['networks.*.labels', mergeKeyValues],
  ['volumes.*.labels', mergeKeyValues],
  ['secrets.*.labels', mergeKeyValues],
  ['configs.*.labels', mergeKeyValues],
  ['services.*.annotations', mergeKeyValues],
  ['services.*.build', mergeBuild],
  ['services.*.build.additional_contexts', mergeKeyValues],
  ['services.*.build.args', mergeKeyValues],
  ['services.*.build.extra_hosts', mergeLists],
  ['services.*.build.labels', mergeKeyValues],
  ['services.*.command', replace],
  ['services.*.depends_on', mergeDependencies],
  ['services.*.deploy.labels', mergeKeyValues],
  ['services.*.dns', mergeLists],
  ['services.*.dns_opt', mergeLists],
  ['services.*.dns_search', mergeLists],
  ['services.*.entrypoint', replace],
  ['services.*.env_file', mergeLists],
  ['services.*.environment', mergeKeyValues],
  ['services.*.extra_hosts', mergeLists],
  ['services.*.healthcheck.test', replace],
  ['services.*.label_file', mergeLists],
  ['services.*.labels', mergeKeyValues],
  ['services.*.logging', mergeLogging],
  ['services.*.models', mergeNames],
  ['services.*.networks', mergeNames],
  ['services.*.sysctls', mergeKeyValues],
  ['services.*.tmpfs', mergeLists],
  ['services.*.ulimits.*', replaceUnlessNull],
  ['services.*.volumes.*.volume.labels', mergeKeyValues],
]);

/**
 * Override over base, for the part of a document at `path`: the rules of Compose, without the removal of duplicates.
 * The tags of the override are obeyed, and stay in the result for documents that come before the base.
 */
export function mergeNodes(base: Node, override: Node, path: Path): Node {
  return merge(withoutTagged(base, override) ?? scalar(null, base.at), override, path);
}

function merge(base: Node, override: Node, path: Path): Node {
  const special = SPECIAL.get(path);
  if (special !== undefined) return special(base, override, path);
  if (isNull(override)) return base;
  if (base.kind === 'map') {
    return override.kind === 'map'
      ? mergeMaps(base, override, path)
      : cannotOverride(override, path, 'a mapping');
  }
  if (base.kind === 'list') {
    return override.kind === 'list' ? append(base, override, path) : cannotOverride(override, path, 'a list');
  }
  return override;
}

function mergeMaps(base: MapNode, override: MapNode, path: Path): MapNode {
  const entries = new Map(base.entries);
  for (const [key, value] of override.entries) {
    const existing = entries.get(key);
    entries.set(key, existing === undefined ? value : merge(existing, value, [...path, key]));
  }
  return map(entries, base.at);
}

function cannotOverride(override: Node, path: Path, what: string): never {
  throw composeError(
    'COMPOSE_MERGE',
    `cannot override ${showPath(path)}: an earlier file gives ${what} there, this one does not`,
    override.at,
    `write ${what} here too, or replace it with !override`,
  );
}

/**
 * An entry that is identical to one already there adds nothing, so that merging twice equals merging once. Where
 * entries have keys, the last one of each key is chosen later, and must not get lost here.
 */
function append(base: ListNode, override: ListNode, path: Path): ListNode {
  if (hasKeys(path)) return list([...base.items, ...override.items], base.at);
  const present = new Set(base.items.map(identity));
  const added = override.items.filter((item) => {
    const key = identity(item);
    return !present.has(key) && present.add(key);
  });
  return list([...base.items, ...added], base.at);
}

/** A null takes away what the base says: the command of the image is meant again. */
function replace(_base: Node, override: Node): Node {
  return override;
}

function replaceUnlessNull(base: Node, override: Node): Node {
  return isNull(override) ? base : override;
}

function mergeLists(base: Node, override: Node, path: Path): Node {
  return append(asSequence(base), asSequence(override), path);
}

function mergeKeyValues(base: Node, override: Node): Node {
  const both = [...asSequence(base).items, ...asSequence(override).items];
  return list(uniqueEntries(both, uniqueByKey), base.at);
}

/** Map form as `key=value` strings in the order of the keys; a null value is the key alone. */
function asSequence(node: Node): ListNode {
  if (node.kind === 'list') return node;
  if (node.kind === 'scalar') return list(node.value === null ? [] : [node], node.at);
  const items = [...node.entries].flatMap(([key, value]) => {
    if (value.tag === 'reset') return [];
    const values = value.kind === 'list' ? value.items : [value];
    return values.map((each) => scalar(isNull(each) ? key : `${key}=${text(each) ?? ''}`, each.at));
  });
  return list(
    items.sort((a, b) => (String(a.value) < String(b.value) ? -1 : 1)),
    node.at,
  );
}

function mergeBuild(base: Node, override: Node, path: Path): Node {
  return mergeMaps(asBuild(base), asBuild(override), path);
}

function asBuild(node: Node): MapNode {
  if (node.kind === 'map') return node;
  return map(text(node) === undefined ? [] : [['context', node]], node.at);
}

function mergeDependencies(base: Node, override: Node, path: Path): Node {
  return mergeMaps(asMapping(base, path, started), asMapping(override, path, started), path);
}

function mergeNames(base: Node, override: Node, path: Path): Node {
  return mergeMaps(asMapping(base, path, nothing), asMapping(override, path, nothing), path);
}

const nothing = (at: Origin): Node => scalar(null, at);

/** The long form of a dependency that is given by its name only. */
export const started = (at: Origin): Node =>
  map(
    [
      ['condition', scalar('service_started', at)],
      ['required', scalar(true, at)],
    ],
    at,
  );

function asMapping(node: Node, path: Path, entryOf: (at: Origin) => Node): MapNode {
  if (node.kind === 'map') return node;
  const names = node.kind === 'list' ? node.items : isNull(node) ? [] : [node];
  const entries = names.map((name) => {
    if (name.kind === 'scalar' && typeof name.value === 'string')
      return [name.value, entryOf(name.at)] as const;
    throw composeError(
      'COMPOSE_MERGE',
      `cannot use this value as a name in ${showPath(path)}`,
      name.at,
      'list names, or write a mapping',
    );
  });
  return map(entries, node.at);
}

/** Options belong to a driver, so those of another driver do not survive. */
function mergeLogging(base: Node, override: Node, path: Path): Node {
  if (isNull(override)) return base;
  if (isNull(base)) return override;
  if (base.kind !== 'map' || override.kind !== 'map') return cannotOverride(override, path, 'a mapping');
  const [before, after] = [entry(base, 'driver'), entry(override, 'driver')];
  const same = before === undefined || after === undefined || identity(before) === identity(after);
  return same ? mergeMaps(base, override, path) : override;
}

/** Address pools are known by their subnet. */
function mergeIpamConfig(base: Node, override: Node, path: Path): Node {
  if (isNull(override)) return base;
  if (base.kind !== 'list' || override.kind !== 'list') return cannotOverride(override, path, 'a list');
  const pools = [...base.items];
  for (const pool of override.items) {
    const subnet = text(entry(pool, 'subnet'));
    const index = pools.findIndex((present) => text(entry(present, 'subnet')) === subnet);
    const present = pools[index];
    if (present?.kind === 'map' && pool.kind === 'map') pools[index] = mergeMaps(present, pool, path);
    else pools.push(pool);
  }
  return list(pools, base.at);
}
