import { entry, type MapNode, mapEntries, type Node, text, withEntries } from './node.ts';

/** Keeps the services that run with the given profiles, and names the others. */
export function withActiveServices(
  document: MapNode,
  profiles: readonly string[],
): { document: MapNode; disabled: ReadonlySet<string> } {
  const services = entry(document, 'services');
  if (services?.kind !== 'map') return { document, disabled: new Set() };
  const disabled = new Set<string>();
  const active = mapEntries(services, (service, name) => {
    if (isActive(service, profiles)) return service;
    disabled.add(name);
    return undefined;
  });
  return { document: withEntries(document, { services: active }), disabled };
}

function isActive(service: Node, profiles: readonly string[]): boolean {
  const own = entry(service, 'profiles');
  if (own?.kind !== 'list' || own.items.length === 0 || profiles.includes('*')) return true;
  return own.items.some((profile) => profiles.includes(text(profile) ?? ''));
}
