import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type ParsedNode,
  parse,
  visit,
  type YAMLMap,
  type Scalar as YamlScalar,
} from 'yaml';
import { composeError } from './errors.ts';
import { list, type MapNode, map, type Node, type Origin, type Scalar, scalar, type Tag } from './node.ts';

/** Beyond these a file is an attack (a "billion laughs" of aliases), not a description of services. */
const MAX_NODES = 100_000;
const MAX_DEPTH = 100;

const TAGS: Readonly<Record<string, Tag>> = { '!reset': 'reset', '!override': 'override' };
const PLAIN_TAGS = new Set(['tag:yaml.org,2002:str', 'tag:yaml.org,2002:int', 'tag:yaml.org,2002:float']);
for (const name of ['bool', 'null', 'map', 'seq']) PLAIN_TAGS.add(`tag:yaml.org,2002:${name}`);

/** Reads a YAML document into nodes, with anchors, `<<` and tags resolved. */
export class Reader {
  readonly #document: Document.Parsed;
  readonly #counter: LineCounter;
  readonly #file: string;
  readonly #folder: string;
  readonly #targets: ReadonlyMap<Alias, ParsedNode>;
  #nodes = 0;
  /** The nodes from the root to the one being read. */
  readonly #open = new Set<ParsedNode>();

  constructor(document: Document.Parsed, counter: LineCounter, file: string, folder: string) {
    this.#document = document;
    this.#counter = counter;
    this.#file = file;
    this.#folder = folder;
    this.#targets = targetsOf(document);
  }

  read(): Node {
    return this.#node(this.#document.contents as ParsedNode, 0);
  }

  #node(source: ParsedNode | null, depth: number, fallback?: Origin): Node {
    const at = this.#origin(source) ?? fallback ?? this.#start();
    this.#nodes += 1;
    if (depth > MAX_DEPTH || this.#nodes > MAX_NODES) {
      throw depth > MAX_DEPTH
        ? composeError('COMPOSE_LIMIT', `nested more than ${MAX_DEPTH} deep`, at, 'flatten it')
        : composeError(
            'COMPOSE_LIMIT',
            `more than ${MAX_NODES} values`,
            at,
            'an alias counts as often as it is used',
          );
    }
    if (source === null) return scalar(null, at);
    if (isAlias(source)) return this.#alias(source, at, depth);
    const tag = this.#tag(source.tag, at);
    const node = this.#content(source, at, depth);
    if (tag === undefined) return node;
    // A tag of its own keeps YAML from seeing a number, a boolean or null in a plain scalar.
    const isPlain = isScalar(source) && source.type === 'PLAIN' && source.source !== undefined;
    return isPlain ? { ...scalar(parse(source.source as string), at), tag } : { ...node, tag };
  }

  #content(source: ParsedNode, at: Origin, depth: number): Node {
    this.#open.add(source);
    try {
      return this.#contentOf(source, at, depth);
    } finally {
      this.#open.delete(source);
    }
  }

  #contentOf(source: ParsedNode, at: Origin, depth: number): Node {
    if (isMap(source)) return this.#map(source as YAMLMap.Parsed, at, depth);
    if (isSeq(source)) {
      return list(
        source.items.map((item) => this.#node(item as ParsedNode | null, depth + 1, at)),
        at,
      );
    }
    const value = scalarValue(source as YamlScalar);
    if (typeof value === 'string' && value.includes('\0')) {
      throw composeError(
        'COMPOSE_SYNTAX',
        'a value holds a NUL character',
        at,
        'no program can be given one',
      );
    }
    return scalar(value, at);
  }

  #map(source: YAMLMap.Parsed, at: Origin, depth: number): MapNode {
    const own = new Map<string, Node>();
    const merged = new Map<string, Node>();
    for (const { key, value } of source.items) {
      const place = this.#origin(key) ?? at;
      if (isScalar(key) && isMergeKey(key)) {
        for (const [name, node] of this.#mergeKey(value as ParsedNode | null, place, depth)) {
          if (!merged.has(name)) merged.set(name, node);
        }
        continue;
      }
      if (!isScalar(key) || typeof key.value !== 'string') {
        const shown = isScalar(key) ? String(key.value) : 'a collection';
        throw composeError(
          'COMPOSE_SYNTAX',
          `a key must be a string, not ${shown}`,
          place,
          'put it in quotes',
        );
      }
      // A value that is left out stands where its key does.
      own.set(key.value, this.#node(value as ParsedNode | null, depth + 1, place));
    }
    return map([...merged, ...own], at);
  }

  #mergeKey(value: ParsedNode | null, at: Origin, depth: number): [string, Node][] {
    const node = this.#node(value, depth + 1, at);
    const sources = node.kind === 'list' ? node.items : [node];
    return sources.flatMap((source) => {
      if (source.kind === 'map') return [...source.entries];
      throw composeError(
        'COMPOSE_SYNTAX',
        '`<<` takes a mapping or a list of mappings',
        at,
        'merge an anchor: <<: *name',
      );
    });
  }

  #alias(alias: Alias.Parsed, at: Origin, depth: number): Node {
    const target = this.#target(alias, at);
    if (this.#open.has(target)) {
      throw composeError(
        'COMPOSE_CYCLE',
        `the anchor &${alias.source} contains itself`,
        at,
        'remove the alias inside it',
      );
    }
    return this.#node(target, depth + 1);
  }

  #target(alias: Alias.Parsed, at: Origin): ParsedNode {
    const target = this.#targets.get(alias);
    if (target !== undefined) return target;
    throw composeError(
      'COMPOSE_SYNTAX',
      `the anchor &${alias.source} is not defined`,
      at,
      'define it above its use',
    );
  }

  #tag(tag: string | undefined, at: Origin): Tag | undefined {
    if (tag === undefined || PLAIN_TAGS.has(tag)) return undefined;
    const known = TAGS[tag];
    if (known !== undefined) return known;
    throw composeError(
      'COMPOSE_UNSUPPORTED',
      `the tag ${tag} is not supported`,
      at,
      'use !reset or !override',
    );
  }

  #origin(source: unknown): Origin | undefined {
    const range = (source as ParsedNode | null)?.range;
    if (!range) return undefined;
    const { line, col } = this.#counter.linePos(range[0]);
    return { file: this.#file, line, column: col, folder: this.#folder };
  }

  #start(): Origin {
    return { file: this.#file, line: 1, column: 1, folder: this.#folder };
  }
}

export const isMergeKey = ({ value, type }: YamlScalar): boolean =>
  type === 'PLAIN' && (value === '<<' || typeof value === 'symbol');

/** What each alias stands for: the last node before it that has its anchor. */
function targetsOf(document: Document.Parsed): ReadonlyMap<Alias, ParsedNode> {
  const anchored = new Map<string, ParsedNode>();
  const targets = new Map<Alias, ParsedNode>();
  visit(document, {
    Alias: (_, alias) => {
      const target = anchored.get(alias.source);
      if (target !== undefined) targets.set(alias, target);
    },
    Value: (_, node) => {
      if (node.anchor !== undefined) anchored.set(node.anchor, node as ParsedNode);
    },
  });
  return targets;
}

/** Compose reads integers as YAML 1.1 does where they start with 0, and keeps all digits of large ones. */
function scalarValue({ value, type, source }: YamlScalar): Scalar {
  if (typeof value === 'number') {
    if (type === 'PLAIN' && source !== undefined && /^[-+]?0[0-7]+$/.test(source))
      return Number.parseInt(source, 8);
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
      ? value
      : (source ?? null);
  }
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  return source ?? null;
}
