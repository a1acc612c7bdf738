import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { projectName } from '../src/drivers/docker/project.ts';
import { findTools } from '../src/drivers/docker/tool.ts';
import { eventually, freePorts } from './contract/workspace.ts';
import { check, database, docker, idle, workspaceOf } from './docker-workspace.ts';

beforeAll(async () => {
  await findTools(process.env);
});

/** A socket that leads to the engine, until it is stopped as if the engine were. */
async function passOn(socket: string): Promise<{ stop(): void }> {
  const { stdout } = await promisify(execFile)('docker', [
    'context',
    'inspect',
    '--format',
    '{{.Endpoints.docker.Host}}',
  ]);
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const engine = connect(stdout.trim().replace('unix://', ''));
    for (const [from, to] of [
      [client, engine],
      [engine, client],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy()).pipe(to);
    }
  });
  await once(server.listen(socket), 'listening');
  return {
    stop() {
      server.close();
      for (const end of open) end.destroy();
    },
  };
}

describe('the docker driver, when containers or the engine go their own ways,', { timeout: 120_000 }, () => {
  test('names an image that is not here and cannot be pulled, and the command that builds it', async () => {
    await using workspace = workspaceOf({ store: { image: '127.0.0.1:1/no/such:1' } });
    const { code, stderr } = await workspace.run(['up', 'one']);
    expect(code).toBe(1);
    expect(stderr).toContain('STACKYARD_IMAGE_MISSING: the image 127.0.0.1:1/no/such:1 is not here');
    expect(stderr).not.toContain('./pnpmw images');
    workspace.write('infra/images/127.0.0.1:1/no/such/Dockerfile', 'FROM scratch\n');
    const known = await workspace.run(['up', 'one']);
    expect(known.stderr).toContain('build a stand-in (./pnpmw images 127.0.0.1:1/no/such)');
    expect(workspace.leftovers()).toEqual([]);
  });

  test('names the container that somebody else has started on the data, before these are copied or deleted', async () => {
    await using workspace = workspaceOf({ store: { ...idle, volumes: ['./data/one/store:/data'] } });
    workspace.write('data/one/store/file', 'precious');
    expect(await workspace.run(['backup', 'one', '--output', 'saved'])).toMatchObject({ code: 0 });
    const data = path.join(workspace.root, 'data/one/store');
    const name = path.basename(workspace.root).replaceAll(/\W/g, '-');
    const label = 'com.docker.compose.project=by-hand';
    docker(
      'run',
      '--detach',
      '--rm',
      '--name',
      name,
      '--label',
      label,
      '--volume',
      `${data}:/data`,
      idle.image,
      'sleep',
      '600',
    );
    try {
      for (const args of [
        ['backup', 'one'],
        ['restore', 'saved'],
        ['reset', 'one', '--yes'],
      ]) {
        const { code, stderr } = await workspace.run(args);
        expect(code).toBe(1);
        expect(stderr).toContain('STACKYARD_DATA_IN_USE');
        expect(stderr).toContain(`${name} (Compose project by-hand)`);
        expect(stderr).toContain(`docker stop ${name}`);
      }
      expect(workspace.read('data/one/store/file')).toBe('precious');
    } finally {
      docker('rm', '--force', name);
    }
  });

  test('tells a service that went over its memory limit from other deaths', async () => {
    const hog = 'const all = []; for (;;) all.push(Buffer.alloc(4e6, 1));';
    await using workspace = workspaceOf({
      store: {
        image: 'node:24',
        command: ['node', '-e', hog],
        mem_limit: '48m',
        memswap_limit: '48m',
        healthcheck: { test: ['CMD', 'false'], interval: '10s' },
      },
    });
    const { code, stderr } = await workspace.run(['up', 'one']);
    expect(code).toBe(1);
    expect(stderr).toContain('store ended before it was healthy');
    expect(stderr).toContain('likely cause: it needed more memory than its limit');
    expect(stderr).toContain('raise mem_limit');
    expect(workspace.leftovers()).toEqual([]);
  });

  test('tells a container that somebody removed from one that ended, and one that is in the way', async () => {
    await using workspace = workspaceOf({
      store: { image: 'debian:bookworm-slim', command: ['sleep', '600'], healthcheck: check },
    });
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0 });
    const [name] = docker(
      'ps',
      '--filter',
      `name=${projectName(workspace.root, 'one')}`,
      '--format',
      '{{.Names}}',
    ).split('\n');
    docker('rm', '--force', name!);
    await eventually(
      async () => (await workspace.status('one')).stack === undefined,
      () => 'it is still up',
    );
    expect((await workspace.run(['status', 'one'])).stdout).toContain(
      'store ended (its container was removed)',
    );
    docker('create', '--name', name!, 'debian:bookworm-slim');
    const refused = await workspace.run(['up', 'one']);
    docker('rm', name!);
    expect(refused.stderr).toContain(`STACKYARD_COMPOSE: another container has the name ${name}`);
    expect(refused.stderr).toContain(`docker rm --force ${name}`);
    expect(workspace.leftovers()).toEqual([]);
  });

  test('names a container whose stack has lost its state, and how to stop it', async () => {
    const [port] = await freePorts(1);
    await using workspace = workspaceOf(database(port!, 'secret'));
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0 });
    rmSync(path.join(workspace.root, '.stackyard', 'run'), { recursive: true });
    const { stderr } = await workspace.run(['up', 'one']);
    const stop = /"(docker stop) (one-\w+[-_]postgres[-_]1)" stops it/.exec(stderr);
    expect(stop, stderr).not.toBeNull();
    docker('stop', stop![2]!);
    await eventually(
      () => workspace.leftovers().length === 0,
      () => workspace.leftovers().join('\n'),
    );
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
  });

  test('says that the engine stopped, and removes what it left as soon as it answers again', async () => {
    await using workspace = workspaceOf({
      store: { image: 'debian:bookworm-slim', command: ['sleep', '600'], init: true, healthcheck: check },
    });
    const socket = path.join(workspace.root, 'engine.sock');
    workspace.write('.env', `DOCKER_HOST=unix://${socket}\n`);
    const engine = await passOn(socket);
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
    engine.stop();
    await eventually(
      async () => (await workspace.status('one')).stack === undefined,
      () => 'it is still up',
    );
    const { stdout } = await workspace.run(['status', 'one']);
    expect(stdout).toContain('store ended (the Docker engine stopped)');
    const down = await workspace.run(['down', 'one']);
    expect(down.stderr).toContain('STACKYARD_DOCKER_DOWN: no Docker engine answers: containers of one-');
    expect(workspace.leftovers()).not.toEqual([]);
    const again = await passOn(socket);
    expect(await workspace.run(['down', 'one'])).toMatchObject({ code: 0, stderr: '' });
    expect(workspace.leftovers()).toEqual([]);
    again.stop();
  });

  test('gives up on a service that its restart policy brings back again and again', async () => {
    await using workspace = workspaceOf({
      store: {
        image: 'debian:bookworm-slim',
        command: ['sh', '-c', 'echo no such table; exit 3'],
        restart: 'always',
        healthcheck: { test: ['CMD', 'false'], interval: '10s' },
      },
    });
    const { code, stderr } = await workspace.run(['up', 'one']);
    expect(code).toBe(1);
    expect(stderr).toContain('it restarts in a loop: 3 times exit code 3');
    expect(stderr).toContain('| no such table');
    expect(workspace.leftovers()).toEqual([]);
  });

  test('goes on with the log of a service that was restarted, and repeats nothing', async () => {
    const script =
      '[ -p /end ] || mkfifo /end; echo >> /runs; echo "run $$(wc -l < /runs)"; read -r _ < /end; exit 1';
    await using workspace = workspaceOf({
      store: {
        image: 'debian:bookworm-slim',
        command: ['bash', '-c', script],
        init: true,
        restart: 'always',
        healthcheck: { ...check, test: ['CMD', 'test', '-p', '/end'] },
      },
    });
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
    const logs = workspace.start(['logs', '-f', 'one', 'store']);
    await logs.prints('run 1');
    const project = projectName(workspace.root, 'one');
    const [id] = docker('ps', '--quiet', '--filter', `label=com.docker.compose.project=${project}`).split(
      '\n',
    );
    for (const run of [2, 3]) {
      docker('exec', id!, 'bash', '-c', 'echo > /end');
      await logs.prints(`run ${run}`);
    }
    expect(logs.output.match(/run \d/g)).toEqual(['run 1', 'run 2', 'run 3']);
    logs.kill('SIGINT');
    await logs.outcome;
  });

  test('says what Compose has against a file that is valid here', async () => {
    await using workspace = workspaceOf({
      store: { image: 'debian:bookworm-slim', command: ['sleep', '60'], network_mode: 'service:nobody-here' },
    });
    const { code, stderr } = await workspace.run(['up', 'one']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/STACKYARD_COMPOSE|COMPOSE_/);
    expect(stderr).toContain('nobody-here');
    expect(workspace.leftovers()).toEqual([]);
  });

  test('keeps a stack up whose container somebody restarts, and ends it when somebody stops that', async () => {
    await using workspace = workspaceOf({
      store: { ...idle, command: ['sh', '-c', 'echo run; exec sleep 600'] },
    });
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
    const logs = workspace.start(['logs', '-f', 'one', 'store']);
    const runs = () => logs.output.match(/run/g)?.length ?? 0;
    const [id] = docker('ps', '--quiet', '--filter', `name=${projectName(workspace.root, 'one')}`).split(
      '\n',
    );
    for (const run of [1, 2, 3, 4, 5]) {
      await eventually(
        () => runs() === run,
        () => logs.output,
      );
      if (run < 5) docker('restart', '--time', '0', id!);
    }
    expect(await workspace.status('one')).toMatchObject({
      up: true,
      stack: { services: { store: { state: 'healthy' } } },
    });
    docker('stop', '--time', '0', id!);
    await eventually(
      async () => (await workspace.status('one')).stack === undefined,
      () => 'it is still up',
    );
    logs.kill('SIGINT');
    await logs.outcome;
    expect(workspace.leftovers()).toEqual([]);
  });

  test("says that somebody else's container keeps the network of the stack, and starts on it again", async () => {
    await using workspace = workspaceOf({ store: idle });
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
    const network = `${projectName(workspace.root, 'one')}_default`;
    const guest = docker(
      'run',
      '--detach',
      '--init',
      '--network',
      network,
      'debian:bookworm-slim',
      'sleep',
      '600',
    ).trim();
    try {
      const down = await workspace.run(['down', 'one']);
      const name = docker('inspect', '--format', '{{.Name}}', guest).trim().slice(1);
      expect(down.code).toBe(1);
      expect(down.stderr).toContain(
        `STACKYARD_NETWORK_KEPT: the stack has stopped, but its network ${network} stays`,
      );
      expect(down.stderr).toContain(`docker network disconnect ${network} ${name}`);
      expect(workspace.leftovers()).toEqual([network]);
      expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0, stderr: '' });
      docker('network', 'disconnect', network, guest);
      expect(await workspace.run(['down', 'one'])).toMatchObject({ code: 0, stderr: '' });
      expect(workspace.leftovers()).toEqual([]);
    } finally {
      docker('rm', '--force', guest);
    }
  });
});
