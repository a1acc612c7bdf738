import { dirname } from 'node:path';
import type { Assembly } from './assemble.ts';
import { composeError } from './errors.ts';
import { mergeNodes } from './merge.ts';
import { entry, type MapNode, map, mapEntries, type Node, text, withEntries } from './node.ts';
import { parseCompose } from './parse.ts';
import { localPath, readText } from './source.ts';
import { substitute } from './substitute.ts';
import { withoutTags } from './tags.ts';

/** Longer chains of services, each of which extends the next, are an attack. */
const MAX_CHAIN = 100;

/**
 * Puts under each service with `extends` the service that it extends, from the same file or another one.
 *
 * @throws ComposeError COMPOSE_REFERENCE, COMPOSE_CYCLE, COMPOSE_LIMIT, COMPOSE_FILE
 */
export function extendServices(document: MapNode, file: string, assembly: Assembly): MapNode {
  const services = entry(document, 'services');
  if (services?.kind !== 'map') return document;
  const extension = new Extension(assembly);
  const extended = mapEntries(services, (_, name) => extension.extend(name, { document, file }, []));
  return withEntries(document, { services: extended });
}

interface Holder {
  readonly document: MapNode;
  readonly file: string;
}

/** Extends services, and remembers what it read and what came out of it. */
class Extension {
  readonly #assembly: Assembly;
  readonly #files = new Map<string, MapNode>();
  readonly #extended = new Map<string, Node>();

  constructor(assembly: Assembly) {
    this.#assembly = assembly;
  }

  extend(name: string, holder: Holder, chain: readonly string[]): Node {
    const step = `${holder.file}:${name}`;
    const known = this.#extended.get(step);
    if (known !== undefined) return known;
    const service = entry(entry(holder.document, 'services'), name) as Node;
    const extending = entry(service, 'extends');
    if (service.kind !== 'map' || extending === undefined) return service;
    const baseName = text(extending) ?? text(entry(extending, 'service'));
    if (baseName === undefined) {
      const hint = 'write `extends: { service: name }`';
      throw composeError('COMPOSE_VALUE', `services.${name}.extends names no service`, extending.at, hint);
    }
    const origin = this.#baseHolder(extending, holder);
    checkChain([...chain, step, `${origin.file}:${baseName}`], extending);
    if (entry(entry(origin.document, 'services'), baseName) === undefined) {
      const message = `service ${name} extends ${baseName}, which ${origin.file} does not define`;
      throw composeError('COMPOSE_REFERENCE', message, extending.at, 'correct the name, or add `file:`');
    }
    // What a base resets, it resets of its own base.
    const base = withoutTags(this.extend(baseName, origin, [...chain, step])) ?? map([], extending.at);
    const own = withEntries(service, { extends: undefined });
    const extended = mergeNodes(base, own, ['services', name]);
    this.#extended.set(step, extended);
    return extended;
  }

  /** The document that holds the extended service. Paths in another file are relative to that file. */
  #baseHolder(extending: Node, holder: Holder): Holder {
    const named = entry(extending, 'file');
    const path = text(named);
    if (named === undefined || path === undefined) return holder;
    const file = localPath(path, named.at);
    const document = this.#files.get(file) ?? this.#read(file, named);
    this.#files.set(file, document);
    return { document, file };
  }

  #read(file: string, named: Node): MapNode {
    const { env, onWarning } = this.#assembly;
    return parseCompose(readText(file, named.at), file, dirname(file))
      .map((each) => substitute(each, env, onWarning))
      .reduce<MapNode>((base, each) => mergeNodes(base, each, []) as MapNode, map([], named.at));
  }
}

function checkChain(chain: readonly string[], extending: Node): void {
  const last = chain.at(-1) as string;
  const first = chain.indexOf(last);
  if (first < chain.length - 1) {
    const shown = chain.slice(first).map((each) => each.slice(each.lastIndexOf(':') + 1));
    const message = `extends goes round in a circle: ${shown.join(' -> ')}`;
    throw composeError('COMPOSE_CYCLE', message, extending.at, 'extend a third service');
  }
  if (chain.length <= MAX_CHAIN) return;
  const message = `more than ${MAX_CHAIN} services extend one another`;
  throw composeError('COMPOSE_LIMIT', message, extending.at, 'extend fewer');
}
