import type { Place } from './errors.ts';
import { type MapNode, type Node, toPlain } from './node.ts';

/** Where the containers of a model and their entries were written; kept beside the model, not in it. */
const places = new WeakMap<object, { readonly own: Place; readonly entries: ReadonlyMap<string, Place> }>();

/** Plain frozen data, whose places {@link locate} knows. */
export function toModel(node: MapNode): unknown {
  return toPlain(node, (container, source) => {
    const children: readonly (readonly [string, Node])[] =
      source.kind === 'map'
        ? [...source.entries]
        : source.items.map((item, index) => [String(index), item] as const);
    places.set(Object.freeze(container), {
      own: place(source),
      entries: new Map(children.map(([key, child]) => [key, place(child)])),
    });
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
  const known = places.get(model);
  const [step, ...rest] = path;
  if (known === undefined || step === undefined) return known?.own;
  const own = known.entries.get(String(step));
  if (own === undefined) return known.own;
  const child: unknown = Object.hasOwn(model, step) ? (model as Record<string, unknown>)[step] : undefined;
  if (rest.length === 0 || typeof child !== 'object' || child === null) return own;
  return locate(child, rest) ?? own;
}

function place({ at: { file, line, column } }: Node): Place {
  return { file, line, ...(column === undefined ? {} : { column }) };
}
