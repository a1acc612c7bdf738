import type { Problems } from './errors.ts';
import { entriesOf, entry, itemsOf, type MapNode, mapEntries, type Node, text, withEntries } from './node.ts';

interface Use {
  readonly kind: 'networks' | 'volumes' | 'secrets' | 'configs' | 'models';
  readonly name: string;
  readonly node: Node;
}

/** Collects the services that use a network, volume, secret, config or model that nobody defines. */
export function checkReferences(document: MapNode, problems: Problems): void {
  for (const [service, node] of entriesOf(entry(document, 'services'))) {
    for (const use of uses(node)) {
      if (entry(entry(document, use.kind), use.name) !== undefined) continue;
      const message = `service ${service} refers to undefined ${use.kind.slice(0, -1)} ${use.name}`;
      problems.add(
        'COMPOSE_REFERENCE',
        message,
        use.node.at,
        `define it under the top-level \`${use.kind}:\``,
      );
    }
  }
}

const SOURCES = {
  secrets: ['file', 'environment'],
  configs: ['file', 'content', 'environment'],
} as const;

/** Collects secrets and configs without a source, and external resources that also say how to create them. */
export function checkResources(document: MapNode, problems: Problems): void {
  const refuse = (message: string, node: Node, hint: string) =>
    problems.add('COMPOSE_VALUE', message, node.at, hint);
  const isExternal = (resource: Node) => entry(resource, 'external') !== undefined;
  for (const [name, volume] of entriesOf(entry(document, 'volumes'))) {
    const others = entriesOf(volume).flatMap(([field]) =>
      /^(external|name|x-.*)$/.test(field) ? [] : field,
    );
    if (!isExternal(volume) || others.length === 0) continue;
    refuse(
      `volumes.${name} is external and also has ${others.join(', ')}`,
      volume,
      'an external volume only has a name',
    );
  }
  for (const kind of ['secrets', 'configs'] as const) {
    for (const [name, resource] of entriesOf(entry(document, kind))) {
      const sources = SOURCES[kind].filter((field) => entry(resource, field) !== undefined);
      if (sources.length === (isExternal(resource) ? 0 : 1)) continue;
      const allowed = isExternal(resource) ? 'external alone' : `exactly one of ${SOURCES[kind].join(', ')}`;
      const hint = sources.length === 0 ? 'add one' : `it has ${sources.join(', ')}`;
      refuse(`${kind}.${name} must have ${allowed}`, resource, hint);
    }
  }
}

/** Compose prints only the networks, volumes, secrets, configs and models that a service uses. */
export function withoutUnusedResources(document: MapNode): MapNode {
  const used = entriesOf(entry(document, 'services')).flatMap(([, service]) => uses(service));
  const changes: Record<string, Node | undefined> = {};
  for (const kind of ['networks', 'volumes', 'secrets', 'configs', 'models'] as const) {
    const resources = entry(document, kind);
    if (resources?.kind !== 'map') continue;
    const names = new Set(used.filter((use) => use.kind === kind).map(({ name }) => name));
    const kept = mapEntries(resources, (resource, name) => (names.has(name) ? resource : undefined));
    changes[kind] = kept.entries.size === 0 ? undefined : kept;
  }
  return withEntries(document, changes);
}

function uses(service: Node): Use[] {
  const named = (kind: Use['kind']) =>
    entriesOf(entry(service, kind)).map(([name, node]) => ({ kind, name, node }));
  const mounted = (kind: Use['kind'], holder: Node | undefined) =>
    itemsOf(entry(holder, kind)).flatMap((item) => {
      const source = entry(item, 'source');
      const name = text(source);
      return source === undefined || name === undefined ? [] : [{ kind, name, node: source }];
    });
  const volumes = itemsOf(entry(service, 'volumes')).flatMap((item) => {
    const source = entry(item, 'source');
    const name = text(source);
    const isVolume = text(entry(item, 'type')) === 'volume';
    return isVolume && source !== undefined && name !== undefined && name !== ''
      ? [{ kind: 'volumes' as const, name, node: source }]
      : [];
  });
  return [
    ...named('networks'),
    ...named('models'),
    ...volumes,
    ...mounted('secrets', service),
    ...mounted('configs', service),
    ...mounted('secrets', entry(service, 'build')),
  ];
}
