import {
  asHostPath,
  asLabels,
  type Canonical,
  type Context,
  each,
  fields,
  resolveNulls,
  unlessFalse,
  withDefaults,
} from './canonical.ts';
import { canonicalService } from './canonical-service.ts';
import { parseEnvFile, parseRawEnvFile } from './env-file.ts';
import { composeError } from './errors.ts';
import {
  entriesOf,
  entry,
  isNull,
  itemsOf,
  type MapNode,
  map,
  mapEntries,
  type Node,
  scalar,
  text,
  withEntries,
} from './node.ts';
import { readUtf8, whyUnreadable } from './source.ts';

const RESOURCES = ['networks', 'volumes', 'configs', 'secrets'] as const;

const resourceFields = fields({
  attachable: unlessFalse,
  driver_opts: asLabels,
  external: unlessFalse,
  file: asHostPath,
  internal: unlessFalse,
  ipam: fields({ options: asLabels }),
  labels: asLabels,
});

/** A local volume with `o: bind` is a folder of the host. */
const canonicalResource: Canonical = (node, context, path) => {
  const options = entry(node, 'driver_opts');
  const device = entry(options, 'device');
  const isBind =
    path[0] === 'volumes' && text(entry(node, 'driver')) === 'local' && text(entry(options, 'o')) === 'bind';
  if (!isBind || device === undefined || node.kind !== 'map' || options?.kind !== 'map')
    return resourceFields(node, context, path);
  const bound = withEntries(options, { device: asHostPath(device, context, path) as Node });
  return resourceFields(withEntries(node, { driver_opts: bound }), context, path);
};

/** Every field in its long form. */
export function canonicalDocument(document: MapNode, context: Context): MapNode {
  const canonical: Record<string, Node | undefined> = {};
  const services = entry(document, 'services');
  if (services !== undefined) canonical.services = each(canonicalService)(services, context, ['services']);
  for (const kind of RESOURCES) {
    const resources = entry(document, kind);
    if (resources === undefined) continue;
    const filled = each((node, at, path) => (isNull(node) ? map([], node.at) : externalName(node, at, path)))(
      resources,
      context,
      [kind],
    );
    canonical[kind] = filled && each(canonicalResource)(filled, context, [kind]);
  }
  const models = entry(document, 'models');
  if (models !== undefined) canonical.models = models;
  return withEntries(document, canonical);
}

/** `external: { name: x }` is the old way to write `external: true` and `name: x`. */
function externalName(node: Node, { problems }: Context, path: readonly string[]): Node {
  const external = entry(node, 'external');
  if (node.kind !== 'map' || external?.kind !== 'map') return node;
  const own = entry(node, 'name');
  const name = entry(external, 'name') ?? own;
  if (own !== undefined && text(own) !== text(name)) {
    const message = `${path.join('.')} has a name and another external.name`;
    problems.add('COMPOSE_VALUE', message, external.at, 'write `external: true` and the name');
  }
  return withEntries(node, { external: scalar(true, external.at), ...(name === undefined ? {} : { name }) });
}

/** What Compose adds to a complete document: names, the default network, environments, implied dependencies. */
export function normalize(document: MapNode, name: string, context: Context): MapNode {
  const services = entry(document, 'services');
  const normalized =
    services?.kind === 'map'
      ? mapEntries(services, (service) =>
          service.kind === 'map' ? normalizeService(service, context) : service,
        )
      : map([], document.at);
  const named = map([['name', scalar(name, document.at)], ...document.entries], document.at);
  const changes = { name: scalar(name, document.at), services: normalized, version: undefined };
  return nameResources(withEntries(named, changes), name);
}

function normalizeService(service: MapNode, context: Context): MapNode {
  const { env, problems } = context;
  const build = entry(service, 'build');
  const deploy = entry(service, 'deploy');
  const scale = entry(service, 'scale');
  const changes: Record<string, Node | undefined> = {
    environment: problems.collect(() => environmentOf(service, context)),
    env_file: undefined,
    extends: undefined,
    labels: problems.collect(() => labelsOf(service, context)),
    label_file: undefined,
    depends_on: withImpliedDependencies(service),
    ...(build?.kind === 'map' ? { build: withEntries(build, { args: argsOf(build, env) }) } : {}),
    ...(deploy?.kind === 'map' && scale !== undefined
      ? { deploy: map([['replicas', scale], ...deploy.entries], deploy.at) }
      : {}),
    ...defaultNetwork(service),
  };
  const complete = withEntries(service, changes);
  // Compose prints these two always, and leaves out what is empty.
  return withEntries(dropEmpty(complete), {
    command: entry(complete, 'command') ?? scalar(null, service.at),
    entrypoint: entry(complete, 'entrypoint') ?? scalar(null, service.at),
  });
}

function argsOf(build: MapNode, env: Context['env']): Node | undefined {
  const args = resolveNulls(entry(build, 'args'), env, false);
  return entriesOf(args).length === 0 ? undefined : args;
}

function defaultNetwork(service: MapNode): Record<string, Node> {
  const networks = entry(service, 'networks');
  if (entry(service, 'network_mode') !== undefined || entry(service, 'provider') !== undefined) return {};
  if (networks?.kind === 'map' && networks.entries.size > 0) return {};
  return { networks: map([['default', scalar(null, service.at)]], service.at) };
}

