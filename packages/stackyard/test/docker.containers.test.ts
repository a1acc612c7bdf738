import { chmodSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { projectName } from '../src/drivers/docker/project.ts';
import { findTools } from '../src/drivers/docker/tool.ts';
import { killWithWatchdogs } from './contract/ending.ts';
import { ContractWorkspace, eventually, freePorts } from './contract/workspace.ts';
import { check, database, docker, workspaceOf } from './docker-workspace.ts';

beforeAll(async () => {
  await findTools(process.env);
});

describe('the docker driver', { timeout: 120_000 }, () => {
  test('refuses data made with another password, and keeps them', async () => {
    const [port] = await freePorts(1);
    await using workspace = workspaceOf(database(port!, 'first-secret'));
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
    await workspace.run(['down', 'one']);
    workspace.variant('one', { services: {}, others: database(port!, 'other-secret') });
    const refused = await workspace.run(['up', 'one']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'STACKYARD_DATA_CREDENTIALS: the data of postgres were made with another',
    );
    expect(refused.stderr).toContain('restore  set the old value again');
    expect(refused.stderr).not.toContain('other-secret');
    workspace.variant('one', { services: {}, others: database(port!, 'first-secret') });
    expect((await workspace.run(['up', 'one'])).code).toBe(0);

    // And the embedded engine does not touch what the image made.
    await workspace.run(['down', 'one']);
    const embedded = await workspace.run(['up', 'one', '--driver', 'embedded']);
    expect(embedded.code).toBe(1);
    expect(embedded.stderr).toContain('ENGINE_DATA_FOREIGN');
  });

  test('leaves no container of a dead start to the other driver', async () => {
    const [port] = await freePorts(1);
    await using workspace = new ContractWorkspace('docker', {
      one: { services: { store: { port: port! } } },
    });
    await workspace.run(['up', 'one']);
    const state = JSON.parse(workspace.read('.stackyard/run/one/state.json')) as { owner: { pid: number } };
    killWithWatchdogs(state.owner.pid);
    expect(workspace.leftovers()).not.toEqual([]);
    expect(await workspace.run(['up', 'one', '--driver', 'embedded'])).toMatchObject({ code: 0, stderr: '' });
    await workspace.run(['down', 'one']);
    expect(workspace.leftovers()).toEqual([]);
  });

  test('refuses data that the embedded engine made, before it starts anything', async () => {
    const [port] = await freePorts(1);
    await using workspace = workspaceOf(database(port!, 'secret'));
    chmodSync(workspace.root, 0o755); // as root, the server runs as a user who has to enter it
    expect(await workspace.run(['up', 'one', '--driver', 'embedded'])).toMatchObject({ code: 0, stderr: '' });
    await workspace.run(['down', 'one']);
    const { code, stderr } = await workspace.run(['up', 'one']);
    expect(code).toBe(1);
    expect(stderr).toContain('STACKYARD_DATA_FOREIGN: the data of postgres in data/one/postgres');
    expect(stderr).toContain('--driver embedded');
    expect((await workspace.run(['up', 'one', '--driver', 'embedded'])).code).toBe(0);
  });

  test('keeps a named volume on down, and deletes it on reset', async () => {
    await using workspace = workspaceOf({
      store: {
        image: 'debian:bookworm-slim',
        command: ['sh', '-c', 'echo precious > /kept/file; exec sleep 600'],
        init: true,
        volumes: [{ type: 'volume', source: 'kept', target: '/kept' }],
        healthcheck: check,
      },
    });
    const file = 'apps/one/compose.yaml';
    workspace.write(file, JSON.stringify({ ...JSON.parse(workspace.read(file)), volumes: { kept: null } }));
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
    await workspace.run(['down', 'one']);
    const unconfirmed = await workspace.run(['reset', 'one']);
    const volume = /volume (one-\w+_kept)/.exec(unconfirmed.stdout)?.[1];
    expect(docker('volume', 'ls', '--quiet')).toContain(volume);
    const nobody = { env: { DOCKER_HOST: 'unix:///nowhere.sock' } };
    for (const command of [
      ['reset', 'one', '--yes'],
      ['backup', 'one'],
    ]) {
      expect((await workspace.run(command, nobody)).stderr).toContain('STACKYARD_DOCKER_DOWN');
    }
    const reset = ['reset', 'one', '--yes', '--no-backup'];
    const user = docker('create', '--volume', `${volume}:/kept`, 'debian:bookworm-slim').trim();
    const refused = await workspace.run(reset);
    docker('rm', user);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`STACKYARD_VOLUME_KEPT: the volume ${volume} could not be removed`),
    });
    expect(await workspace.run(reset)).toMatchObject({ code: 0, stderr: '' });
    expect(docker('volume', 'ls', '--quiet')).not.toContain(volume);
  });

  test('connects a service to each of its networks, under its name', async () => {
    const redis = (networks: string[], ...asks: string[]) => ({
      image: 'redis:8.2-alpine',
      networks,
      depends_on: Object.fromEntries(asks.map((name) => [name, { condition: 'service_healthy' }])),
      healthcheck: {
        test: ['CMD-SHELL', ['localhost', ...asks].map((name) => `redis-cli -h ${name} ping`).join(' && ')],
        interval: '200ms',
        retries: 20,
      },
    });
    await using workspace = workspaceOf({
      front: redis(['outside']),
      store: redis(['inside']),
      api: redis(['outside', 'inside'], 'front', 'store'),
      worker: redis(['inside'], 'api'),
      web: redis(['outside'], 'api'),
    });
    const file = 'apps/one/compose.yaml';
    // Another run on this machine has its own.
    const net = `10.213.${process.pid % 256}`;
    const networks = {
      outside: {},
      inside: { internal: true, ipam: { config: [{ subnet: `${net}.0/24` }] } },
    };
    const model = JSON.parse(workspace.read(file));
    model.services.store.networks = { inside: { ipv4_address: `${net}.9` } };
    workspace.write(file, JSON.stringify({ ...model, networks }));
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
    const store = docker(
      'ps',
      '--quiet',
      '--filter',
      `name=${projectName(workspace.root, 'one')}.store`,
    ).trim();
    expect(docker('exec', store, 'hostname', '-I').trim()).toBe(`${net}.9`);
  });

  test('gives generated secrets and both env files to Compose, and none of them on a command line', async () => {
    await using workspace = workspaceOf({
      store: {
        image: 'debian:bookworm-slim',
        command: ['sh', '-c', 'echo "$$TOKEN $$ROOT $$OWN" | sha256sum; echo "$$ROOT $$OWN"; exec sleep 600'],
        init: true,
        environment: { TOKEN: `\${MADE_TOKEN:-}`, ROOT: `\${FROM_ROOT:?}`, OWN: `\${FROM_OWN:?}` },
        healthcheck: check,
      },
    });
    const file = 'apps/one/compose.yaml';
    const made = { 'x-generate': { MADE_TOKEN: { hex: 32 } } };
    workspace.write(file, JSON.stringify({ ...JSON.parse(workspace.read(file)), ...made }));
    workspace.write('.env', 'FROM_ROOT=root-value\nFROM_OWN=weaker\n');
    workspace.write('apps/one/.env', 'FROM_OWN=own-value\n');
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
    const token = /MADE_TOKEN=(\w{64})/.exec(workspace.read('.stackyard/secrets/one.env'))?.[1];
    const { stdout } = await workspace.run(['logs', 'one', 'store']);
    expect(stdout).toContain('root-value own-value');
    const { createHash } = await import('node:crypto');
    const sum = createHash('sha256').update(`${token} root-value own-value\n`).digest('hex');
    expect(stdout).toContain(sum);
    expect(workspace.leftovers().join('\n')).not.toContain(token);
  });

  test('--build leaves nothing of a step that failed, was interrupted or killed', async () => {
    await using workspace = workspaceOf({ web: { build: { context: './apps/one' } } });
    const label = `stackyard.build=${path.basename(workspace.root)}`;
    const step = (command: string) =>
      workspace.write(
        'apps/one/Dockerfile',
        `FROM debian:bookworm-slim\nLABEL "${label.replace('=', '"="')}"\nRUN ${command}\n`,
      );
    const steps = () => docker('ps', '--all', '--quiet', '--filter', `label=${label}`).trim();
    step('false');
    const failed = await workspace.run(['up', 'one', '--build']);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('STACKYARD_BUILD') });
    expect(steps()).toBe('');
    // BuildKit's steps are no containers, but processes of this machine like those of the older builder.
    const long = `: ${workspace.root}; sleep 600`;
    step(long);
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const dev = workspace.start(['dev', 'one', '--build']);
      await eventually(
        () => workspace.leftovers().some((left) => left.endsWith(long)),
        () => dev.output,
      );
      dev.kill(signal);
      await dev.outcome;
      await eventually(
        () => steps() === '' && workspace.leftovers().length === 0,
        () => steps() + workspace.leftovers().join('\n'),
      );
    }
  });

  test('--build runs everything in containers, from the Dockerfiles', async () => {
    const [port] = await freePorts(1);
    const build = { context: './apps/one' };
    await using workspace = workspaceOf(
      {
        setup: { build, command: ['sh', '-c', 'echo set up inside'] },
        web: {
          build,
          init: true,
          ports: [`127.0.0.1:${port}:${port}`],
          environment: { PORT: String(port) },
          healthcheck: check,
          depends_on: { setup: { condition: 'service_completed_successfully' } },
        },
      },
      { setup: 'echo set up on the host', 'dev:web': 'echo must not run; exit 1' },
    );
    workspace.write('apps/one/Dockerfile', 'FROM debian:bookworm-slim\nCMD ["sleep", "600"]\n');
    const up = await workspace.run(['up', 'one', '--build']);
    expect(up).toMatchObject({ code: 0, stderr: '' });
    expect(up.stdout).toMatch(/setup +completed/);
    expect(up.stdout).toMatch(/web +healthy/);
    expect((await workspace.run(['logs', 'one', 'setup'])).stdout).toBe('setup | set up inside\n');
    await workspace.run(['down', 'one']);
    const refused = await workspace.run(['up', 'one', '--build', '--driver', 'embedded']);
    expect(refused).toMatchObject({ code: 2 });
    expect(workspace.leftovers()).toEqual([]);
    const project = projectName(workspace.root, 'one');
    for (const image of docker('images', '--format', '{{.Repository}}').split('\n')) {
      if (image.startsWith(project)) docker('rmi', image);
    }
  });
});
