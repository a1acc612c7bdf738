import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateInstanceSecret, inspectAdminKey, issueAdminKey } from '@stackyard/convex-selfhost';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { main } from './main.ts';

const instanceSecret = generateInstanceSecret();
const instance = { instanceName: 'my-agents', instanceSecret };
let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'stackyard convex '));
  write('infra/compose.yaml', 'services: {}\n');
  write(
    'apps/agents/compose.yaml',
    `services:
  convex:
    image: ghcr.io/get-convex/convex-backend:4d3b0a5de955a258e70e3813bbff486051d88820
    environment:
      INSTANCE_NAME: my-agents
      INSTANCE_SECRET: \${CONVEX_INSTANCE_SECRET:-}
      CONVEX_CLOUD_ORIGIN: http://127.0.0.1:3219
      CONVEX_SITE_ORIGIN: http://127.0.0.1:3220
      DISABLE_BEACON: "true"
    ports: ["127.0.0.1:3219:3210"]
    volumes: ["./data/agents/convex:/convex/data"]
    stop_signal: SIGINT
    stop_grace_period: 10s
`,
  );
  write('apps/agents/package.json', '{ "name": "agents", "private": true }\n');
  write('.env', `CONVEX_INSTANCE_SECRET=${instanceSecret}\n`);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

/** A service that is given a key, for the Convex beside it or for one elsewhere. */
function addRunner(issuer: typeof instance, url = 'http://convex:3210'): void {
  const file = 'apps/agents/compose.yaml';
  write(
    file,
    `${readFileSync(path.join(root, file), 'utf8')}  runner:
    image: node
    environment:
      CONVEX_SELF_HOSTED_URL: ${url}
      CONVEX_SELF_HOSTED_ADMIN_KEY: "${issueAdminKey(issuer)}"
`,
  );
}

async function cli(args: readonly string[], environment: Record<string, string> = {}) {
  return run(['convex', ...args], environment);
}

async function run(args: readonly string[], environment: Record<string, string> = {}) {
  const written = { out: '', err: '' };
  const sink = (stream: 'out' | 'err') => ({
    isTTY: false,
    write: (text: string) => {
      written[stream] += text;
      return true;
    },
  });
  const surroundings = {
    cwd: root,
    environment,
    interactive: false,
    stdout: sink('out'),
    stderr: sink('err'),
  };
  const code = await main(args, surroundings);
  return { code, ...written };
}

describe('admin-key', () => {
  test("issues a key for the variant's own Convex", async () => {
    const { code, out } = await cli(['admin-key', 'agents']);
    expect(code).toBe(0);
    expect(inspectAdminKey(out, instance).verdict).toBe('valid');
  });

  test('prefers what the data folder was made with', async () => {
    const stored = generateInstanceSecret();
    write('data/agents/convex/credentials/instance_secret', `${stored}\n`);
    const { out } = await cli(['admin-key', '--format', 'gcm-siv', '--read-only']);
    expect(inspectAdminKey(out, { ...instance, instanceSecret: stored })).toMatchObject({
      verdict: 'read-only',
      content: { format: 'gcm-siv' },
    });
  });

  test('serves a backend elsewhere, with its secret from a file or the environment', async () => {
    write('elsewhere.secret', `${instanceSecret}\n`);
    const other = { instanceName: 'tacos', instanceSecret };
    const fromFile = await cli([
      'admin-key',
      '--instance-name',
      'tacos',
      '--secret-file',
      'elsewhere.secret',
    ]);
    expect(inspectAdminKey(fromFile.out, other).verdict).toBe('valid');
    const fromEnvironment = await cli(['admin-key', '--instance-name', 'tacos'], {
      INSTANCE_SECRET: instanceSecret,
    });
    expect(inspectAdminKey(fromEnvironment.out, other).verdict).toBe('valid');
    const without = await cli(['admin-key', '--instance-name', 'tacos']);
    expect(without).toMatchObject({ code: 2, out: '' });
    expect(without.err).toContain('--secret-file');
  });

  test('says what to do while the secret is not known', async () => {
    rmSync(path.join(root, '.env'));
    const { code, err } = await cli(['admin-key']);
    expect(code).toBe(1);
    expect(err).toMatch(/^error STACKYARD_CONVEX_SECRET: .*\nnext: start the stack once/);
  });
});

