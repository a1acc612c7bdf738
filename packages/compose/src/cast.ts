import { composeError, type OnWarning } from './errors.ts';
import { type Path, PathTable, type ScalarNode, scalar, showPath } from './node.ts';

type Cast = (value: string) => number | boolean | undefined;

/** Fields whose interpolated text becomes a number or a boolean; all others stay text. */
const CASTS = new PathTable<{ cast: Cast; what: string }>([
  ...casts(integer, 'a whole number', [
    'services.*.cpu_count',
    'services.*.cpu_period',
    'services.*.cpu_quota',
    'services.*.cpu_rt_period',
    'services.*.cpu_rt_runtime',
    'services.*.cpu_shares',
    'services.*.deploy.placement.max_replicas_per_node',
    'services.*.deploy.replicas',
    'services.*.deploy.resources.limits.pids',
    'services.*.deploy.restart_policy.max_attempts',
    'services.*.deploy.rollback_config.parallelism',
    'services.*.deploy.update_config.parallelism',
    'services.*.healthcheck.retries',
    'services.*.mem_swappiness',
    'services.*.networks.*.gw_priority',
    'services.*.networks.*.priority',
    'services.*.oom_score_adj',
    'services.*.pids_limit',
    'services.*.ports.*.target',
    'services.*.scale',
    'services.*.ulimits.*',
    'services.*.ulimits.*.hard',
    'services.*.ulimits.*.soft',
  ]),
  ...casts(float, 'a number', [
    'services.*.cpu_percent',
    'services.*.cpus',
    'services.*.deploy.resources.limits.cpus',
    'services.*.deploy.resources.reservations.cpus',
    'services.*.deploy.rollback_config.max_failure_ratio',
    'services.*.deploy.update_config.max_failure_ratio',
  ]),
  ...casts(boolean, 'true or false', [
    'configs.*.external',
    'networks.*.attachable',
    'networks.*.enable_ipv4',
    'networks.*.enable_ipv6',
    'networks.*.external',
    'networks.*.internal',
    'secrets.*.external',
    'services.*.attach',
    'services.*.build.no_cache',
    'services.*.build.privileged',
    'services.*.build.pull',
    'services.*.depends_on.*.required',
    'services.*.depends_on.*.restart',
    'services.*.env_file.*.required',
    'services.*.healthcheck.disable',
    'services.*.init',
    'services.*.oom_kill_disable',
    'services.*.privileged',
    'services.*.read_only',
    'services.*.stdin_open',
    'services.*.tty',
    'services.*.use_api_socket',
    'services.*.volumes.*.bind.create_host_path',
    'services.*.volumes.*.read_only',
    'services.*.volumes.*.volume.nocopy',
    'volumes.*.external',
  ]),
]);

/**
 * The value of an interpolated scalar in the type of its field.
 *
 * @throws ComposeError COMPOSE_TYPE when the text is not of that type.
 */
export function castScalar(node: ScalarNode, path: Path, onWarning?: OnWarning): ScalarNode {
  if (typeof node.value !== 'string') return node;
  const found = CASTS.get(path);
  if (found === undefined) return node;
  const { cast, what } = found;
  const value = cast(node.value);
  if (value === undefined) {
    const message = `${showPath(path)} must be ${what}, not ${JSON.stringify(node.value)}`;
    throw composeError('COMPOSE_TYPE', message, node.at, `write ${what}, or give the variable such a value`);
  }
  if (typeof value === 'boolean' && !/^(true|false)$/i.test(node.value)) {
    const { file, line } = node.at;
    onWarning?.({
      message: `${showPath(path)}: write ${value}; YAML 1.2 does not know ${node.value}`,
      file,
      line,
    });
  }
  return scalar(value, node.at);
}

function casts(cast: Cast, what: string, patterns: readonly string[]) {
  return patterns.map((pattern) => [pattern, { cast, what }] as const);
}

function integer(value: string): number | undefined {
  return /^[-+]?\d+$/.test(value) ? Number(value) : undefined;
}

function float(value: string): number | undefined {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value) ? Number(value) : undefined;
}

function boolean(value: string): boolean | undefined {
  if (/^(true|y|yes|on)$/i.test(value)) return true;
  return /^(false|n|no|off)$/i.test(value) ? false : undefined;
}
