import { dirname } from 'node:path';
import type { Assembly } from './assemble.ts';
import { composeError } from './errors.ts';
import { mergeNodes } from './merge.ts';
import { entry, type MapNode, map, mapEntries, type Node, text, withEntries } from './node.ts';
import { parseCompose } from './parse.ts';
import { localPath, readText } from './source.ts';
import { substitute } from './substitute.ts';
import { withoutTags } from './tags.ts';

/**
 * Puts under each service with `extends` the service that it extends, from the same file or another one.
 *
 * @throws ComposeError COMPOSE_REFERENCE, COMPOSE_CYCLE, COMPOSE_FILE
 */
export function extendServices(document: MapNode, file: string, assembly: Assembly): MapNode {
  const services = entry(document, 'services');
  if (services?.kind !== 'map') return document;
  const extended = mapEntries(services, (_, name) => extend(name, { document, file }, assembly, []));
  return withEntries(document, { services: extended });
}

interface Holder {
  readonly document: MapNode;
  readonly file: string;
}

function extend(name: string, holder: Holder, assembly: Assembly, chain: readonly string[]): Node {
  const service = entry(entry(holder.document, 'services'), name) as Node;
  const extending = entry(service, 'extends');
  if (service.kind !== 'map' || extending === undefined) return service;
  const baseName = text(extending) ?? text(entry(extending, 'service'));
  if (baseName === undefined) {
    const hint = 'write `extends: { service: name }`';
    throw composeError('COMPOSE_VALUE', `services.${name}.extends names no service`, extending.at, hint);
  }
  const step = (file: string, each: string) => `${file}:${each}`;
  const visited = [...chain, step(holder.file, name)];
  const origin = baseHolder(extending, holder, assembly);
  if (visited.includes(step(origin.file, baseName))) {
    const circle = [...visited, step(origin.file, baseName)].slice(
      visited.indexOf(step(origin.file, baseName)),
    );
    const shown = circle.map((each) => each.slice(each.lastIndexOf(':') + 1)).join(' -> ');
    throw composeError(
      'COMPOSE_CYCLE',
      `extends goes round in a circle: ${shown}`,
      extending.at,
      'extend a third service',
    );
  }
  if (entry(entry(origin.document, 'services'), baseName) === undefined) {
    const message = `service ${name} extends ${baseName}, which ${origin.file} does not define`;
    throw composeError('COMPOSE_REFERENCE', message, extending.at, 'correct the name, or add `file:`');
  }
  // What a base resets, it resets of its own base.
  const base = withoutTags(extend(baseName, origin, assembly, visited)) ?? map([], extending.at);
  const own = withEntries(service, { extends: undefined });
  return mergeNodes(base, own, ['services', name]);
}

/** The document that holds the extended service. Paths in another file are relative to that file. */
function baseHolder(extending: Node, holder: Holder, { env, onWarning }: Assembly): Holder {
  const named = entry(extending, 'file');
  const path = text(named);
  if (named === undefined || path === undefined) return holder;
  const file = localPath(path, named.at);
  const documents = parseCompose(readText(file, named.at), file, dirname(file));
  const document = documents
    .map((each) => substitute(each, env, onWarning))
    .reduce<MapNode>((base, each) => mergeNodes(base, each, []) as MapNode, map([], named.at));
  return { document, file };
}