describe('check-key', () => {
  test.each([
    ['valid', instance, 0],
    ['other-instance-name', { ...instance, instanceName: 'tacos' }, 1],
    ['other-secret', { ...instance, instanceSecret: generateInstanceSecret() }, 1],
  ])('names the verdict %s', async (verdict, issuer, expected) => {
    const key = issueAdminKey(issuer);
    const { code, out } = await cli(['check-key', 'agents'], { CONVEX_SELF_HOSTED_ADMIN_KEY: key });
    expect(code).toBe(expected);
    expect(out).toContain(`${verdict}: `);
    expect(out).not.toContain(key.split('|')[1]);
  });

  test('takes the key from a file or from .env.local, and prints JSON for programs', async () => {
    write('key', issueAdminKey(instance));
    expect((await cli(['check-key', '--key-file', 'key'])).code).toBe(0);
    write('apps/agents/.env.local', `CONVEX_SELF_HOSTED_ADMIN_KEY='${issueAdminKey(instance)}'\n`);
    const { code, out } = await cli(['check-key', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ verdict: 'valid', content: { identity: { memberId: '0' } } });
  });

  test('finds the key that the Compose files give the programs, and says where it was', async () => {
    addRunner({ ...instance, instanceName: 'tacos' });
    const { code, out } = await cli(['check-key']);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^other-instance-name: .*"tacos", the backend is "my-agents".*\nthe key of the Compose files\n/,
    );
  });

  test('a good key in .env.local hides no bad one that the Compose files give', async () => {
    addRunner({ ...instance, instanceName: 'tacos' });
    write('apps/agents/.env.local', `CONVEX_SELF_HOSTED_ADMIN_KEY='${issueAdminKey(instance)}'\n`);
    const { code, out } = await cli(['check-key']);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^valid: .*\nthe key of apps\/agents\/\.env\.local\n(?:.*\n)*\nother-instance-name: /,
    );
  });

  test('without a key it is wrong usage, and one for a Convex elsewhere is none', async () => {
    addRunner({ ...instance, instanceName: 'tacos' }, 'https://tacos.example.org');
    expect(await cli(['check-key'])).toMatchObject({ code: 2, out: '' });
  });
});

describe('up', () => {
  /** The same Convex as the embedded driver runs it. */
  beforeEach(() => {
    const file = 'apps/agents/compose.yaml';
    const text = readFileSync(path.join(root, file), 'utf8');
    write(file, text.replace('    stop_signal:', '    x-embedded: { engine: convex }\n    stop_signal:'));
  });

  test.each([
    ['for the instance "tacos"', { ...instance, instanceName: 'tacos' }],
    ['issued with another instance secret', { ...instance, instanceSecret: generateInstanceSecret() }],
  ])('with a key %s says so before anything starts', async (reason, issuer) => {
    addRunner(issuer);
    const { code, err } = await run(['up', 'agents']);
    expect(code).toBe(1);
    expect(err).toMatch(/^error STACKYARD_CONVEX_IDENTITY: /m);
    expect(err).toContain(reason);
    expect(err).toContain('stackyard convex check-key agents');
  });
});

describe('check', () => {
  test('finds nothing in a sound configuration', async () => {
    expect(await cli(['check', 'agents'])).toMatchObject({ code: 0, out: 'ok  nothing to say\n' });
  });

  test('names each trap, with exit code 1 for errors', async () => {
    write('data/agents/convex/credentials/instance_secret', generateInstanceSecret());
    const { code, out } = await cli(['check', '--production', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(out).map(({ id }: { id: string }) => id)).toEqual([
      'convex-instance-secret-stored',
      'convex-origin-inside',
      'convex-origin-inside',
      'convex-redact-logs',
    ]);
    expect((await cli(['check'])).out).toMatch(
      /^error {4}The data volume was made with another INSTANCE_SECRET/,
    );
  });
});

describe('env-local', () => {
  const file = () => path.join(root, 'apps/agents/.env.local');

  test('writes address and a key that fits, for its owner alone, and is content with it the next time', async () => {
    expect(await cli(['env-local', 'agents'])).toMatchObject({
      code: 0,
      out: 'apps/agents/.env.local is written\n',
    });
    const text = readFileSync(file(), 'utf8');
    expect(text).toContain('CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3219\n');
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect((await cli(['check-key'])).code).toBe(0);
    expect((await cli(['env-local'])).out).toBe('apps/agents/.env.local is up to date\n');
    expect(readFileSync(file(), 'utf8')).toBe(text);
  });

  test('leaves what a person put there, and says so', async () => {
    write('apps/agents/.env.local', 'CONVEX_SELF_HOSTED_URL=https://mine.example.org\n');
    const { err } = await cli(['env-local']);
    expect(err).toBe('CONVEX_SELF_HOSTED_URL in .env.local was set by hand and stays as it is.\n');
    expect(readFileSync(file(), 'utf8')).toMatch(
      /^CONVEX_SELF_HOSTED_URL=https:\/\/mine\.example\.org\n\n# Written/,
    );
  });
});

test('secret prints a new one', async () => {
  expect((await cli(['secret'])).out).toMatch(/^[0-9a-f]{64}\n$/);
});

test('an unknown command, or none, is wrong usage and lists what there is', async () => {
  for (const args of [[], ['bogus']]) {
    const { code, err } = await cli(args);
    expect(code).toBe(2);
    expect(err).toContain('it has admin-key, check-key, check, env-local, secret');
  }
});

test('a variant without Convex says so', async () => {
  write('apps/plain/compose.yaml', 'services: { web: { image: nginx } }\n');
  write('apps/plain/package.json', '{ "name": "plain", "private": true }\n');
  const { code, err } = await cli(['check', 'plain']);
  expect(code).toBe(2);
  expect(err).toContain('plain has no Convex');
});
