import type { Problems } from './errors.ts';
import { type MapNode, type Node, type Path, showPath, text } from './node.ts';

type Kind = 'string' | 'integer' | 'number' | 'boolean' | 'null' | 'map' | 'list';

/** What may stand at a path. */
export interface Type {
  /** For messages: "must be {what}". */
  readonly what: string;
  readonly kinds: readonly Kind[];
  /** Looks into a node of one of `kinds`. */
  readonly check: (node: Node, path: Path, problems: Problems) => void;
}

export const string = leaf('a string', ['string']);
export const number = leaf('a number', ['number', 'integer']);
export const integer = leaf('a whole number', ['integer']);
export const boolean = leaf('true or false', ['boolean']);
export const nothing = leaf('nothing', ['null']);
export const anything: Type = {
  what: 'anything',
  kinds: ['string', 'integer', 'number', 'boolean', 'null', 'map', 'list'],
  check: () => {},
};

function leaf(what: string, kinds: readonly Kind[]): Type {
  return { what, kinds, check: () => {} };
}

export const oneOf = (...values: readonly string[]): Type => ({
  what: `one of ${values.join(', ')}`,
  kinds: ['string'],
  check: (node, path, problems) => {
    if (values.includes(text(node) ?? '')) return;
    const message = `${showPath(path)} must be one of ${values.join(', ')}, not ${JSON.stringify(text(node))}`;
    problems.add('COMPOSE_VALUE', message, node.at, 'use one of these');
  },
});

/** The first of the types that takes a node of that kind looks into it. */
export const either = (...types: readonly Type[]): Type => ({
  what: types.map(({ what }) => what).join(' or '),
  kinds: types.flatMap(({ kinds }) => kinds),
  check: (node, path, problems) => {
    const kind = kindOf(node);
    types.find(({ kinds }) => kinds.includes(kind))?.check(node, path, problems);
  },
});

export const list = (item: Type, { unique = false } = {}): Type => ({
  what: 'a list',
  kinds: ['list'],
  check: (node, path, problems) => {
    if (node.kind !== 'list') return;
    const seen = new Set<string>();
    node.items.forEach((each, index) => {
      const at = [...path, `[${index}]`];
      checkType(each, item, at, problems);
      const written = text(each);
      if (!unique || written === undefined) return;
      if (seen.has(written)) {
        problems.add(
          'COMPOSE_VALUE',
          `${showPath(at)} repeats ${JSON.stringify(written)}`,
          each.at,
          'keep one of them',
        );
      }
      seen.add(written);
    });
  },
});

const ANY_NAME = /^/;
/** What may be the name of a service, network, volume, secret or config. */
export const RESOURCE_NAME = /^[a-zA-Z0-9._-]+$/;

/** A mapping whose keys the user chooses. */
export const dictionary = (value: Type, names: RegExp = ANY_NAME): Type => ({
  what: 'a mapping',
  kinds: ['map'],
  check: (node, path, problems) => {
    for (const [key, each] of entriesOf(node)) {
      if (!names.test(key)) {
        const hint = 'use letters, digits, dots, dashes and underscores';
        problems.add(
          'COMPOSE_VALUE',
          `${JSON.stringify(key)} cannot be a name in ${showPath(path)}`,
          each.at,
          hint,
        );
      }
      checkType(each, value, [...path, key], problems);
    }
  },
});

/** A mapping with the fields of the specification, and extension fields. */
export const fields = (types: Readonly<Record<string, Type>>, required: readonly string[] = []): Type => ({
  what: 'a mapping',
  kinds: ['map'],
  check: (node, path, problems) => {
    for (const [key, value] of entriesOf(node)) {
      const type = Object.hasOwn(types, key) ? types[key] : undefined;
      if (type !== undefined) checkType(value, type, [...path, key], problems);
      else if (!key.startsWith('x-')) unknownField(key, value, Object.keys(types), path, problems);
    }
    for (const field of required) {
      if (node.kind === 'map' && node.entries.has(field)) continue;
      problems.add('COMPOSE_VALUE', `${showPath(path)} has no ${field}`, node.at, `add \`${field}:\``);
    }
  },
});

export function checkType(node: Node, type: Type, path: Path, problems: Problems): void {
  if (type.kinds.includes(kindOf(node))) {
    type.check(node, path, problems);
    return;
  }
  const shown = path.length === 0 ? 'the file' : showPath(path);
  problems.add('COMPOSE_TYPE', `${shown} must be ${type.what}`, node.at, `it is ${describe(node)}`);
}

function unknownField(
  key: string,
  node: Node,
  known: readonly string[],
  path: Path,
  problems: Problems,
): void {
  const near = known
    .map((field) => [field, distance(field, key)] as const)
    .filter(([field, steps]) => steps <= (field.length < 5 ? 1 : 2))
    .sort(([, a], [, b]) => a - b)[0]?.[0];
  const where = path.length === 0 ? 'the top level' : showPath(path);
  const hint = near === undefined ? 'remove it, or begin its name with x-' : `did you mean ${near}?`;
  problems.add('COMPOSE_UNKNOWN_FIELD', `${where} has no field ${JSON.stringify(key)}`, node.at, hint);
}

const entriesOf = (node: Node): Iterable<[string, Node]> => (node as MapNode).entries;

function kindOf(node: Node): Kind {
  if (node.kind !== 'scalar') return node.kind;
  if (node.value === null) return 'null';
  if (typeof node.value !== 'number') return typeof node.value as 'string' | 'boolean';
  return Number.isInteger(node.value) ? 'integer' : 'number';
}

function describe(node: Node): string {
  const names = { string: 'a string', boolean: 'a boolean', null: 'empty', map: 'a mapping', list: 'a list' };
  const kind = kindOf(node);
  return kind === 'integer' || kind === 'number' ? 'a number; write it in quotes if it is text' : names[kind];
}

/** How many letters to add, remove or change (Levenshtein). */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
