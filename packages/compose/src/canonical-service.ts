import { posix } from 'node:path';
import {
  asBytes,
  asBytesOrUnlimited,
  asCommand,
  asContext,
  asDuration,
  asHostPath,
  asKeyValues,
  asLabels,
  asList,
  asMode,
  asNumber,
  asString,
  asStrings,
  both,
  type Canonical,
  each,
  fields,
  unlessFalse,
  withDefaults,
} from './canonical.ts';
import { started } from './merge.ts';
import {
  entry,
  isNull,
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
import { parsePorts } from './ports.ts';
import { isHostPath, parseVolume } from './volume.ts';

/** All ports of both protocols; several ranges over all of them are an attack. */
const MAX_PORTS = 2 * 65_536;

const ports: Canonical = (node, { problems }, path) => {
  if (node.kind !== 'list') return node;
  const long: Node[] = [];
  for (const item of node.items) {
    long.push(...(item.kind === 'map' ? [longPort(item)] : shortPort(item)));
    if (long.length <= MAX_PORTS) continue;
    const message = `${showPath(path)} has more than ${MAX_PORTS} ports`;
    problems.add('COMPOSE_LIMIT', message, item.at, 'publish fewer');
    return undefined;
  }
  return list(long, node.at);
};

function shortPort(item: Node): Node[] {
  return parsePorts(text(item) ?? '', item.at).map(({ hostIp, target, published, protocol }) =>
    map(
      [
        ['mode', scalar('ingress', item.at)],
        ...(hostIp === undefined ? [] : [['host_ip', scalar(hostIp, item.at)] as const]),
        ['target', scalar(target, item.at)],
        ...(published === undefined ? [] : [['published', scalar(published, item.at)] as const]),
        ['protocol', scalar(protocol, item.at)],
      ],
      item.at,
    ),
  );
}

function longPort(item: MapNode): Node {
  const published = entry(item, 'published');
  const changes = published === undefined ? {} : { published: scalar(text(published) ?? '', published.at) };
  return withDefaults(withEntries(item, changes), { mode: 'ingress', protocol: 'tcp' });
}

const volume: Canonical = (node, context, path) => {
  const mount = node.kind === 'map' ? node : shortVolume(node);
  const bind = entry(mount, 'bind');
  const source = entry(mount, 'source');
  const target = entry(mount, 'target');
  const onHost = text(entry(mount, 'type')) === 'bind' || isHostPath(text(source) ?? '');
  return volumeFields(
    withEntries(mount, {
      ...(source !== undefined && onHost ? { source: asHostPath(source, context, path) as Node } : {}),
      ...(target === undefined ? {} : { target: scalar(cleanTarget(text(target) ?? ''), target.at) }),
      ...(bind?.kind === 'map' ? { bind: withDefaults(bind, { create_host_path: true }) } : {}),
    }),
    context,
    path,
  );
};

const volumeFields = fields({
  read_only: unlessFalse,
  volume: fields({ labels: asLabels, nocopy: unlessFalse }),
  tmpfs: fields({ size: asBytes }),
});

function shortVolume(node: Node): MapNode {
  const spec = parseVolume(text(node) ?? '', node.at);
  const at = node.at;
  const flag = (key: string, value: string | boolean | undefined) =>
    value === undefined || value === false ? [] : [[key, scalar(value, at)] as const];
  const options =
    spec.type === 'bind'
      ? [
          ...flag('create_host_path', true),
          ...flag('propagation', spec.propagation),
          ...flag('selinux', spec.selinux),
        ]
      : flag('nocopy', spec.nocopy);
  return map(
    [
      ['type', scalar(spec.type, at)],
      ...flag('source', spec.source),
      ['target', scalar(spec.target, at)],
      ...flag('read_only', spec.readOnly),
      [spec.type, map(options, at)],
    ],
    at,
  );
}

function cleanTarget(target: string): string {
  const clean = posix.normalize(target);
  return clean.length > 1 ? clean.replace(/\/$/, '') : clean;
}

/** Secrets and configs by name, or with more than a name. */
const fileMount =
  (folder: string | undefined): Canonical =>
  (node, context, path) => {
    const mount = node.kind === 'map' ? node : map([['source', node]], node.at);
    const target = folder === undefined ? {} : { target: `${folder}/${text(entry(mount, 'source')) ?? ''}` };
    return fields({ mode: asMode, uid: asString, gid: asString })(withDefaults(mount, target), context, path);
  };

const device: Canonical = (node) => {
  if (node.kind === 'map') return node;
  const [source = '', target = source, permissions = 'rwm'] = (text(node) ?? '').split(':');
  return map(
    Object.entries({ source, target, permissions }).map(([key, value]) => [key, scalar(value, node.at)]),
    node.at,
  );
};

const dependsOn: Canonical = (node, context, path) => {
  const long = node.kind === 'map' ? node : namesToMap(node, started);
  return each(fields({ restart: unlessFalse }))(
    mapEntries(long, (value) =>
      value.kind === 'map'
        ? withDefaults(value, { condition: 'service_started', required: true })
        : started(value.at),
    ),
    context,
    path,
  );
};

const names: Canonical = (node) => (node.kind === 'map' ? node : namesToMap(node, (at) => scalar(null, at)));

function namesToMap(node: Node, describe: (at: Node['at']) => Node): MapNode {
  const items = node.kind === 'list' ? node.items : isNull(node) ? [] : [node];
  return map(
    items.map((item) => [text(item) ?? '', describe(item.at)]),
    node.at,
  );
}

const envFiles: Canonical = (node, context, path) => {
  return each((file) => {
    const long = file.kind === 'map' ? file : map([['path', file]], file.at);
    return fields({ path: asHostPath })(withDefaults(long, { required: true }), context, path);
  })(asList(node), context, path);
};

/**
 * `host=address` lines in the order of their hosts: Compose takes `=` and `:` between the two, several addresses with
 * commas, and brackets around IPv6.
 */
const extraHosts: Canonical = (node, { problems }, path) => {
  const lines = node.kind === 'map' ? hostLines(node) : node.kind === 'list' ? node.items : [node];
  const hosts = lines.flatMap((line) => {
    const written = text(line) ?? '';
    const [, host, addresses] = /^([^=:]+)=(.*)$/.exec(written) ?? /^([^=:]+):(.*)$/.exec(written) ?? [];
    if (host === undefined || addresses === undefined) {
      const message = `${showPath(path)}: "${written}" names no host and address`;
      problems.add('COMPOSE_VALUE', message, line.at, 'write host=address');
      return [];
    }
    return addresses
      .split(',')
      .map((address) => scalar(`${host}=${address.replace(/^\[(.*)\]$/, '$1')}`, line.at));
  });
  return list(
    hosts.sort((a, b) => (String(a.value) < String(b.value) ? -1 : 1)),
    node.at,
  );
};

function hostLines(node: MapNode): Node[] {
  return [...node.entries].flatMap(([host, addresses]) => {
    const each = addresses.kind === 'list' ? addresses.items : [addresses];
    return each.map((address) => scalar(`${host}=${text(address) ?? ''}`, address.at));
  });
}

const build: Canonical = (node, context, path) => {
  const long = node.kind === 'map' ? node : map([['context', node]], node.at);
  const inline = entry(long, 'dockerfile_inline') !== undefined;
  const defaults = { context: '.', ...(inline ? {} : { dockerfile: 'Dockerfile' }) };
  return buildFields(withDefaults(long, defaults), context, path);
};

const namedContext: Canonical = (node, context, path) => {
  if (!isNull(node)) return asContext(node, context, path);
  const message = `${showPath(path)} has no value`;
  context.problems.add('COMPOSE_VALUE', message, node.at, 'write name=path');
  return undefined;
};

const buildFields = fields({
  context: asContext,
  additional_contexts: both(asKeyValues, each(namedContext)),
  args: asKeyValues,
  extra_hosts: extraHosts,
  labels: asLabels,
  no_cache: unlessFalse,
  privileged: unlessFalse,
  provenance: asString,
  pull: unlessFalse,
  sbom: asString,
  secrets: each(fileMount(undefined)),
  shm_size: asBytes,
  ssh: sshKeys,
});

function sshKeys(node: Node): Node {
  const lines =
    node.kind === 'map'
      ? [...node.entries].map(([id, path]) =>
          scalar(isNull(path) ? id : `${id}=${text(path) ?? ''}`, path.at),
        )
      : node.kind === 'list'
        ? node.items
        : [node];
  return list(lines, node.at);
}

const test: Canonical = (node) =>
  node.kind === 'scalar' ? list([scalar('CMD-SHELL', node.at), asString(node)], node.at) : node;

const hook = fields({ command: asCommand, environment: asKeyValues, privileged: unlessFalse });
const rolling = fields({ delay: asDuration, monitor: asDuration, max_failure_ratio: asNumber });
const deviceCount: Canonical = (node, context, path) =>
  text(node) === 'all' ? scalar(-1, node.at) : asNumber(node, context, path);

/** A request that says neither how many devices nor which ones is for all of them. */
const deviceRequest: Canonical = (node, context, path) =>
  node.kind !== 'map' || entry(node, 'device_ids') !== undefined
    ? deviceFields(node, context, path)
    : deviceFields(withDefaults(node, { count: -1 }), context, path);

const deviceFields = fields({ count: deviceCount, options: asLabels });

const limits = fields({ memory: asBytes, cpus: asNumber, devices: each(deviceRequest) });

const gpus: Canonical = (node, context, path) => {
  if (text(node) === 'all') return list([map([['count', scalar(-1, node.at)]], node.at)], node.at);
  return each(deviceRequest)(node, context, path);
};

/** Compose prints these two always. */
const deploy: Canonical = (node, context, path) => {
  if (node.kind !== 'map') return node;
  const empty = map([], node.at);
  const complete = map([['placement', empty], ['resources', empty], ...node.entries], node.at);
  return deployFields(complete, context, path);
};

const deployFields = fields({
  labels: asLabels,
  resources: fields({ limits, reservations: limits }),
  restart_policy: fields({ delay: asDuration, window: asDuration }),
  rollback_config: rolling,
  update_config: rolling,
});

const rates = each(fields({ rate: asBytes }));

/** The canonical form of each field of a service that has more than one form. */
export const canonicalService = fields({
  annotations: asLabels,
  blkio_config: fields({
    device_read_bps: rates,
    device_write_bps: rates,
    device_read_iops: rates,
    device_write_iops: rates,
  }),
  build,
  command: asCommand,
  configs: each(fileMount(undefined)),
  cpus: asNumber,
  depends_on: dependsOn,
  deploy,
  develop: fields({
    watch: each(fields({ path: asHostPath, ignore: asStrings, include: asStrings, exec: hook })),
  }),
  devices: each(device),
  dns: asStrings,
  dns_search: asStrings,
  entrypoint: asCommand,
  env_file: envFiles,
  environment: asKeyValues,
  expose: asStrings,
  extra_hosts: extraHosts,
  gpus,
  group_add: asStrings,
  healthcheck: fields({
    test,
    disable: unlessFalse,
    interval: asDuration,
    start_interval: asDuration,
    start_period: asDuration,
    timeout: asDuration,
    retries: asNumber,
  }),
  label_file: both(asList, each(asHostPath)),
  labels: asLabels,
  logging: fields({ options: asLabels }),
  mem_limit: asBytes,
  mem_reservation: asBytes,
  mem_swappiness: asBytes,
  memswap_limit: asBytesOrUnlimited,
  models: names,
  networks: both(names, each(fields({ driver_opts: asLabels }))),
  oom_kill_disable: unlessFalse,
  ports,
  post_start: each(hook),
  pre_stop: each(hook),
  privileged: unlessFalse,
  profiles: asStrings,
  provider: fields({ options: each(asStrings) }),
  pull_policy: (node) => (text(node) === 'if_not_present' ? scalar('missing', node.at) : node),
  read_only: unlessFalse,
  secrets: each(fileMount('/run/secrets')),
  shm_size: asBytes,
  stdin_open: unlessFalse,
  stop_grace_period: asDuration,
  storage_opt: asLabels,
  sysctls: asLabels,
  tmpfs: asStrings,
  tty: unlessFalse,
  use_api_socket: unlessFalse,
  volumes: each(volume),
});
