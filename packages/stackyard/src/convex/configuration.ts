import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Service } from '@stackyard/compose';
import type { SelfhostConfiguration, ServiceFacts } from '@stackyard/convex-selfhost';
import type { Stack } from '../driver.ts';

/** What the checks of a self-hosted Convex need to know of a stack; undefined when the stack has no Convex. */
export function convexConfiguration(stack: Stack): SelfhostConfiguration | undefined {
  const name = convexService(stack);
  const service = stack.model.services[name ?? ''];
  if (name === undefined || service === undefined) return undefined;
  const services = Object.entries(stack.model.services);
  const dashboard = services.find(([, { image }]) => image?.includes('convex-dashboard'));
  const adminKey = services
    .filter(([, { environment }]) => leadsTo(environment?.CONVEX_SELF_HOSTED_URL, name))
    .map(([, { environment }]) => environment?.CONVEX_SELF_HOSTED_ADMIN_KEY)
    .find((key) => key);
  const port = (of: string | undefined, container: number) =>
    stack.ports[of ?? '']?.find((record) => record.container === container)?.host;
  return {
    environment: service.environment ?? {},
    backend: factsOf(service),
    ...(dashboard
      ? { dashboard: { ...factsOf(dashboard[1]), environment: dashboard[1].environment ?? {} } }
      : {}),
    ports: defined({ api: port(name, 3210), site: port(name, 3211), dashboard: port(dashboard?.[0], 6791) }),
    stored: storedCredentials(service),
    ...(adminKey ? { adminKey } : {}),
  };
}

/** The name of the service that is the Convex of a stack. */
export function convexService({ model }: Stack): string | undefined {
  return Object.entries(model.services).find(([, service]) => isBackend(service))?.[0];
}

/** The host's port of the Convex API in a stack that has one. */
export function convexApiPort(stack: Stack): number | undefined {
  return stack.ports[convexService(stack) ?? '']?.find((record) => record.container === 3210)?.host;
}

/** Whether an address is that of the stack's own Convex; one that is not set may well be. */
function leadsTo(url: string | null | undefined, service: string): boolean {
  return !url || URL.parse(url)?.hostname === service;
}

function isBackend({ image, environment, 'x-embedded': embedded }: Service): boolean {
  const engine = (embedded as { engine?: unknown } | undefined)?.engine;
  return (
    engine === 'convex' ||
    Boolean(image?.includes('convex-backend')) ||
    environment?.INSTANCE_SECRET !== undefined
  );
}

function factsOf(service: Service): ServiceFacts {
  const {
    image,
    extra_hosts: extraHosts,
    stop_signal: stopSignal,
    stop_grace_period: stopGracePeriod,
  } = service;
  return defined({
    image,
    extraHosts: Array.isArray(extraHosts) ? extraHosts.map(String) : undefined,
    stopSignal,
    stopGracePeriod,
  });
}

/** What an earlier start left in the data folder: it counts, whatever the environment says. */
function storedCredentials(service: Service): NonNullable<SelfhostConfiguration['stored']> {
  const data = service.volumes?.find(
    ({ type, target }) => type === 'bind' && target === '/convex/data',
  )?.source;
  const read = (file: string) => {
    try {
      return readFileSync(path.join(data ?? '', 'credentials', file), 'utf8').trim() || undefined;
    } catch {
      return undefined; // no such folder yet, or one that only the container may read
    }
  };
  return data === undefined
    ? {}
    : defined({ instanceName: read('instance_name'), instanceSecret: read('instance_secret') });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
