import { error, type Finding, warning } from './finding.ts';

export interface PostgresUrlOptions {
  /** Whether `DO_NOT_REQUIRE_SSL` has any value: the backend demands TLS otherwise. */
  readonly doNotRequireSsl?: boolean | undefined;
  /** Whether the backend runs in a container, where 127.0.0.1 is the container itself. */
  readonly inContainer?: boolean | undefined;
}

interface Parts {
  readonly scheme: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly host: string;
  readonly port: string;
  readonly path: string;
  readonly query: string;
}

// The backend's driver knows these, and refuses the other values that libpq has.
const tlsModes = ['disable', 'prefer', 'require'];

/** Every way in which a `POSTGRES_URL` breaks the rules of the backend, at once. No finding repeats the password. */
export function checkPostgresUrl(url: string, options: PostgresUrlOptions = {}): readonly Finding[] {
  const parts = split(url);
  if (!parts) {
    const message = 'POSTGRES_URL is not a URL of the form postgresql://user:password@host:port.';
    return [error('convex-postgres-url-form', message, example)];
  }
  return [
    ...schemeFindings(parts),
    ...credentialFindings(parts),
    ...hostFindings(parts, options),
    ...databaseFindings(parts),
    ...parameterFindings(parts, options),
  ];
}

const example = 'Write it like postgresql://convex:password@postgres:5432.';

/** Tolerant on purpose: up to the last `@` is user and password, so that one not percent-encoded can be named. */
function split(url: string): Parts | undefined {
  const match =
    /^(?<scheme>[A-Za-z][A-Za-z0-9+.-]*):\/\/(?:(?<credentials>.*)@)?(?<host>\[[^\]]*\]|[^/?#:]*)(?::(?<port>[^/?#]*))?(?<path>\/[^?#]*)?(?<query>\?.*|#.*)?$/s.exec(
      url.trim(),
    );
  if (!match?.groups) return undefined;
  const { scheme = '', credentials = '', host = '', port = '', path = '', query = '' } = match.groups;
  const colon = credentials.indexOf(':');
  const user = colon < 0 ? credentials : credentials.slice(0, colon);
  const password = colon < 0 ? undefined : credentials.slice(colon + 1);
  return { scheme, user, password, host, port, path, query };
}

function schemeFindings({ scheme }: Parts): Finding[] {
  if (scheme === 'postgres' || scheme === 'postgresql') return [];
  return [
    error('convex-postgres-url-scheme', `POSTGRES_URL begins with ${scheme}://, not postgresql://.`, example),
  ];
}

function credentialFindings({ user, password = '' }: Parts): Finding[] {
  const findings: Finding[] = [];
  if (user === '') {
    findings.push(error('convex-postgres-url-user', 'POSTGRES_URL names no user.', example));
  }
  if (![user, password].every(isEncoded)) {
    findings.push(
      error(
        'convex-postgres-url-encoding',
        'The user or password in POSTGRES_URL has characters that must be percent-encoded.',
        "Encode them (node -p 'encodeURIComponent(process.argv[1])'), or take a password of letters and digits.",
      ),
    );
  }
  if (password.includes('$')) {
    const fix = 'Write %24 for $, or take a password of letters and digits.';
    findings.push(
      warning('convex-postgres-url-dollar', 'The password has a $, which Compose files expand.', fix),
    );
  }
  if (password.includes('_')) {
    const message = 'The password has an underscore, with which self-hosters saw failed logins.';
    findings.push(warning('convex-postgres-url-underscore', message, 'Prefer letters and digits alone.'));
  }
  return findings;
}

/** Whether a part holds only what may stand there, and % only before two hexadecimal digits. */
function isEncoded(part: string): boolean {
  return /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/.test(part);
}

function hostFindings({ host, port }: Parts, { inContainer }: PostgresUrlOptions): Finding[] {
  const findings: Finding[] = [];
  if (host === '' || host.includes(',')) {
    const message = `POSTGRES_URL names ${host === '' ? 'no host' : 'several hosts'}; it takes one.`;
    findings.push(error('convex-postgres-url-host', message, example));
  }
  if (port !== '' && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    findings.push(
      error('convex-postgres-url-port', 'The port in POSTGRES_URL is not from 1 to 65535.', example),
    );
  }
  if (inContainer && /^(localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0)$/i.test(host)) {
    findings.push(
      error(
        'convex-postgres-url-loopback',
        `Within a container ${host} is the container itself, not the machine.`,
        'Name the Compose service, or host.docker.internal for a database on the machine.',
      ),
    );
  }
  return findings;
}

function databaseFindings({ path }: Parts): Finding[] {
  if (path === '' || path === '/') return [];
  return [
    error(
      'convex-postgres-url-database',
      'POSTGRES_URL names a database; the backend refuses it ("cluster url already contains db name").',
      'End it after the port. The database is named after INSTANCE_NAME, with _ for -, and must exist.',
    ),
  ];
}

function parameterFindings({ query }: Parts, { doNotRequireSsl = false }: PostgresUrlOptions): Finding[] {
  if (query.startsWith('#')) {
    const fix = 'Write %23 for # in a password, and leave out anything after the port.';
    return [error('convex-postgres-url-fragment', 'POSTGRES_URL has a #, after which nothing is read.', fix)];
  }
  const findings: Finding[] = [];
  const parameters = new URLSearchParams(query);
  const others = [...new Set(parameters.keys())].filter((name) => name !== 'sslmode');
  if (others.length > 0) {
    const message = `POSTGRES_URL has the parameters ${others.join(', ')}; only sslmode is understood.`;
    findings.push(error('convex-postgres-url-parameters', message, 'Leave them out.'));
  }
  const mode = parameters.get('sslmode');
  if (mode !== null && !tlsModes.includes(mode)) {
    const message = `sslmode=${mode} in POSTGRES_URL is none of ${tlsModes.join(', ')}.`;
    findings.push(error('convex-postgres-url-tls-mode', message, 'Leave it out, or use one of these.'));
  }
  if (mode === 'disable' && !doNotRequireSsl) {
    findings.push(
      error(
        'convex-postgres-url-tls',
        'sslmode=disable is refused while the backend demands TLS.',
        'For a server without TLS also set DO_NOT_REQUIRE_SSL=true; otherwise leave sslmode out.',
      ),
    );
  }
  return findings;
}
