import { Problems } from './errors.ts';
import type { MapNode } from './node.ts';
import {
  anything,
  boolean,
  checkType,
  dictionary,
  either,
  fields,
  integer,
  list,
  nothing,
  number,
  oneOf,
  RESOURCE_NAME,
  string,
} from './schema-types.ts';

/*
 * The fields of the Compose specification. A field that may hold a variable takes a string beside its own type, as in
 * the specification; a test holds the names against the specification's JSON schema.
 */
const wholeOrText = either(integer, string);
const numberOrText = either(number, string);
const flag = either(boolean, string);
const strings = list(string, { unique: true });
const stringOrStrings = either(string, strings);
const plain = either(string, number, boolean, nothing);
const pairs = either(dictionary(plain), strings);
const options = dictionary(either(string, number));
const command = either(nothing, string, list(string));
const hosts = either(dictionary(either(string, list(string))), strings);

const ulimits = dictionary(
  either(wholeOrText, fields({ hard: wholeOrText, soft: wholeOrText }, ['soft', 'hard'])),
  /^[a-z]+$/,
);

const mounts = list(
  either(string, fields({ source: string, target: string, uid: string, gid: string, mode: numberOrText })),
);

const hook = fields({ command, user: string, privileged: flag, working_dir: string, environment: pairs }, [
  'command',
]);

const build = either(
  string,
  fields({
    additional_contexts: pairs,
    args: pairs,
    cache_from: list(string),
    cache_to: list(string),
    context: string,
    dockerfile: string,
    dockerfile_inline: string,
    entitlements: list(string),
    extra_hosts: hosts,
    isolation: string,
    labels: pairs,
    network: string,
    no_cache: flag,
    no_cache_filter: stringOrStrings,
    platforms: list(string),
    privileged: flag,
    provenance: flag,
    pull: flag,
    sbom: flag,
    secrets: mounts,
    shm_size: wholeOrText,
    ssh: either(string, dictionary(plain), strings),
    tags: list(string),
    target: string,
    ulimits,
  }),
);

const deviceRequests = list(
  fields({ capabilities: strings, count: wholeOrText, device_ids: strings, driver: string, options: pairs }),
);

const rolling = fields({
  delay: string,
  failure_action: string,
  max_failure_ratio: numberOrText,
  monitor: string,
  order: oneOf('start-first', 'stop-first'),
  parallelism: wholeOrText,
});

const deploy = either(
  nothing,
  fields({
    endpoint_mode: string,
    labels: pairs,
    mode: string,
    placement: fields({
      constraints: list(string),
      max_replicas_per_node: wholeOrText,
      preferences: list(fields({ spread: string })),
    }),
    replicas: wholeOrText,
    resources: fields({
      limits: fields({ cpus: numberOrText, memory: string, pids: wholeOrText }),
      reservations: fields({
        cpus: numberOrText,
        devices: deviceRequests,
        generic_resources: list(
          fields({ discrete_resource_spec: fields({ kind: string, value: numberOrText }) }),
        ),
        memory: string,
      }),
    }),
    restart_policy: fields({ condition: string, delay: string, max_attempts: wholeOrText, window: string }),
    rollback_config: rolling,
    update_config: rolling,
  }),
);

const develop = either(
  nothing,
  fields({
    watch: list(
      fields(
        {
          action: oneOf('rebuild', 'sync', 'restart', 'sync+restart', 'sync+exec'),
          exec: hook,
          ignore: stringOrStrings,
          include: stringOrStrings,
          initial_sync: flag,
          path: string,
          target: string,
        },
        ['path', 'action'],
      ),
    ),
  }),
);

const healthcheck = fields({
  disable: flag,
  interval: string,
  retries: numberOrText,
  start_interval: string,
  start_period: string,
  test: either(string, list(string)),
  timeout: string,
});

const port = either(
  number,
  string,
  fields({
    app_protocol: string,
    host_ip: string,
    mode: string,
    name: string,
    protocol: string,
    published: wholeOrText,
    target: wholeOrText,
  }),
);

const volume = either(
  string,
  fields(
    {
      bind: fields({
        create_host_path: flag,
        propagation: string,
        recursive: oneOf('enabled', 'disabled', 'writable', 'readonly'),
        selinux: oneOf('z', 'Z'),
      }),
      consistency: string,
      image: fields({ subpath: string }),
      read_only: flag,
      source: string,
      target: string,
      tmpfs: fields({ mode: numberOrText, size: wholeOrText }),
      type: oneOf('bind', 'volume', 'tmpfs', 'cluster', 'npipe', 'image'),
      volume: fields({ labels: pairs, nocopy: flag, subpath: string }),
    },
    ['type'],
  ),
);

const serviceNetwork = either(
  nothing,
  fields({
    aliases: strings,
    driver_opts: options,
    gw_priority: numberOrText,
    interface_name: string,
    ipv4_address: string,
    ipv6_address: string,
    link_local_ips: strings,
    mac_address: string,
    priority: numberOrText,
  }),
);

const dependency = fields(
  {
    condition: oneOf('service_started', 'service_healthy', 'service_completed_successfully'),
    required: flag,
    restart: flag,
  },
  ['condition'],
);

const rates = list(fields({ path: string, rate: wholeOrText }));

