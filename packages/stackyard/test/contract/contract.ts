import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import { ContractWorkspace, eventually, freePorts } from './workspace.ts';

const needsHealthy = { store: 'service_healthy' };

/** What every driver has to do, as tests; a driver's own test file calls it. */
export function describeContract(driver: string): void {
  // Containers of one test at a time are work enough for the engine.
  const concurrent = driver === 'embedded';
  describe(`the driver ${driver}`, { timeout: 120_000, concurrent }, () => {
    test('starts a service once those it needs are healthy, and stops them in reverse', async () => {
      const [store, api] = await freePorts(2);
      await using workspace = new ContractWorkspace(driver, {
        one: {
          services: {
            api: { port: api!, dependsOn: needsHealthy },
            store: { port: store!, environment: { HEALTHY_AFTER: '300' } },
          },
        },
      });
      const up = await workspace.run(['up', 'one']);
      expect(up).toMatchObject({ code: 0, stderr: '' });
      expect(up.stdout).toMatch(new RegExp(`store +healthy +http://127\\.0\\.0\\.1:${store}`));
      expect(await workspace.run(['down', 'one'])).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/one stopped\n$/),
      });
      expect(workspace.events()).toEqual([
        'store starts',
        'store healthy',
        'api starts',
        'api healthy',
        'api stops',
        'store stops',
      ]);
      expect(workspace.leftovers()).toEqual([]);
    });

    test('gives a script the environment of its service, with addresses of this machine', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: {
          services: { store: { port: store! } },
          others: {
            cache: { image: 'redis:8.2-alpine' },
            api: {
              image: 'node:24',
              env_file: './api.env',
              environment: {
                API_KEY: `\${API_KEY:-k}`,
                STORE_URL: 'http://user:pass@store:8080/x',
                STORE_HOST: 'store',
                STORE_PORT: '8080',
                CACHE_URL: 'redis://cache:6379',
              },
            },
          },
          scripts: { setup: 'echo "setup sees $STORE_URL"', 'dev:api': 'node ../../script.mjs' },
        },
      });
      workspace.write('api.env', 'FROM_FILE=yes\n');
      workspace.write('.env', 'API_KEY=from the root\n');
      const dev = workspace.start(['dev'], { cwd: 'apps/one' });
      await dev.prints('script is running');
      const lines = dev.output;
      expect(lines).toContain(`setup sees http://user:pass@127.0.0.1:${store}/x`);
      expect(lines).toMatch(/api +\| API_KEY=from the root/);
      expect(lines).toContain(`STORE_URL=http://user:pass@127.0.0.1:${store}/x`);
      expect(lines).toContain('STORE_HOST=127.0.0.1');
      expect(lines).toContain(`STORE_PORT=${store}`);
      expect(lines).toContain('FROM_FILE=yes');
      expect(lines).toContain('LEAKED=(unset)');
      // A driver that runs every service reaches the cache; the embedded one leaves the variable out and says so.
      if (driver === 'embedded') {
        expect(lines).toContain('CACHE_URL=(unset)');
        expect(lines).toContain('CACHE_URL is unset for dev:api: cache does not run here');
      }
      dev.kill('SIGINT');
      const { code, stdout } = await dev.outcome;
      expect(code).toBe(0);
      expect(stdout).toContain('script stops');
      expect(workspace.leftovers()).toEqual([]);

      const env = await workspace.run(['env', 'one', 'api']);
      expect(env.stdout).toContain('API_KEY=***');
      expect(env.stdout).toContain(`STORE_URL=http://user:***@127.0.0.1:${store}/x`);
      const exec = await workspace.run([
        'exec',
        'one',
        '--as',
        'api',
        '--',
        'node',
        '-p',
        'process.env.STORE_URL',
      ]);
      expect(exec.stdout).toBe(`http://user:pass@127.0.0.1:${store}/x\n`);
      expect((await workspace.run(['exec', 'one', '--', 'sh', '-c', 'exit 9'])).code).toBe(9);
      const loose = await workspace.run(['exec', 'one', 'printenv', 'NODE_COMPILE_CACHE']);
      expect(loose.stdout).toContain(workspace.root);
      const missing = await workspace.run(['exec', 'one', '--', 'no-such-command']);
      expect(missing.code).toBe(127);
      expect(missing.stderr).toContain('STACKYARD_SPAWN');
      workspace.write('apps/one/package.json', JSON.stringify({ bin: { shop: './shop.mjs' } }));
      workspace.write('apps/one/shop.mjs', 'console.log(process.argv.slice(2).join())');
      expect((await workspace.run(['exec', 'one', '--', 'shop', '--all', 'a'])).stdout).toBe('--all,a\n');
    });

    test('counts a script among the services, once it listens on the port of its service', async () => {
      const [store, web] = await freePorts(2);
      await using workspace = new ContractWorkspace(driver, {
        one: {
          services: { store: { port: store! } },
          others: {
            web: {
              image: 'node:24',
              environment: { NAME: 'web', PORT: String(web) },
              ports: [`127.0.0.1:${web}:${web}`],
            },
          },
          scripts: { 'dev:web': 'cd ../.. && node service.mjs' },
        },
      });
      const dev = workspace.start(['dev', 'one']);
      await dev.prints('one is ready');
      expect(dev.output).toMatch(new RegExp(`web +running +http://127\\.0\\.0\\.1:${web} +script dev:web`));
      expect((await fetch(`http://127.0.0.1:${web}/health`)).status).toBe(200);
      expect((await workspace.run(['status', 'one'])).stdout).toContain('script dev:web');
      const second = await workspace.run(['dev', 'one']);
      expect(second.code).toBe(1);
      expect(second.stderr).toContain('STACKYARD_DEV_RUNNING');
      expect(await workspace.run(['down', 'one'])).toMatchObject({ code: 0, stderr: '' });
      expect((await dev.outcome).code).toBe(0);
      expect(workspace.events().slice(-2)).toEqual(['web stops', 'store stops']);
    });

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

    test('keeps the output of each service for logs, also while it follows', async () => {
      const [store, api] = await freePorts(2);
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: store! }, api: { port: api! } } },
      });
      await workspace.run(['up']);
      const logs = await workspace.run(['logs', 'one', 'store']);
      expect(logs.stdout).toBe('store | store says hello\n');
      const follow = workspace.start(['logs', '-f', 'one', 'api', 'store']);
      await follow.prints('api   | api says hello');
      await fetch(`http://127.0.0.1:${store}/die`);
      await follow.prints('EADDRINUSE');
      follow.kill('SIGINT');
      expect((await follow.outcome).code).toBe(0);
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

    test('keeps data on down, and deletes it on reset when that is confirmed', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: store! } } },
      });
      workspace.write('data/one/store/file', 'precious');
      await workspace.run(['up', 'one']);
      await workspace.run(['down', 'one']);
      expect(workspace.read('data/one/store/file')).toBe('precious');
      const unconfirmed = await workspace.run(['reset', 'one']);
      expect(unconfirmed.code).toBe(1);
      expect(unconfirmed.stdout).toContain('data/one/store');
      expect(unconfirmed.stderr).toContain('--yes');
      expect(workspace.read('data/one/store/file')).toBe('precious');
      await workspace.run(['up', 'one']);
      const reset = await workspace.run(['reset', 'one', '--yes']);
      expect(reset).toMatchObject({ code: 0, stderr: '' });
      expect(() => workspace.read('data/one/store/file')).toThrow();
      expect(workspace.read('service.mjs')).not.toBe('');
      expect(workspace.leftovers()).toEqual([]);
    });

    test('runs two variants and two checkouts side by side', async () => {
      const [a, b, c] = await freePorts(3);
      const variant = (port: number) => ({ services: { store: { port } } });
      await using first = new ContractWorkspace(driver, { one: variant(a!), two: variant(b!) });
      await using second = new ContractWorkspace(driver, { one: variant(c!) });
      const outcomes = await Promise.all([
        first.run(['up', 'one']),
        first.run(['up', 'two']),
        second.run(['up', 'one']),
      ]);
      expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
      await first.run(['down', 'one']);
      expect((await first.status('one')).up).toBe(false);
      expect((await first.status('two')).up).toBe(true);
      expect((await second.status('one')).up).toBe(true);
    });

    test('leaves a stack as it is when it is up already, whoever asks at the same time', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: store!, environment: { HEALTHY_AFTER: '300' } } } },
      });
      const all = await Promise.all([workspace.run(['up', 'one']), workspace.run(['up', 'one'])]);
      expect(all.map(({ code, stderr }) => [code, stderr])).toEqual([
        [0, ''],
        [0, ''],
      ]);
      const dev = workspace.start(['dev', 'one']);
      await dev.prints('one is ready');
      dev.kill('SIGINT');
      await dev.outcome;
      expect((await workspace.status('one')).up).toBe(true);
      expect(workspace.events()).toEqual(['store starts', 'store healthy']);
    });

    test('leaves no process after dev was killed, and starts again', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: store! } }, scripts: { 'dev:worker': 'node ../../script.mjs' } },
      });
      const dev = workspace.start(['dev', 'one']);
      await dev.prints('script is running');
      dev.kill('SIGKILL');
      await dev.outcome;
      await eventually(
        () => workspace.leftovers().length === 0,
        () => workspace.leftovers().join('\n'),
      );
      expect((await workspace.run(['status', 'one'])).stdout).toBe('one is not up\n');
      expect((await workspace.run(['up', 'one'])).code).toBe(0);
    });

    test('stops dev in order when the command that launched it was killed', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: store! } } },
      });
      const shell = workspace.launch(['dev', 'one']);
      await shell.prints('one is ready');
      shell.kill('SIGKILL');
      await eventually(
        () => workspace.leftovers().length === 0,
        () => workspace.leftovers().join('\n'),
      );
      expect(workspace.events().at(-1)).toBe('store stops');
    });

    test('dev waits for a stack that up is still starting, and then uses it', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: store!, environment: { HEALTHY_AFTER: '700' } } } },
      });
      const up = workspace.start(['up', 'one']);
      await eventually(
        () => workspace.events().at(-1) === 'store starts',
        () => up.output,
      );
      const dev = workspace.start(['dev', 'one']);
      await dev.prints('one is ready');
      expect((await up.outcome).code).toBe(0);
      dev.kill('SIGINT');
      expect((await dev.outcome).stdout).toContain('one stays up');
      expect((await workspace.status('one')).up).toBe(true);
    });

    test('stops in order when it is interrupted while it starts', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: store!, environment: { HEALTHY_AFTER: '-1' } } } },
      });
      for (const command of ['dev', 'up']) {
        const start = workspace.start([command, 'one']);
        await eventually(
          () => workspace.events().at(-1) === 'store starts',
          () => start.output,
        );
        start.kill('SIGINT');
        expect((await start.outcome).code).toBe(130);
        expect(workspace.events().at(-1)).toBe('store stops');
        expect(workspace.leftovers()).toEqual([]);
      }
    });

    test('waits for the grace period on the first Ctrl-C and for nothing on the second', async () => {
      const [quick, patient] = await freePorts(2);
      const environment = { STUBBORN: '1' };
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: quick!, environment, gracePeriod: '1s' } } },
        two: { services: { store: { port: patient!, environment, gracePeriod: '1h' } } },
      });
      const first = workspace.start(['dev', 'one']);
      await first.prints('one is ready');
      first.kill('SIGINT');
      expect((await first.outcome).code).toBe(0);
      expect(workspace.events()).toEqual(['store starts', 'store healthy', 'store stops']);

      const second = workspace.start(['dev', 'two']);
      await second.prints('two is ready');
      second.kill('SIGINT');
      await second.prints('two: stopping');
      second.kill('SIGINT');
      expect((await second.outcome).code).toBe(0);
      expect(workspace.leftovers()).toEqual([]);
    });

    test('ends what a script left behind in the background', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: {
          services: { store: { port: store! } },
          scripts: { setup: 'sleep 1000 & echo set up', 'dev:a': 'sleep 1000 & node ../../script.mjs' },
        },
      });
      const dev = workspace.start(['dev', 'one']);
      await dev.prints('script is running');
      dev.kill('SIGTERM');
      expect((await dev.outcome).code).toBe(0);
      expect(workspace.leftovers()).toEqual([]);
    });

    test('cleans up by itself after a supervisor that was killed together with its watchdog', async () => {
      const [store] = await freePorts(1);
      await using workspace = new ContractWorkspace(driver, {
        one: { services: { store: { port: store! } } },
      });
      await workspace.run(['up', 'one']);
      const state = JSON.parse(workspace.read('.stackyard/run/one/state.json')) as { owner: { pid: number } };
      await killWithWatchdog(state.owner.pid);
      expect((await workspace.run(['doctor', '--json'])).stdout).toContain('its supervisor died');
      const again = await workspace.run(['up', 'one']);
      expect(again).toMatchObject({ code: 0, stderr: '' });
      expect((await workspace.status('one')).up).toBe(true);
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
  });
}

/** Leaves the children of a supervisor alone in the world. */
async function killWithWatchdog(supervisor: number): Promise<void> {
  const { commandOf, listProcesses, parentOf } = await import('../../src/processes.ts');
  const watchdog = listProcesses().find(
    (pid) => parentOf(pid) === supervisor && commandOf(pid)?.includes('stackyard-watchdog'),
  );
  process.kill(watchdog!, 'SIGKILL');
  process.kill(supervisor, 'SIGKILL');
}
