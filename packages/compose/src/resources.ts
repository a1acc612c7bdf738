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
    checkConflicts(service, node, problems);
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

/** Collects the fields of a service that exclude each other. */
function checkConflicts(name: string, service: Node, problems: Problems): void {
  const networkMode = entry(service, 'network_mode');
  const joined = mapOf(entry(service, 'networks')).filter(([, network]) => network.at !== service.at);
  if (networkMode !== undefined && joined.length > 0) {
    const message = `service ${name} declares both network_mode and networks, which exclude each other`;
    problems.add('COMPOSE_VALUE', message, networkMode.at, 'remove one of them');
  }
  const scale = text(entry(service, 'scale'));
  const deploy = entry(service, 'deploy');
  const replicas = text(entry(deploy, 'replicas'));
  if (scale !== undefined && replicas !== undefined && scale !== replicas) {
    const message = `service ${name} sets scale to ${scale} and deploy.replicas to ${replicas}`;
    problems.add('COMPOSE_VALUE', message, entry(service, 'scale')?.at, 'keep one of them');
  }
  const copies = Number(scale ?? replicas ?? 1);
  const container = entry(service, 'container_name');
  if (container !== undefined && copies > 1) {
    const message = `service ${name} has a container_name and runs ${copies} times`;
    problems.add('COMPOSE_VALUE', message, container.at, 'remove container_name: names are unique');
  }
}

/** Collects secrets and configs without a source, and external resources that also say how to create them. */
export function checkResources(document: MapNode, problems: Problems): void {
  for (const kind of ['networks', 'volumes', 'secrets', 'configs'] as const) {
    for (const [name, resource] of mapOf(entry(document, kind))) {
      const fields = mapOf(resource).map(([field]) => field);
      if (entry(resource, 'external') !== undefined) {
        const others = fields.filter(
          (field) => !['external', 'name', 'ipam'].includes(field) && !field.startsWith('x-'),
        );
        if (others.length === 0) continue;
        const message = `${kind}.${name} is external and also has ${others.join(', ')}`;
        problems.add('COMPOSE_VALUE', message, resource.at, 'an external resource only has a name');
      } else if (kind === 'secrets' || kind === 'configs') {
        const sources = ['file', 'environment', 'content', 'driver'].filter((field) =>
          fields.includes(field),
        );
        if (sources.length === 1) continue;
        const message = `${kind}.${name} must have exactly one of file and ${kind === 'secrets' ? '' : 'content and '}environment`;
        problems.add(
          'COMPOSE_VALUE',
          message,
          resource.at,
          sources.length === 0 ? 'add one' : `it has ${sources.join(', ')}`,
        );
      }
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