const service = fields({
  annotations: pairs,
  attach: flag,
  blkio_config: fields({
    device_read_bps: rates,
    device_read_iops: rates,
    device_write_bps: rates,
    device_write_iops: rates,
    weight: wholeOrText,
    weight_device: list(fields({ path: string, weight: wholeOrText })),
  }),
  build,
  cap_add: strings,
  cap_drop: strings,
  cgroup: oneOf('host', 'private'),
  cgroup_parent: string,
  command,
  configs: mounts,
  container_name: string,
  cpu_count: wholeOrText,
  cpu_percent: numberOrText,
  cpu_period: numberOrText,
  cpu_quota: numberOrText,
  cpu_rt_period: numberOrText,
  cpu_rt_runtime: numberOrText,
  cpu_shares: numberOrText,
  cpus: numberOrText,
  cpuset: string,
  credential_spec: fields({ config: string, file: string, registry: string }),
  depends_on: either(strings, dictionary(dependency, RESOURCE_NAME)),
  deploy,
  develop,
  device_cgroup_rules: strings,
  devices: list(either(string, fields({ permissions: string, source: string, target: string }, ['source']))),
  dns: stringOrStrings,
  dns_opt: strings,
  dns_search: stringOrStrings,
  domainname: string,
  entrypoint: command,
  env_file: either(
    string,
    list(either(string, fields({ format: string, path: string, required: flag }, ['path']))),
  ),
  environment: pairs,
  expose: list(either(string, number), { unique: true }),
  extends: either(string, fields({ file: string, service: string }, ['service'])),
  external_links: strings,
  extra_hosts: hosts,
  gpus: either(string, deviceRequests),
  group_add: list(either(string, number), { unique: true }),
  healthcheck,
  hostname: string,
  image: string,
  init: flag,
  ipc: string,
  isolation: string,
  label_file: either(string, list(string)),
  labels: pairs,
  links: strings,
  logging: fields({ driver: string, options: dictionary(either(string, number, nothing)) }),
  mac_address: string,
  mem_limit: numberOrText,
  mem_reservation: wholeOrText,
  mem_swappiness: wholeOrText,
  memswap_limit: numberOrText,
  models: either(
    strings,
    dictionary(either(nothing, fields({ endpoint_var: string, model_var: string })), RESOURCE_NAME),
  ),
  network_mode: string,
  networks: either(strings, dictionary(serviceNetwork, RESOURCE_NAME)),
  oom_kill_disable: flag,
  oom_score_adj: wholeOrText,
  pid: either(string, nothing),
  pids_limit: numberOrText,
  platform: string,
  ports: list(port, { unique: true }),
  post_start: list(hook),
  pre_stop: list(hook),
  privileged: flag,
  profiles: strings,
  provider: fields(
    {
      options: dictionary(either(string, number, boolean, list(either(string, number, boolean)))),
      type: string,
    },
    ['type'],
  ),
  pull_policy: string,
  pull_refresh_after: string,
  read_only: flag,
  restart: string,
  runtime: string,
  scale: wholeOrText,
  secrets: mounts,
  security_opt: strings,
  shm_size: numberOrText,
  stdin_open: flag,
  stop_grace_period: string,
  stop_signal: string,
  storage_opt: dictionary(anything),
  sysctls: pairs,
  tmpfs: stringOrStrings,
  tty: flag,
  ulimits,
  use_api_socket: flag,
  user: string,
  userns_mode: string,
  uts: string,
  volumes: list(volume),
  volumes_from: strings,
  working_dir: string,
});

const external = either(flag, fields({ name: string }));

const network = either(
  nothing,
  fields({
    attachable: flag,
    driver: string,
    driver_opts: options,
    enable_ipv4: flag,
    enable_ipv6: flag,
    external,
    internal: flag,
    ipam: fields({
      config: list(
        fields({ aux_addresses: dictionary(string), gateway: string, ip_range: string, subnet: string }),
      ),
      driver: string,
      options: dictionary(string),
    }),
    labels: pairs,
    name: string,
  }),
);

const namedVolume = either(
  nothing,
  fields({ driver: string, driver_opts: options, external, labels: pairs, name: string }),
);

const secret = fields({
  driver: string,
  driver_opts: options,
  environment: string,
  external,
  file: string,
  labels: pairs,
  name: string,
  template_driver: string,
});

const config = fields({
  content: string,
  environment: string,
  external,
  file: string,
  labels: pairs,
  name: string,
  template_driver: string,
});

const model = fields({ context_size: integer, model: string, name: string, runtime_flags: list(string) }, [
  'model',
]);

const file = fields({
  configs: dictionary(config, RESOURCE_NAME),
  include: list(
    either(string, fields({ env_file: stringOrStrings, path: stringOrStrings, project_directory: string })),
  ),
  models: dictionary(model, RESOURCE_NAME),
  name: string,
  networks: dictionary(network, RESOURCE_NAME),
  secrets: dictionary(secret, RESOURCE_NAME),
  services: dictionary(service, RESOURCE_NAME),
  version: string,
  volumes: dictionary(namedVolume, RESOURCE_NAME),
});

/** @throws ComposeError with every unknown field (COMPOSE_UNKNOWN_FIELD) and wrong type (COMPOSE_TYPE) */
export function checkSchema(document: MapNode): void {
  const problems = new Problems();
  checkType(document, file, [], problems);
  problems.throwIfAny();
}
