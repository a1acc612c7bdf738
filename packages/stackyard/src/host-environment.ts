import type { ComposeModel } from '@stackyard/compose';

/** Where the host reaches the services of a stack. */
export interface HostAddresses {
  /** `undefined` when no process of this stack serves the service, so that nothing can be reached. */
  port(service: string, containerPort: number): number | undefined;
  /** Whether the service runs on this machine at all. */
  runs(service: string): boolean;
}

/** A service's environment as a process on the host must see it. */
export interface HostEnvironment {
  readonly values: Readonly<Record<string, string>>;
  /** Variables left out, each with the service it points at. */
  readonly unset: readonly { readonly name: string; readonly service: string }[];
}

/** Ports that a URL means when it names none. */
const defaultPorts: Readonly<Record<string, number>> = {
  postgres: 5432,
  postgresql: 5432,
  redis: 6379,
  rediss: 6379,
  mysql: 3306,
  amqp: 5672,
  nats: 4222,
  http: 80,
  https: 443,
  ws: 80,
  wss: 443,
};

/**
 * Rewrites references to other services (`postgres:5432`, `http://api`, a `PGHOST`/`PGPORT` pair) to
 * 127.0.0.1 and the published port. A variable that refers to a service which does not run is left out.
 */
export function hostEnvironment(
  model: ComposeModel,
  service: string,
  addresses: HostAddresses,
): HostEnvironment {
  const values: Record<string, string> = {};
  const unset: { name: string; service: string }[] = [];
  const environment = model.services[service]?.environment ?? {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === null) continue;
    const rewritten = rewrite(name, value, environment, model, addresses);
    if (typeof rewritten === 'string') values[name] = rewritten;
    else unset.push({ name, service: rewritten.missing });
  }
  return { values, unset };
}

type Rewritten = string | { readonly missing: string };

function rewrite(
  name: string,
  value: string,
  environment: Readonly<Record<string, string | null>>,
  model: ComposeModel,
  addresses: HostAddresses,
): Rewritten {
  const pair = rewritePair(name, value, environment, model, addresses);
  if (pair !== undefined) return pair;
  let missing: string | undefined;
  const services = Object.keys(model.services).sort((a, b) => b.length - a.length);
  if (services.length === 0) return value;
  const names = services.map((key) => key.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  // Group 1: a URL's scheme and user part. Group 2: the service. Group 3: its port. The look-ahead keeps a
  // user and password of the same spelling (`postgres:5432@db`) from being taken for a host.
  const reference = new RegExp(
    `((?<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://(?:[^\\s/?#@]*@)?|(?<=^|[\\s,;=@'"]))(?<host>${names})(?::(?<port>\\d+))?(?=$|[/?#,;\\s'"])`,
    'g',
  );
  const result = value.replace(reference, (match: string, before: string, ...rest: unknown[]) => {
    const groups = rest.at(-1) as { scheme?: string; host: string; port?: string };
    const target = groups.port
      ? Number(groups.port)
      : defaultPorts[groups.scheme?.split('+')[0]?.toLowerCase() ?? ''];
    // A bare word is no reference: `LOG_NAME: postgres` stays as it is.
    if (target === undefined || (!groups.scheme && !isPortOf(model, groups.host, target))) return match;
    const port = addresses.runs(groups.host) ? addresses.port(groups.host, target) : undefined;
    if (port === undefined) {
      missing ??= groups.host;
      return match;
    }
    return `${before}127.0.0.1:${port}`;
  });
  return missing === undefined ? result : { missing };
}

/** Tells `redis:6379` (a reference) from `redis:7` (an image). */
function isPortOf(model: ComposeModel, service: string, port: number): boolean {
  const { ports = [], expose } = model.services[service] ?? {};
  const known = [...ports.map((entry) => entry.target), ...(Array.isArray(expose) ? expose.map(Number) : [])];
  return known.length > 0 ? known.includes(port) : port >= 80;
}

const hostName = /HOST(NAME)?$/;

/** `PGHOST: postgres` with `PGPORT: 5432` beside it: host and port in two variables. */
function rewritePair(
  name: string,
  value: string,
  environment: Readonly<Record<string, string | null>>,
  model: ComposeModel,
  addresses: HostAddresses,
): Rewritten | undefined {
  const hostKey = hostName.test(name)
    ? name
    : Object.keys(environment).find((key) => hostName.test(key) && key.replace(hostName, 'PORT') === name);
  if (hostKey === undefined) return undefined;
  const service = environment[hostKey];
  if (service === null || service === undefined || !model.services[service]) return undefined;
  if (!addresses.runs(service)) return { missing: service };
  if (name === hostKey) return '127.0.0.1';
  const port = addresses.port(service, Number(value));
  return port === undefined ? { missing: service } : String(port);
}

/** What every process needs of the host, whatever the Compose files say. */
const passedThrough =
  /^(PATH|PATHEXT|HOME|USER|LOGNAME|SHELL|TERM|COLORTERM|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TEMP|TMP|XDG_.*|CI|NO_COLOR|FORCE_COLOR|SSH_AUTH_SOCK|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|NODE_COMPILE_CACHE|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy|npm_config_.*|COREPACK_.*|SYSTEMROOT|COMSPEC|APPDATA|LOCALAPPDATA|USERPROFILE)$/i;

/** The host's part of a child's environment. Other variables reach a process only by way of the Compose files. */
export function hostBasics(source: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const basics: Record<string, string> = {};
  for (const [name, value] of Object.entries(source)) {
    if (value !== undefined && passedThrough.test(name)) basics[name] = value;
  }
  return basics;
}
