import { expect, test } from 'vitest';
import { ContractWorkspace, eventually, freePorts } from './workspace.ts';

const needsHealthy = { store: 'service_healthy' };

/** Starts, environments, ports, logs and data, when all goes well. */
export function runningTests(driver: string): void {
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
    expect((await workspace.run(['env', 'one', 'api', 'store'])).code).toBe(2);
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
    const hung = workspace.start(['exec', 'one', '--', 'sh', '-c', 'echo begun; exec sleep 1000']);
    await hung.prints('begun');
    hung.kill('SIGHUP');
    expect((await hung.outcome).code).toBe(129);
    expect(workspace.leftovers()).toEqual([]);
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
}
