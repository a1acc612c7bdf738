import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  ComposeError,
  type ComposeModel,
  findVariables,
  loadCompose,
  type Service,
} from '@stackyard/compose';
import { checkConfiguration } from '@stackyard/convex-selfhost'; // only: convex
import { afterAll, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const variants = globSync('apps/*/compose.production.yaml', { cwd: root }).map(
  (file) => file.split('/')[1] as string,
);
const filesOf = (variant: string) =>
  ['infra/compose', `apps/${variant}/compose`].flatMap((file) => [`${file}.yaml`, `${file}.production.yaml`]);
const inOrder = (variant: string) => {
  const [base, production, own, ownProduction] = filesOf(variant) as [string, string, string, string];
  return [base, own, production, ownProduction].map((file) => join(root, file));
};
/** Asked for only by those who use what they give access to. */
const optional: readonly string[] = [
  'CONVEX_S3_', // only: convex
];
const required = (variant: string) =>
  findVariables(inOrder(variant), { projectDirectory: root }).filter(
    ({ required, name }) => required && !optional.some((prefix) => name.startsWith(prefix)),
  );

/** A value that every place takes: hexadecimal for secrets, a host name, a path. */
const given = (name: string) =>
  /DIRECTORY|CERTIFICATE/.test(name) ? `/srv/${name.toLowerCase()}` : 'a1'.repeat(32);
const environment = (variant: string): Record<string, string> => ({
  ...Object.fromEntries(required(variant).map(({ name }) => [name, given(name)])),
  ...Object.fromEntries(
    required(variant).flatMap(({ name }) => (name.endsWith('_DOMAIN') ? [[name, 'a.example.org']] : [])),
  ),
  // only: convex
  ...(variant === 'convex-agent' ? { CONVEX_INSTANCE_NAME: 'production' } : {}),
  // /only
});
const resolved = (variant: string, env: Record<string, string>, profiles: string[] = []): ComposeModel =>
  loadCompose({ files: inOrder(variant), env, envFiles: [], projectDirectory: root, profiles });

describe.each(variants)('production of %s', (variant) => {
  test('resolves with the required variables, and with none of them missing', () => {
    expect(Object.keys(resolved(variant, environment(variant)).services)).toContain('postgres');
    for (const { name } of required(variant)) {
      const { [name]: _, ...without } = environment(variant);
      expect(() => resolved(variant, without), name).toThrow(ComposeError);
    }
  });

  test('the page of production lists every required variable', () => {
    const page = read('docs/production.md');
    expect(required(variant).filter(({ name }) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  test('every port is one of this machine alone, and only the proxy has any', () => {
    const { services } = resolved(variant, environment(variant));
    const ports = Object.entries(services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => ({ name, ...port })),
    );
    expect(ports.filter(({ name, host_ip }) => name !== 'proxy' || host_ip !== '127.0.0.1')).toEqual([]);
  });

  test('databases are on the internal network only', () => {
    const { services, networks } = resolved(variant, environment(variant));
    expect(networks).toMatchObject({ data: { internal: true } });
    for (const name of ['postgres', 'redis', 'object-store', 'backup']) {
      const service = services[name];
      if (service) expect(Object.keys(service.networks as object), name).toEqual(['data']);
    }
    const open = Object.entries(services).filter(
      ([, { networks = {} }]) => 'default' in (networks as object),
    );
    expect(open.map(([name]) => name)).toEqual([]);
  });

  test('every container has bounds, and no more rights than it needs', () => {
    for (const [name, service] of Object.entries(resolved(variant, environment(variant)).services)) {
      expect(service, name).toMatchObject({
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        logging: { options: { 'max-size': '10m', 'max-file': '5' } },
        mem_limit: expect.anything(),
        pids_limit: expect.any(Number),
      });
      expect(service.restart, name).toBe(endsByItself(name) ? 'no' : 'unless-stopped');
    }
  });

  test('no default of the development files is left where a secret is', () => {
    const text = JSON.stringify(resolved(variant, environment(variant)));
    expect(text).not.toMatch(/postgres:postgres@|\w-secret["@]/);
  });

  test('what has a password of its own starts after the check of secrets', () => {
    const { services } = resolved(variant, environment(variant));
    const checked = Object.keys(services.preflight?.environment ?? {});
    expect(checked).toContain('SECRET_POSTGRES_PASSWORD');
    const names = [
      'postgres',
      'convex', // only: convex
      'object-store',
    ];
    for (const name of names) {
      if (!services[name]) continue;
      expect(services[name].depends_on?.preflight?.condition, name).toBe('service_completed_successfully');
    }
  });

  test('the database stops in its own time', () => {
    const { stop_signal, stop_grace_period } = resolved(variant, environment(variant)).services
      .postgres as Service;
    expect({ stop_signal, stop_grace_period }).toEqual({ stop_signal: 'SIGINT', stop_grace_period: '2m0s' });
  });
});

// only: convex
describe('Convex in production', () => {
  const findings = (env: Record<string, string>) => {
    const { services } = resolved('convex-agent', { ...environment('convex-agent'), ...env }, ['dashboard']);
    const { convex, dashboard } = services;
    return checkConfiguration({
      environment: convex?.environment ?? {},
      backend: facts(convex),
      dashboard: { ...facts(dashboard), environment: dashboard?.environment ?? {} },
      production: true,
    }).map(({ id }) => id);
  };

  test('has none of the known traps but the one that is meant: no TLS on the internal network', () => {
    expect(findings({})).toEqual(['convex-tls-not-required']);
    const elsewhere = {
      CONVEX_POSTGRES_URL: 'postgresql://u:p@db.example.org:5432',
      CONVEX_DO_NOT_REQUIRE_SSL: '',
    };
    expect(findings(elsewhere)).toEqual([]);
  });

  test('sets all of S3 or nothing', () => {
    const s3 = { CONVEX_S3_PREFIX: 'p', CONVEX_S3_REGION: 'r', CONVEX_S3_KEY: 'k', CONVEX_S3_SECRET: 's' };
    expect(findings(s3)).toEqual(['convex-tls-not-required']);
    expect(findings({ ...s3, CONVEX_S3_ENDPOINT: 'https://s3.example.org' })).toEqual([
      'convex-tls-not-required',
    ]);
    expect(() => findings({ CONVEX_S3_PREFIX: 'p' })).toThrow(/region of the buckets/);
  });
});
// /only

describe('the check of secrets', () => {
  const check = async (env: Record<string, string>) =>
    await new Promise<{ code: number; stderr: string }>((done) => {
      const child = execFile(
        '/bin/sh',
        [join(root, 'infra/preflight.sh')],
        { env: { PATH: process.env.PATH ?? '', ...env } },
        (_, __, stderr) => done({ code: child.exitCode ?? -1, stderr }),
      );
    });

  test('takes secrets that were made for it', async () => {
    const secrets = { SECRET_A: 'f3'.repeat(16), SECRET_HEX_B: 'F3'.repeat(32), OTHER: 'postgres' };
    expect(await check(secrets)).toEqual({ code: 0, stderr: '' });
  });

  test.each([
    ['is empty', { SECRET_A: '' }],
    ['development files', { SECRET_A: 'postgres' }],
    ['development files', { SECRET_A: 'ChangeMe' }],
    ['development files', { SECRET_HEX_A: '0'.repeat(64) }],
    ['shorter', { SECRET_A: 'a1b2c3' }],
    ['64 hexadecimal', { SECRET_HEX_A: 'not hexadecimal at all, but long enough' }],
  ])('refuses what %s: %o', async (reason, env) => {
    const { code, stderr } = await check(env);
    expect(code).toBe(1);
    expect(stderr).toContain(`refused: A`);
    expect(stderr).toContain(reason);
  });

  test('names all of them at once, and no value', async () => {
    const { stderr } = await check({ SECRET_A: 'hunter2', SECRET_B: 'postgres', SECRET_C: 'f3'.repeat(16) });
    expect(stderr.match(/^refused: \w+/gm)).toEqual(['refused: A', 'refused: B']);
    expect(stderr).not.toContain('hunter2');
  });

  test('knows the defaults of the development files', () => {
    const lists = read('infra/preflight.sh').matchAll(/^known=(['"])([^'"]*)/gm);
    const known = [...lists].flatMap(([, , words]) => words?.split(/\s+/) ?? []);
    const files = globSync('{infra,apps/*}/compose.yaml', { cwd: root }).map((file) => join(root, file));
    const defaults = findVariables(files, { projectDirectory: root })
      .filter(({ name }) => /PASSWORD|SECRET|S3_KEY/.test(name))
      .flatMap((variable) => variable.default || []);
    expect(defaults).toContain('postgres');
    expect(defaults.filter((value) => !known.includes(value))).toEqual([]);
  });
});

describe('backups', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stackyard backup-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = (script: string, args: string[], env: Record<string, string> = {}) =>
    new Promise<{ code: number; stdout: string }>((done) => {
      const child = execFile(
        '/bin/sh',
        [join(root, 'infra/backup', script), ...args],
        { env: { PATH: process.env.PATH ?? '', BACKUP_FOLDER: folder, ...env } },
        (_, stdout) => done({ code: child.exitCode ?? -1, stdout }),
      );
    });

  test('are bad without a good one, and when it is too old', async () => {
    const now = Math.floor(Date.now() / 1000);
    expect((await run('backup.sh', ['age'])).code).toBe(1);
    writeFileSync(join(folder, 'last-good'), `${now - 3600 * 40}\n`);
    expect((await run('backup.sh', ['age'])).code).toBe(1);
    expect((await run('backup.sh', ['age'], { BACKUP_MAX_AGE_HOURS: '50' })).code).toBe(0);
    writeFileSync(join(folder, 'last-good'), `${now}\n`);
    expect((await run('backup.sh', ['age'])).code).toBe(0);
  });
});

function endsByItself(name: string): boolean {
  return name === 'preflight' || name === 'setup';
}

// only: convex
function facts(service: Service | undefined) {
  return {
    image: service?.image ?? '',
    stopSignal: service?.stop_signal ?? '',
    stopGracePeriod: service?.stop_grace_period ?? '',
  };
}
// /only
