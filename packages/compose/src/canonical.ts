import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { OnWarning, Problems } from './errors.ts';
import type { Environment } from './interpolate.ts';
import {
  entry,
  isNull,
  type ListNode,
  list,
  type MapNode,
  map,
  mapEntries,
  type Node,
  scalar,
  showPath,
  text,
  withEntries,
} from './node.ts';
import { hasShellOperator, splitCommand } from './shell-words.ts';
import { canonicalDuration, parseBytes } from './units.ts';

/** What a phase works with, and where it reports to. */
export interface Context {
  readonly env: Environment;
  readonly problems: Problems;
  readonly onWarning?: OnWarning;
}

/** Turns the value of one field into its canonical form; undefined leaves the field out. */
export type Canonical = (node: Node, context: Context, path: readonly string[]) => Node | undefined;

/**
 * Applies a table of canonical forms to the fields of a map; fields without one stay as they are. What says nothing is
 * left out, as Compose leaves it out.
 */
export function fields(table: Readonly<Record<string, Canonical>>): Canonical {
  return (node, context, path) => {
    if (node.kind !== 'map') return node;
    return mapEntries(node, (value, key) => {
      const canonical = Object.hasOwn(table, key) ? table[key] : undefined;
      const result =
        canonical === undefined || isNull(value)
          ? value
          : context.problems.collect(() => canonical(value, context, [...path, key]));
      return result === undefined || saysNothing(result, key) ? undefined : result;
    });
  };
}

/** Fields that say something by a zero or by being empty. */
const ALWAYS_KEPT = new Set([
  ...['command', 'content', 'count', 'entrypoint', 'max_attempts', 'parallelism'],
  ...['replicas', 'retries', 'scale'],
]);

/** Fields whose keys are the user's: without any they say nothing, while an empty mapping of options may do so. */
const PAIRS = new Set(['additional_contexts', 'args', 'driver_opts', 'labels', 'options']);

function saysNothing(node: Node, key: string): boolean {
  if (isNull(node)) return true;
  if (ALWAYS_KEPT.has(key) || key.startsWith('x-')) return false;
  if (node.kind === 'map') return node.entries.size === 0 && PAIRS.has(key);
  return node.kind === 'list' ? node.items.length === 0 : node.value === '' || node.value === 0;
}

/** For each entry of a map or a list. */
export function each(canonical: Canonical): Canonical {
  return (node, context, path) => {
    if (node.kind === 'map')
      return mapEntries(node, (value, key) => canonical(value, context, [...path, key]));
    if (node.kind !== 'list') return node;
    const items = node.items.flatMap(
      (item, index) => canonical(item, context, [...path, `[${index}]`]) ?? [],
    );
    return list(items, node.at);
  };
}

export const both =
  (first: Canonical, second: Canonical): Canonical =>
  (node, context, path) => {
    const result = first(node, context, path);
    return result === undefined ? undefined : second(result, context, path);
  };

export function asList(node: Node): Node {
  return node.kind === 'scalar' ? list([node], node.at) : node;
}

export function asString(node: Node): Node {
  return node.kind === 'scalar' && node.value !== null ? scalar(String(node.value), node.at) : node;
}

export const asStrings: Canonical = both(asList, each(asString));

/** Left out when it says nothing: Compose does not print false. */
export const unlessFalse: Canonical = (node) =>
  node.kind === 'scalar' && node.value === false ? undefined : node;

/** `KEY=value` strings become a mapping of strings; a key without a value stays null. */
export function asKeyValues(node: Node): MapNode {
  if (node.kind === 'map') {
    return mapEntries(node, (value) => (isNull(value) ? value : scalar(text(value) ?? '', value.at)));
  }
  const items = asList(node) as ListNode;
  return map(
    items.items.map((item) => {
      const written = text(item) ?? '';
      const equals = written.indexOf('=');
      if (equals < 0) return [written, scalar(null, item.at)] as const;
      return [written.slice(0, equals), scalar(written.slice(equals + 1), item.at)] as const;
    }),
    node.at,
  );
}

/** {@link asKeyValues}, where a key alone has an empty value. */
export function asLabels(node: Node): MapNode {
  return mapEntries(asKeyValues(node), (value) => (isNull(value) ? scalar('', value.at) : value));
}

