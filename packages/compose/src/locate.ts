import type { Place } from './errors.ts';
import { type ListNode, type MapNode, type Node, toPlain } from './node.ts';

/** What each container of a model was made of; kept beside the model, not in it. */
const sources = new WeakMap<object, MapNode | ListNode>();

/** Plain frozen data, whose places {@link locate} knows. */
export function toModel(node: MapNode): unknown {
  return toPlain(node, (container, source) => {
    sources.set(Object.freeze(container), source);
  });
}

/**
 * The file and line that a value of a resolved model comes from.
 *
 * @param path keys and indexes from the model down, `['services', 'db', 'ports', 0]`
 * @returns the place of the value, or of its nearest ancestor when the value was not written by anyone (a default);
 *   undefined when `model` did not come from `loadCompose`
 */
export function locate(model: object, path: readonly (string | number)[] = []): Place | undefined {
  let node: Node | undefined = sources.get(model);
  let place = node?.at;
  for (const step of path) {
    if (node?.kind === 'map') node = node.entries.get(String(step));
    else node = node?.kind === 'list' ? node.items[Number(step)] : undefined;
    place = node?.at ?? place;
  }
  if (place === undefined) return undefined;
  const { file, line, column } = place;
  return { file, line, ...(column === undefined ? {} : { column }) };
}