function dropEmpty(service: MapNode): MapNode {
  return mapEntries(service, (value, key) => {
    if (key.startsWith('x-') || key === 'command' || key === 'entrypoint') return value;
    const empty =
      (value.kind === 'list' && value.items.length === 0) ||
      (value.kind === 'map' && value.entries.size === 0);
    return empty ? undefined : value;
  });
}

/** `environment` over the env files, of which a later one wins; a key without a value takes the project's. */
function environmentOf(service: MapNode, context: Context): Node | undefined {
  const { env } = context;
  const own = resolveNulls(entry(service, 'environment'), env, true);
  const files = entry(service, 'env_file');
  if (files?.kind !== 'list') return own;
  const variables = new Map<string, Node>();
  const visible = { ...variablesOf(own), ...env };
  for (const file of files.items) {
    for (const [key, value] of Object.entries(readEnvFile(file, { ...context, env: visible }))) {
      variables.set(key, scalar(value, file.at));
    }
  }
  for (const [key, value] of own?.kind === 'map' ? own.entries : []) {
    variables.set(key, value);
  }
  return map(variables, own?.at ?? files.at);
}

function variablesOf(node: Node | undefined): Record<string, string> {
  if (node?.kind !== 'map') return {};
  return Object.fromEntries(
    [...node.entries].flatMap(([key, value]) => (isNull(value) ? [] : [[key, text(value) ?? '']])),
  );
}

function labelsOf(service: MapNode, context: Context): Node | undefined {
  const own = entry(service, 'labels');
  const files = entry(service, 'label_file');
  if (files?.kind !== 'list') return own;
  const labels = new Map<string, Node>();
  for (const file of files.items) {
    for (const [key, value] of Object.entries(readEnvFile(file, context)))
      labels.set(key, scalar(value, file.at));
  }
  for (const [key, value] of own?.kind === 'map' ? own.entries : []) labels.set(key, value);
  return map(labels, own?.at ?? files.at);
}

function readEnvFile(file: Node, { env, onWarning }: Context): Record<string, string> {
  const path = text(entry(file, 'path') ?? file) ?? '';
  const format = text(entry(file, 'format'));
  const required = entry(file, 'required');
  if (format !== undefined && format !== 'raw') {
    const hint = 'use `format: raw`, or leave it out';
    throw composeError(
      'COMPOSE_UNSUPPORTED',
      `the env file format ${format} is not supported`,
      file.at,
      hint,
    );
  }
  let content: string;
  try {
    content = readUtf8(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && required?.kind === 'scalar' && required.value === false) return {};
    const hint = 'create it, or write `required: false` beside its path';
    throw composeError(
      'COMPOSE_FILE',
      `cannot read the env file ${path}: ${whyUnreadable(error)}`,
      file.at,
      hint,
      error,
    );
  }
  return format === 'raw'
    ? parseRawEnvFile(content)
    : parseEnvFile(content, { env, file: path, ...(onWarning === undefined ? {} : { onWarning }) });
}

/** Sharing a network, a namespace or volumes with a service means to start after it. */
function withImpliedDependencies(service: MapNode): Node | undefined {
  const written = entry(service, 'depends_on');
  const entries = new Map(written?.kind === 'map' ? written.entries : []);
  const add = (name: string, at: Node['at'], restart: boolean) => {
    if (entries.has(name)) return;
    const restarts = restart ? [['restart', scalar(true, at)] as const] : [];
    entries.set(
      name,
      map([['condition', scalar('service_started', at)], ...restarts, ['required', scalar(true, at)]], at),
    );
  };
  for (const link of itemsOf(entry(service, 'links')))
    add((text(link) ?? '').split(':')[0] as string, link.at, true);
  for (const field of ['network_mode', 'ipc', 'pid', 'uts', 'cgroup']) {
    const value = entry(service, field);
    const shared = /^service:(.+)$/.exec(text(value) ?? '')?.[1];
    if (shared !== undefined && value !== undefined) add(shared, value.at, true);
  }
  for (const from of itemsOf(entry(service, 'volumes_from'))) {
    const source = text(from) ?? '';
    if (!source.startsWith('container:')) add(source.split(':')[0] as string, from.at, false);
  }
  return entries.size === 0 ? undefined : map(entries, written?.at ?? service.at);
}

/** Resources are called by the project and their key, unless they say otherwise. */
function nameResources(document: MapNode, project: string): MapNode {
  const changes: Record<string, Node | undefined> = {};
  for (const kind of RESOURCES) {
    const written = entry(document, kind);
    const resources = new Map(written?.kind === 'map' ? written.entries : []);
    if (kind === 'networks' && !resources.has('default') && usesDefaultNetwork(document)) {
      resources.set('default', map([], document.at));
    }
    for (const [key, resource] of resources) {
      if (resource.kind !== 'map') continue;
      const external = entry(resource, 'external') !== undefined;
      const named = withDefaults(resource, { name: external ? key : `${project}_${key}` });
      const ipam = entry(named, 'ipam') ?? map([], named.at);
      resources.set(key, kind === 'networks' ? withEntries(named, { ipam }) : named);
    }
    changes[kind] = resources.size === 0 ? undefined : map(resources, written?.at ?? document.at);
  }
  return withEntries(document, changes);
}

function usesDefaultNetwork(document: MapNode): boolean {
  const services = entry(document, 'services');
  if (services?.kind !== 'map') return false;
  return [...services.entries.values()].some(
    (service) => entry(entry(service, 'networks'), 'default') !== undefined,
  );
}
