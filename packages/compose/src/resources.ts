import type { Problems } from './errors.ts';
import { entry, type MapNode, mapEntries, type Node, text, withEntries } from './node.ts';

interface Use {
  readonly kind: 'networks' | 'volumes' | 'secrets' | 'configs' | 'models';
  readonly name: string;
  readonly node: Node;
}

/** Collects the services that use a network, volume, secret, config or model that nobody defines. */
export function checkReferences(document: MapNode, problems: Problems): void {
  for (const [service, node] of mapOf(entry(document, 'services'))) {
    if (['image', 'build', 'provider'].every((field) => entry(node, field) === undefined)) {
      const message = `service ${service} has neither an image nor a build context`;
      problems.add('COMPOSE_VALUE', message, node.at, 'add `image:` or `build:`');
    }
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

/** Compose prints only the networks, volumes, secrets, configs and models that a service uses. */
export function withoutUnusedResources(document: MapNode): MapNode {
  const used = mapOf(entry(document, 'services')).flatMap(([, service]) => uses(service));
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
    mapOf(entry(service, kind)).map(([name, node]) => ({ kind, name, node }));
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

const mapOf = (node: Node | undefined): [string, Node][] => (node?.kind === 'map' ? [...node.entries] : []);
const itemsOf = (node: Node | undefined): readonly Node[] => (node?.kind === 'list' ? node.items : []);
