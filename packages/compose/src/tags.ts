import { list, type MapNode, map, type Node } from './node.ts';
import { uniqueByKey } from './unique.ts';

/** The base without what the override marks with `!reset` or `!override`; undefined when that is all of it. */
export function withoutTagged(base: Node, override: Node): Node | undefined {
  if (override.tag !== undefined) return undefined;
  if (override.kind !== 'map') return base;
  const tagged = [...override.entries].filter(([, value]) => value.tag !== undefined || value.kind === 'map');
  if (tagged.length === 0) return base;
  if (base.kind === 'list') {
    // The list form of a mapping: `- KEY=value`.
    const removed = new Set(tagged.filter(([, value]) => value.tag !== undefined).map(([key]) => key));
    return list(
      base.items.filter((item) => !removed.has(uniqueByKey(item) ?? '')),
      base.at,
    );
  }
  if (base.kind !== 'map') return base;
  const entries = new Map(base.entries);
  for (const [key, value] of tagged) {
    const existing = entries.get(key);
    const kept = existing === undefined ? undefined : withoutTagged(existing, value);
    if (kept === undefined) entries.delete(key);
    else entries.set(key, kept);
  }
  return map(entries, base.at);
}

/** A whole document without its tags: what is marked `!reset` is left out. */
export function stripTags(document: MapNode): MapNode {
  return withoutTags(document) as MapNode;
}

/** {@link stripTags} of any node; undefined when all of it is marked `!reset`. */
export function withoutTags(node: Node): Node | undefined {
  if (node.tag === 'reset') return undefined;
  if (node.kind === 'map') {
    const entries = [...node.entries].flatMap(([key, value]) => {
      const kept = withoutTags(value);
      return kept === undefined ? [] : [[key, kept] as const];
    });
    return map(entries, node.at);
  }
  if (node.kind === 'list') {
    return list(
      node.items.flatMap((item) => withoutTags(item) ?? []),
      node.at,
    );
  }
  return { kind: 'scalar', value: node.value, at: node.at };
}
