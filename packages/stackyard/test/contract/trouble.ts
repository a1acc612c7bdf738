import { existsSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { ContractWorkspace, freePorts } from './workspace.ts';

const needsHealthy = { store: 'service_healthy' };

/** What is said, and left, when a script, a service or the files are at fault. */
export function troubleTests(driver: string): void {
  test('ends dev when a script fails, with its last lines', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: {
        services: { store: { port: store! } },
        scripts: { 'dev:worker': 'echo last words; exit 4', 'dev:other': 'node ../../script.mjs' },
      },
      two: { services: {}, scripts: { setup: 'echo no room: ENOSPC; exit 1' } },
    });
    const failed = await workspace.run(['dev', 'one']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('STACKYARD_SCRIPT_FAILED: the script dev:worker ended (exit code 4)');
    expect(failed.stderr).toContain('| last words');
    const setup = await workspace.run(['up', 'two']);
    expect(setup.code).toBe(1);
    expect(setup.stdout).toContain('setup | no room: ENOSPC');
    expect(setup.stderr).toContain('| no room: ENOSPC');
    expect(setup.stderr).toContain('likely cause: the disk is full');
    expect(workspace.leftovers()).toEqual([]);
  });

  test('names who holds a busy port, and the variable that moves it, before it starts anything', async () => {
    const [store, cache] = await freePorts(2);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store! } } },
      two: { services: { cache: { port: cache! }, store: { port: store! } } },
    });
    await workspace.run(['up', 'one']);
    const refused = await workspace.run(['up', 'two']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('STACKYARD_PORT_BUSY');
    expect(refused.stderr).toContain(`127.0.0.1:${store}, needed by store`);
    if (driver === 'embedded') {
      expect(refused.stderr).toMatch(/pid \d+ \(.*node service\.mjs\)/);
      expect(refused.stderr).toContain(`in ${workspace.root}`);
    } else {
      expect(refused.stderr).toMatch(/the container one-\w+[-_]store[-_]1 of the Compose project one-/);
      expect(refused.stderr).toContain('("stackyard down one" stops it)');
    }
    expect(refused.stderr).toContain(`the Stackyard stack one, service store, of ${workspace.root}`);
    const moved = /TWO_STORE_PORT=(\d+)/.exec(refused.stderr)?.[1];
    expect(workspace.events().filter((event) => event.startsWith('cache'))).toEqual([]);

    workspace.write('.env', `TWO_STORE_PORT=${moved}\n`);
    expect((await workspace.run(['up', 'two'])).code).toBe(0);
    expect((await workspace.status('two')).up).toBe(true);
  });

  test('ends dev when a service dies, with its last words and the likely cause', async () => {
    const [store, api] = await freePorts(2);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store! }, api: { port: api! } } },
    });
    const dev = workspace.start(['dev', 'one']);
    await dev.prints('one is ready');
    await fetch(`http://127.0.0.1:${store}/die`);
    const { code, stderr } = await dev.outcome;
    expect(code).toBe(1);
    expect(stderr).toContain('STACKYARD_SERVICE_DIED: store ended (exit code 7)');
    expect(stderr).toContain('| Error: listen EADDRINUSE: address already in use');
    expect(stderr).toContain('likely cause: its port is taken');
    expect(workspace.leftovers()).toEqual([]);
    expect((await workspace.run(['status', 'one'])).stdout).toContain(
      'one is not up: store ended (exit code 7)',
    );
    expect((await workspace.run(['wait', 'one'])).stderr).toContain('one is not up: store ended');
  });

  test.skipIf(!existsSync('/dev/full'))('says what ended a stack also when the disk is full', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store! } } },
    });
    const dev = workspace.start(['dev', 'one']);
    await dev.prints('one is ready');
    for (const file of ['state', 'failure'])
      symlinkSync('/dev/full', `${workspace.root}/.stackyard/run/one/${file}.json.${dev.pid}`);
    await fetch(`http://127.0.0.1:${store}/die`);
    const { code, stderr } = await dev.outcome;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error STACKYARD_SERVICE_DIED: store ended \(exit code 7\)/);
    expect(workspace.leftovers()).toEqual([]);
    expect((await workspace.run(['status', 'one'])).stdout).toBe('one is not up\n');
  });

  test('says what a health check that never passes last answered, and leaves nothing running', async () => {
    const [store, api] = await freePorts(2);
    await using workspace = new ContractWorkspace(driver, {
      one: {
        services: {
          store: { port: store!, environment: { HEALTHY_AFTER: '-1' }, retries: 3 },
          api: { port: api!, dependsOn: needsHealthy },
        },
      },
    });
    const { code, stderr } = await workspace.run(['up', 'one']);
    expect(code).toBe(1);
    expect(stderr).toContain('STACKYARD_UNHEALTHY');
    expect(stderr).toContain('store was not ready');
    if (driver === 'embedded') expect(stderr).toContain('/health answered 503');
    expect(workspace.events()).not.toContain('api starts');
    expect(workspace.leftovers()).toEqual([]);
  });

  test('lists every problem of the Compose and env files at once', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store! } } },
    });
    workspace.write('.env', 'GOOD=1\nBAD LINE=2\n');
    workspace.write('apps/one/.env', 'WORSE="unterminated\n');
    const { code, stderr } = await workspace.run(['up', 'one']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/\.env:2/);
    expect(stderr).toMatch(/apps\/one\/\.env:1/);

    workspace.write('.env', '');
    workspace.write('apps/one/.env', '');
    workspace.variant('one', {
      services: { store: { port: store!, environment: { A: `\${A:?set A}`, B: `\${B:?set B}` } } },
    });
    const missing = await workspace.run(['dev', 'one']);
    expect(missing.stderr).toContain('set A');
    expect(missing.stderr).toContain('set B');
  });

  test('refuses a port that another program holds, with its command and folder', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await using workspace = new ContractWorkspace(driver, { one: { services: { store: { port } } } });
    const { code, stderr } = await workspace.run(['dev', 'one']);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`pid ${process.pid}`);
    expect(stderr).toContain(`in ${process.cwd()}`);
  });
}
