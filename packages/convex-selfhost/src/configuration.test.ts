import { describe, expect, test } from 'vitest';
import { issueAdminKey } from './admin-key.ts';
import { checkConfiguration, type SelfhostConfiguration, selfhostChecks } from './configuration.ts';
import { generateInstanceSecret } from './instance.ts';

const secret = generateInstanceSecret();
const revision = '4d3b0a5de955a258e70e3813bbff486051d88820';

const sound = {
  environment: {
    INSTANCE_NAME: 'convex-agent',
    INSTANCE_SECRET: secret,
    POSTGRES_URL: 'postgresql://convex:abc123@postgres:5432',
    CONVEX_CLOUD_ORIGIN: 'https://convex.example.org',
    CONVEX_SITE_ORIGIN: 'https://site.example.org',
    DISABLE_BEACON: 'true',
    REDACT_LOGS_TO_CLIENT: 'true',
  },
  backend: {
    image: `ghcr.io/get-convex/convex-backend:${revision}`,
    stopSignal: 'SIGINT',
    stopGracePeriod: '10s',
  },
  dashboard: {
    image: `ghcr.io/get-convex/convex-dashboard:${revision}`,
    environment: { NEXT_PUBLIC_DEPLOYMENT_URL: 'https://convex.example.org' },
  },
  ports: { api: 3210, site: 3211, dashboard: 6791 },
  stored: { instanceName: 'convex-agent', instanceSecret: `${secret}\n` },
  databases: ['postgres', 'convex_agent'],
  adminKey: issueAdminKey({ instanceName: 'convex-agent', instanceSecret: secret }),
  production: true,
} satisfies SelfhostConfiguration;

type Changes = Omit<Partial<SelfhostConfiguration>, 'environment'> & {
  environment?: Record<string, string | undefined>;
};

function idsOf({ environment, ...changes }: Changes): string[] {
  const configuration = { ...sound, ...changes, environment: { ...sound.environment, ...environment } };
  const findings = checkConfiguration(configuration);
  expect(findings.every(({ message, fix }) => message !== '' && fix !== '')).toBe(true);
  expect(JSON.stringify(findings)).not.toContain(secret);
  return findings.map((finding) => finding.id);
}

test('finds nothing in a sound production configuration, and no error in an empty one', () => {
  expect(idsOf({})).toEqual([]);
  expect(checkConfiguration({ environment: {} }).every(({ severity }) => severity === 'warning')).toBe(true);
});

test('each check has a name of its own and says what it looks after', () => {
  expect(new Set(selfhostChecks.map((check) => check.id)).size).toBe(selfhostChecks.length);
  expect(selfhostChecks.every((check) => check.about !== '')).toBe(true);
});

describe('names the trap', () => {
  const image = (name: string, tag: string) => ({ image: `ghcr.io/get-convex/convex-${name}${tag}` });

  test.each<[string, Changes, string[]]>([
    [
      'of a name that Convex cannot take',
      { environment: { INSTANCE_NAME: 'a b' }, stored: {} },
      ['convex-instance-name'],
    ],
    [
      'of a volume of another name',
      { environment: { INSTANCE_NAME: 'other' } },
      ['convex-instance-name-stored'],
    ],
    [
      'of a volume of another secret, under which the key no longer fits',
      { stored: { instanceName: 'convex-agent', instanceSecret: generateInstanceSecret() } },
      ['convex-instance-secret-stored', 'convex-admin-key-other-secret'],
    ],
    ['of no secret', { environment: { INSTANCE_SECRET: '' }, stored: {} }, ['convex-instance-secret-unset']],
    [
      'of a secret of the wrong form',
      { environment: { INSTANCE_SECRET: 'x' }, stored: {} },
      ['convex-instance-secret'],
    ],
    [
      'of a publicly known secret',
      { environment: { INSTANCE_SECRET: '0'.repeat(64) }, stored: {}, adminKey: '' },
      ['convex-instance-secret-known'],
    ],
    [
      'of a key for another instance',
      { adminKey: issueAdminKey({ instanceName: 'other', instanceSecret: secret }) },
      ['convex-admin-key-other-instance-name'],
    ],
    [
      'of a read-only key',
      { adminKey: issueAdminKey({ instanceName: 'convex-agent', instanceSecret: secret, readOnly: true }) },
      ['convex-admin-key-read-only'],
    ],
    ['of a missing database', { databases: ['convex-agent'] }, ['convex-database-missing']],
    [
      'of a database on the machine',
      { environment: { POSTGRES_URL: 'postgresql://u:p@host.docker.internal:5432' } },
      ['convex-host-gateway'],
    ],
    [
      'of a switch that is on although it says false, with all that follows',
      { environment: { DO_NOT_REQUIRE_SSL: 'false' } },
      ['convex-tls-not-required', 'convex-flag-false'],
    ],
    ['of backend and dashboard apart', { dashboard: image('dashboard', ':other') }, ['convex-images-differ']],
    [
      'of images that move',
      { backend: { ...sound.backend, ...image('backend', '') }, dashboard: image('dashboard', ':latest') },
      ['convex-image-unpinned'],
    ],
    ['of two services on one port', { ports: { api: 3210, site: 3210 } }, ['convex-ports-equal']],
    ['of no origin', { environment: { CONVEX_SITE_ORIGIN: '' } }, ['convex-origin-unset']],
    [
      'of an origin with a path',
      { environment: { CONVEX_SITE_ORIGIN: 'https://a.b/c' } },
      ['convex-origin-form'],
    ],
    [
      'of origins that only containers reach, or only the machine',
      {
        environment: {
          CONVEX_SITE_ORIGIN: 'http://backend:3211',
          CONVEX_CLOUD_ORIGIN: 'http://127.0.0.1:3210',
        },
      },
      ['convex-origin-inside', 'convex-origin-inside'],
    ],
    [
      'of S3 by half',
      {
        environment: { S3_ENDPOINT_URL: 'http://s3:9000', S3_STORAGE_FILES_BUCKET: 'files', AWS_REGION: 'x' },
      },
      ['convex-s3-incomplete', 'convex-s3-path-style'],
    ],
    ['of telemetry', { environment: { DISABLE_BEACON: '' } }, ['convex-telemetry']],
    ['of open logs', { environment: { REDACT_LOGS_TO_CLIENT: undefined } }, ['convex-redact-logs']],
    [
      'of a hard stop',
      { backend: image('backend', `:${revision}`) },
      ['convex-stop-signal', 'convex-stop-grace'],
    ],
    ['of a retention in words', { environment: { DOCUMENT_RETENTION_DELAY: '2d' } }, ['convex-retention']],
    ['that is none: an unknown version', { version: 'unknown\n' }, ['convex-version-unknown']],
  ])('%s', (_, changes, expected) => {
    expect(idsOf(changes)).toEqual(expected);
  });

  test('and takes digests as pinned', () => {
    const pinned = (name: string) => image(name, `@sha256:${name === 'backend' ? 'a' : 'b'}`);
    expect(
      idsOf({ backend: { ...sound.backend, ...pinned('backend') }, dashboard: pinned('dashboard') }),
    ).toEqual([]);
  });
});
