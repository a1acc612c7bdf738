import { composeError, type Place } from './errors.ts';

/** Where a value was written, and the folder against which the paths in it resolve. */
export interface Origin extends Place {
  readonly folder: string;
}

/** `!reset` removes what earlier files say at a path, `!override` puts its own value in place of theirs. */
export type Tag = 'reset' | 'override';

/**
 * A document between parsing and the model: plain data that still knows where each value was written.
 * Nodes are never changed once built; every phase returns new ones.
 */
export type Node = MapNode | ListNode | ScalarNode;

export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Node>;
  readonly at: Origin;
  readonly tag?: Tag;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly Node[];
  readonly at: Origin;
  readonly tag?: Tag;
}

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly value: Scalar;
  readonly at: Origin;
  readonly tag?: Tag;
}

export type Scalar = string | number | boolean | null;

export type Path = readonly string[];

export const map = (entries: Iterable<readonly [string, Node]>, at: Origin): MapNode => ({
  kind: 'map',
  entries: new Map(entries),
  at,
});

export const list = (items: readonly Node[], at: Origin): ListNode => ({ kind: 'list', items, at });

export const scalar = (value: Scalar, at: Origin): ScalarNode => ({ kind: 'scalar', value, at });

export const isNull = (node: Node | undefined): boolean => node?.kind === 'scalar' && node.value === null;

/** The entry `key` of a map, undefined for anything else. */
export const entry = (node: Node | undefined, key: string): Node | undefined =>
  node?.kind === 'map' ? node.entries.get(key) : undefined;

/** The entries of a map, none of anything else. */
export const entriesOf = (node: Node | undefined): [string, Node][] =>
  node?.kind === 'map' ? [...node.entries] : [];

/** The items of a list, none of anything else. */
export const itemsOf = (node: Node | undefined): readonly Node[] => (node?.kind === 'list' ? node.items : []);

/** The string of a scalar, undefined for anything else. */
export function text(node: Node | undefined): string | undefined {
  return node?.kind === 'scalar' && node.value !== null ? String(node.value) : undefined;
}

/** A copy of a map in which some entries have other values; `undefined` leaves an entry out. */
export function withEntries(node: MapNode, changes: Readonly<Record<string, Node | undefined>>): MapNode {
  const entries = new Map(node.entries);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
  }
  return { ...node, entries };
}

export function mapEntries(node: MapNode, change: (value: Node, key: string) => Node | undefined): MapNode {
  const entries = new Map<string, Node>();
  for (const [key, value] of node.entries) {
    const changed = change(value, key);
    if (changed !== undefined) entries.set(key, changed);
  }
  return { ...node, entries };
}

/** `services.api.ports[0]`, for messages. */
export const showPath = (path: Path): string =>
  path.reduce(
    (shown, step) => (step.startsWith('[') || shown === '' ? shown + step : `${shown}.${step}`),
    '',
  );

/** What belongs to the paths of a shape: `services.*.ports`, where `*` stands for one step. */
export class PathTable<T> {
  readonly #byLength = new Map<number, { readonly steps: readonly string[]; readonly value: T }[]>();

  constructor(rows: Iterable<readonly [pattern: string, value: T]>) {
    for (const [pattern, value] of rows) {
      const steps = pattern.split('.');
      const same = this.#byLength.get(steps.length) ?? [];
      same.push({ steps, value });
      this.#byLength.set(steps.length, same);
    }
  }

  get(path: Path): T | undefined {
    const rows = this.#byLength.get(path.length);
    return rows?.find(({ steps }) => steps.every((step, index) => step === '*' || step === path[index]))
      ?.value;
  }
}

const MAX_DEPTH = 200;

/** Wraps parsed data (what `yaml` gives); its places are all `origin`. */
export function fromPlain(value: unknown, origin: Origin, depth = 0): Node {
  if (depth > MAX_DEPTH) throw tooDeep(origin);
  if (Array.isArray(value)) {
    return list(
      value.map((item) => fromPlain(item, origin, depth + 1)),
      origin,
    );
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).map(
      ([key, item]) => [key, fromPlain(item, origin, depth + 1)] as const,
    );
    return map(entries, origin);
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return scalar(value, origin);
  }
  return scalar(typeof value === 'bigint' ? String(value) : null, origin);
}

/** Plain data again; `visit` is told of each container that is built. */
export function toPlain(node: Node, visit?: (container: object, node: MapNode | ListNode) => void): unknown {
  if (node.kind === 'scalar') return node.value;
  // Object.fromEntries defines properties, so that a key named __proto__ stays an ordinary key.
  const container =
    node.kind === 'list'
      ? node.items.map((item) => toPlain(item, visit))
      : Object.fromEntries([...node.entries].map(([key, value]) => [key, toPlain(value, visit)]));
  visit?.(container, node);
  return container;
}

/** A text that two nodes share when they say the same, wherever they stand and in whatever order their keys are. */
export function identity(node: Node): string {
  if (node.kind === 'scalar') return JSON.stringify(node.value);
  if (node.kind === 'list') return `[${node.items.map(identity).join()}]`;
  return `{${[...node.entries].map(([key, value]) => `${JSON.stringify(key)}:${identity(value)}`).sort()}}`;
}

const tooDeep = (at: Place) =>
  composeError(
    'COMPOSE_LIMIT',
    `nested more than ${MAX_DEPTH} deep`,
    at,
    'no Compose file needs that; flatten it',
  );
