import type { ComposeModel, Service } from '@stackyard/compose';
import type { Stack } from './driver.ts';
import { embeddedField } from './drivers/embedded/fields.ts';
import { mounts } from './drivers/embedded/mounts.ts';
import { choosePort } from './ports.ts';
import type { PortRecord } from './state.ts';

export interface Relocation {
  /** Where state and engines' own files go. */
  readonly stateDirectory: string;
  /** The folder to use in place of one that a service mounts. */
  folder(path: string): string;
  /** Host ports that are free as they are. */
  readonly keepPorts?: ReadonlySet<number>;
  /** Added to `x-embedded.settings` of the services that run PostgreSQL. */
  readonly postgresSettings?: Readonly<Record<string, string>>;
}

/** The same stack beside the real one: on other folders, with other state, and on free ports. */
export async function relocate(stack: Stack, relocation: Relocation): Promise<Stack> {
  const services = Object.fromEntries(
    Object.entries(stack.model.services).map(([name, service]) => [
      name,
      relocateService(stack, service, relocation),
    ]),
  );
  const ports: Record<string, PortRecord[]> = {};
  for (const [name, records] of Object.entries(stack.ports)) {
    ports[name] = await Promise.all(
      records.map(async ({ container, host }) => ({
        container,
        host: relocation.keepPorts?.has(host) ? host : await choosePort(),
      })),
    );
  }
  return {
    ...stack,
    variant: { ...stack.variant, stateDirectory: relocation.stateDirectory },
    model: { ...stack.model, services } as ComposeModel,
    ports,
  };
}

function relocateService(stack: Stack, service: Service, relocation: Relocation): Service {
  const known = mounts(stack, service);
  const volumes = (service.volumes ?? []).map((mount) => {
    const host = known.find(({ target }) => target === mount.target);
    return host ? { ...mount, type: 'bind' as const, source: relocation.folder(host.path) } : mount;
  });
  const field = embeddedField(service);
  const settings = { ...(field?.settings as object | undefined), ...relocation.postgresSettings };
  const embedded =
    field?.engine === 'postgres' && relocation.postgresSettings
      ? { 'x-embedded': { ...field, settings } }
      : {};
  return { ...service, volumes, ...embedded } as Service;
}