export const asDuration: Canonical = (node, { problems }, path) => {
  const written = text(node);
  const duration = written === undefined ? undefined : canonicalDuration(written);
  if (duration !== undefined) return scalar(duration, node.at);
  const hint = 'write a number with a unit: 500ms, 30s, 1m30s';
  problems.add('COMPOSE_VALUE', `${showPath(path)}: "${written ?? ''}" is not a duration`, node.at, hint);
  return undefined;
};

/** Compose prints sizes as strings of bytes, and leaves out none at all. */
export const asBytes: Canonical = (node, { problems }, path) => {
  const written = text(node) ?? '';
  const bytes = parseBytes(written);
  if (bytes === 0) return undefined;
  if (bytes !== undefined) return scalar(String(bytes), node.at);
  const message = `${showPath(path)}: "${written}" is not a size`;
  problems.add('COMPOSE_VALUE', message, node.at, 'write a number with a unit: 512k, 64m, 1g');
  return undefined;
};

/** A size of swap, which -1 makes unlimited. */
export const asBytesOrUnlimited: Canonical = (node, context, path) =>
  text(node) === '-1' ? asString(node) : asBytes(node, context, path);

export const asNumber: Canonical = (node, { problems }, path) => {
  if (node.kind !== 'scalar' || typeof node.value === 'number') return node;
  const value = Number(node.value);
  if (typeof node.value === 'string' && node.value.trim() !== '' && Number.isFinite(value)) {
    return scalar(value, node.at);
  }
  problems.add(
    'COMPOSE_TYPE',
    `${showPath(path)} must be a number, not "${text(node) ?? ''}"`,
    node.at,
    'write digits',
  );
  return undefined;
};

/** The octal mode of a file, as Compose prints it: a string of four digits. */
export const asMode: Canonical = (node) => {
  if (node.kind !== 'scalar') return node;
  const digits = typeof node.value === 'number' ? node.value.toString(8) : (text(node) ?? '');
  return scalar(`0${digits.replace(/^0o?/, '')}`, node.at);
};

/** A command line is split into words; null says that the image's own command is meant. */
export const asCommand: Canonical = (node, { problems, onWarning }, path) => {
  const line = text(node);
  if (node.kind !== 'scalar' || line === undefined) return node;
  const words = splitCommand(line);
  if (words === undefined) {
    const hint = 'close the quote, or write the command as a list';
    problems.add('COMPOSE_VALUE', `${showPath(path)}: invalid command line`, node.at, hint);
    return undefined;
  }
  if (hasShellOperator(line)) {
    const { file, line: at } = node.at;
    onWarning?.({
      message: `${showPath(path)}: no shell reads ; & | < > here; use ["sh", "-c", "..."]`,
      file,
      line: at,
    });
  }
  return list(
    words.map((word) => scalar(word, node.at)),
    node.at,
  );
};

/** A path of the host, absolute. */
export const asHostPath: Canonical = (node, { env }) => {
  const path = text(node);
  return path === undefined ? node : scalar(hostPath(path, node.at.folder, env), node.at);
};

function hostPath(path: string, folder: string, env: Environment): string {
  if (path === '') return path;
  if (path === '~' || path.startsWith('~/')) return join(env.HOME ?? homedir(), path.slice(1));
  return isAbsolute(path) || /^([a-zA-Z]:[\\/]|\\\\)/.test(path) ? path : resolve(folder, path);
}

/** Docker takes a build context from the network, an image or another service too. */
const isRemote = (context: string): boolean => /^(.*:\/\/|service:|github\.com\/|git@)/s.test(context);

/** A build context: an absolute path, unless it is one that Docker fetches. */
export const asContext: Canonical = (node, context, path) =>
  isRemote(text(node) ?? '') ? node : asHostPath(node, context, path);

/** Takes the value of each null from the environment; `keepUnset` keeps those that have none. */
export function resolveNulls(
  pairs: Node | undefined,
  env: Environment,
  keepUnset: boolean,
): Node | undefined {
  if (pairs?.kind !== 'map') return pairs;
  return mapEntries(pairs, (value, key) => {
    if (!isNull(value)) return value;
    const found = Object.hasOwn(env, key) ? env[key] : undefined;
    if (found !== undefined) return scalar(found, value.at);
    return keepUnset ? value : undefined;
  });
}

/** The fields of `node`, and the defaults it does not have. */
export function withDefaults(
  node: MapNode,
  defaults: Readonly<Record<string, string | number | boolean>>,
): MapNode {
  const missing = Object.entries(defaults).filter(([key]) => entry(node, key) === undefined);
  return withEntries(node, Object.fromEntries(missing.map(([key, value]) => [key, scalar(value, node.at)])));
}
