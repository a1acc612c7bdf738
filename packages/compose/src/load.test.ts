import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folder, load, problemsOf, service } from '../test/support.ts';
import { loadCompose, locate, startOrder } from './index.ts';

describe('the resolved model', () => {
  test('has the project name, the default network and the two fields that Compose always prints', () => {
    expect(load('services: { app: { image: app } }')).toEqual({
      name: 'shop',
      services: { app: { image: 'app', command: null, entrypoint: null, networks: { default: null } } },
      networks: { default: { name: 'shop_default', ipam: {} } },
    });
  });

  test('keeps extension fields', () => {
    const model = load(
      'x-team: { name: a }\nservices: { app: { image: app, x-embedded: { engine: postgres } } }',
    );
    expect(model).toMatchObject({
      'x-team': { name: 'a' },
      services: { app: { 'x-embedded': { engine: 'postgres' } } },
    });
  });

  test('is frozen, all the way down', () => {
    const model = load('services: { app: { image: app, ports: ["80:80"] } }');
    const containers: object[] = [model];
    for (const container of containers) {
      expect(Object.isFrozen(container)).toBe(true);
      containers.push(
        ...Object.values(container).filter((value) => typeof value === 'object' && value !== null),
      );
    }
  });

  test('knows the file and line of its values, and those of the merged ones', () => {
    const model = load([
      'services:\n  app:\n    image: app\n    environment:\n      A: 1\n      B: 2\n',
      'services:\n  app:\n    environment:\n      - B=3\n    ports:\n      - "80:80"\n',
    ]);
    expect(locate(model, ['services', 'app', 'environment', 'A'])).toMatchObject({
      file: '/srv/shop/compose.yaml',
      line: 5,
    });
    expect(locate(model, ['services', 'app', 'environment', 'B'])).toMatchObject({
      file: '/srv/shop/compose1.yaml',
      line: 4,
    });
    expect(locate(model, ['services', 'app', 'ports', 0, 'target'])).toMatchObject({ line: 6, column: 9 });
    expect(locate(model, ['services', 'app', 'nothing'])).toMatchObject({
      file: '/srv/shop/compose.yaml',
      line: 3,
    });
    expect(locate({}, ['services'])).toBeUndefined();
  });

  test.each([
    ['command: sh -c "echo \'a b\' && true"', 'command', ['sh', '-c', "echo 'a b' && true"]],
    ['command: [a, b c]', 'command', ['a', 'b c']],
    ["entrypoint: /bin/x 'a b' c\\ d", 'entrypoint', ['/bin/x', 'a b', 'c d']],
    ['environment: [A=1, B=, C=a=b]', 'environment', { A: '1', B: '', C: 'a=b' }],
    ['environment: { A: 1, B: true, C: 1.5, D: "" }', 'environment', { A: '1', B: 'true', C: '1.5', D: '' }],
    ['labels: [a=1, b]', 'labels', { a: '1', b: '' }],
    ['dns: 1.1.1.1', 'dns', ['1.1.1.1']],
    ['tmpfs: /run', 'tmpfs', ['/run']],
    ['expose: [80, "90"]', 'expose', ['80', '90']],
    ['extra_hosts: ["a:1.1.1.1", "b=[::1]"]', 'extra_hosts', ['a=1.1.1.1', 'b=::1']],
    ['extra_hosts: { a: [1.1.1.1, 2.2.2.2] }', 'extra_hosts', ['a=1.1.1.1', 'a=2.2.2.2']],
    ['stop_grace_period: 90s', 'stop_grace_period', '1m30s'],
    ['shm_size: 64m', 'shm_size', '67108864'],
    ['mem_limit: 1.5gb', 'mem_limit', '1610612736'],
    ['memswap_limit: -1', 'memswap_limit', '-1'],
    ['mem_limit: 1024', 'mem_limit', '1024'],
    ['cpus: "0.5"', 'cpus', 0.5],
    ['restart: no', 'restart', 'no'],
    ['pull_policy: if_not_present', 'pull_policy', 'missing'],
    ['init: ${INIT:-yes}', 'init', true],
    ['tty: false', 'tty', undefined],
    [
      'healthcheck: { test: curl x, interval: 1m30s, timeout: 1500ms }',
      'healthcheck',
      { test: ['CMD-SHELL', 'curl x'], interval: '1m30s', timeout: '1.5s' },
    ],
    ['healthcheck: { disable: true }', 'healthcheck', { disable: true }],
    ['healthcheck: { test: [NONE] }', 'healthcheck', { test: ['NONE'] }],
    ['healthcheck: { retries: "${R:-7}" }', 'healthcheck', { retries: 7 }],
    [
      'ulimits: { nproc: 10, nofile: { soft: 1, hard: 2 } }',
      'ulimits',
      { nproc: 10, nofile: { soft: 1, hard: 2 } },
    ],
    ['devices: ["/dev/a:/dev/b"]', 'devices', [{ source: '/dev/a', target: '/dev/b', permissions: 'rwm' }]],
    [
      'deploy: { resources: { limits: { cpus: "1.5", memory: 1g } } }',
      'deploy',
      { placement: {}, resources: { limits: { cpus: 1.5, memory: '1073741824' } } },
    ],
    ['gpus: all', 'gpus', [{ count: -1 }]],
    ['gpus: [{ driver: d }]', 'gpus', [{ driver: 'd', count: -1 }]],
    ['gpus: [{ device_ids: [a] }]', 'gpus', [{ device_ids: ['a'] }]],
    [
      'provider: { type: t, options: { a: 1, b: [c, true] } }',
      'provider',
      { type: 't', options: { a: ['1'], b: ['c', 'true'] } },
    ],
    ['extra_hosts: ["b:1.1.1.1,::1", "a=fe80::1"]', 'extra_hosts', ['a=fe80::1', 'b=1.1.1.1', 'b=::1']],
    ['mem_swappiness: 10', 'mem_swappiness', '10'],
    [
      'networks: { default: { driver_opts: { a: 1 }, priority: 0 } }',
      'networks',
      { default: { driver_opts: { a: '1' } } },
    ],
    ['scale: 2\ndeploy: {}', 'deploy', { placement: {}, resources: {}, replicas: 2 }],
    [
      'build: { context: ., args: [NONE], labels: {}, sbom: true }',
      'build',
      { context: '/srv/shop', dockerfile: 'Dockerfile', sbom: 'true' },
    ],
    ['mem_limit: 0', 'mem_limit', undefined],
    ['hostname: ""', 'hostname', undefined],
    ['scale: 0', 'scale', 0],
    ['user: "0"', 'user', '0'],
    ['command: ""', 'command', []],
    ['x-zero: 0', 'x-zero', 0],
    ['sysctls: [net.a=1]', 'sysctls', { 'net.a': '1' }],
    ['logging: { options: { max-file: 3 } }', 'logging', { options: { 'max-file': '3' } }],
  ])('has %s in the form of Compose', (fields, name, expected) => {
    expect(service(fields)[name]).toEqual(expected);
  });

  test.each([
    ['"80"', [{ target: 80 }]],
    ['80', [{ target: 80 }]],
    ['"8080:80"', [{ target: 80, published: '8080' }]],
    ['"127.0.0.1:8080:80"', [{ target: 80, published: '8080', host_ip: '127.0.0.1' }]],
    ['"127.0.0.1::80"', [{ target: 80, host_ip: '127.0.0.1' }]],
    ['"[::1]:8080:80"', [{ target: 80, published: '8080', host_ip: '::1' }]],
    ['"53:53/UDP"', [{ target: 53, published: '53', protocol: 'udp' }]],
    [
      '"9000-9001:80-81"',
      [
        { target: 80, published: '9000' },
        { target: 81, published: '9001' },
      ],
    ],
    ['"9000-9005:80"', [{ target: 80, published: '9000-9005' }]],
    ['{ target: 80, published: 8080, mode: host }', [{ target: 80, published: '8080', mode: 'host' }]],
    ['{ target: "${P:-80}" }', [{ target: 80 }]],
  ])('publishes %s', (port, expected) => {
    const complete = expected.map((each) => ({ mode: 'ingress', protocol: 'tcp', ...each }));
    expect(service(`ports: [${port}]`).ports).toEqual(complete);
  });

  test.each([
    ['data:/data', { type: 'volume', source: 'data', target: '/data', volume: {} }],
    ['data:/data/:ro', { type: 'volume', source: 'data', target: '/data', read_only: true, volume: {} }],
    ['./a:/b', { type: 'bind', source: '/srv/shop/a', target: '/b', bind: { create_host_path: true } }],
    [
      '../a:/b:z',
      { type: 'bind', source: '/srv/a', target: '/b', bind: { create_host_path: true, selinux: 'z' } },
    ],
    ['~/a:/b', { type: 'bind', source: '/home/me/a', target: '/b', bind: { create_host_path: true } }],
    ['/a:/b', { type: 'bind', source: '/a', target: '/b', bind: { create_host_path: true } }],
    ['/anonymous', { type: 'volume', target: '/anonymous', volume: {} }],
  ])('mounts %s', (spec, expected) => {
    expect(service(`volumes: ["${spec}"]`, { env: { HOME: '/home/me' } }).volumes).toEqual([expected]);
  });

  test('names resources by the project, and leaves unused ones out', () => {
    const model = load(`
      services:
        app: { image: app, volumes: ["data:/d", "named:/n", "theirs:/t"], networks: [back], secrets: [token], configs: [conf] }
      volumes: { data: , named: { name: own }, theirs: { external: true }, unused: }
      networks: { back: { internal: true, driver_opts: { a: 1 } }, unused: }
      secrets: { token: { file: ./token } }
      configs: { conf: { content: "a\${B:-b}" } }
    `);
    expect(model.volumes).toEqual({
      data: { name: 'shop_data' },
      named: { name: 'own' },
      theirs: { name: 'theirs', external: true },
    });
    expect(model.networks).toEqual({
      back: { name: 'shop_back', internal: true, driver_opts: { a: '1' }, ipam: {} },
    });
    expect(model.secrets).toEqual({ token: { name: 'shop_token', file: '/srv/shop/token' } });
    expect(model.configs).toEqual({ conf: { name: 'shop_conf', content: 'ab' } });
    expect(model.services.app).toMatchObject({
      secrets: [{ source: 'token', target: '/run/secrets/token' }],
      configs: [{ source: 'conf' }],
    });
  });

  test('has builds in full', () => {
    expect(service('build: ./app').build).toEqual({ context: '/srv/shop/app', dockerfile: 'Dockerfile' });
    const build =
      'build: { context: "https://example.com/a.git#main", dockerfile_inline: FROM x, args: [A=1, HOME, NONE] }';
    expect(service(build, { env: { HOME: '/h' } }).build).toEqual({
      context: 'https://example.com/a.git#main',
      dockerfile_inline: 'FROM x',
      args: { A: '1', HOME: '/h' },
    });
  });

  test('makes dependencies of what services share', () => {
    const model = load(`
      services:
        db: { image: db }
        a: { image: a, links: ["db:database"] }
        b: { image: b, network_mode: "service:db" }
        c: { image: c, volumes_from: ["db:ro"], depends_on: [b] }
    `);
    const started = { condition: 'service_started', required: true };
    expect(model.services.a?.depends_on).toEqual({ db: { ...started, restart: true } });
    expect(model.services.b?.depends_on).toEqual({ db: { ...started, restart: true } });
    expect(model.services.b).not.toHaveProperty('networks');
    expect(model.services.c?.depends_on).toEqual({ b: started, db: started });
    expect(startOrder(model)).toEqual([['db'], ['a', 'b'], ['c']]);
  });
});

describe('the project name', () => {
  const text = 'name: written\nservices: { app: { image: "app:${COMPOSE_PROJECT_NAME}" } }';

  test.each([
    [{ projectName: 'given', env: { COMPOSE_PROJECT_NAME: 'env' } }, 'given'],
    [{ env: { COMPOSE_PROJECT_NAME: 'env' } }, 'env'],
    [{}, 'written'],
  ])('with %j is %s', (options, expected) => {
    expect(load(text, options)).toMatchObject({
      name: expected,
      services: { app: { image: `app:${expected}` } },
    });
  });

  test('is else made of the folder', () => {
    const files = [{ path: '/srv/My Shop.2/compose.yaml', content: 'services: { app: { image: app } }' }];
    expect(loadCompose({ files, env: {} }).name).toBe('myshop2');
  });

  test('is refused when Docker would refuse it', () => {
    expect(problemsOf(() => load('name: My Shop\nservices: { app: { image: app } }'))).toEqual([
      expect.objectContaining({
        code: 'COMPOSE_PROJECT_NAME',
        line: 1,
        hint: expect.stringContaining('myshop'),
      }),
    ]);
  });
});

describe('the environment', () => {
  test('is the process environment over .env in the project directory', () => {
    const path = folder({
      'compose.yaml': 'services: { app: { image: "${A}-${B}", environment: { A: , C: , D: } } }',
      '.env': 'A=file\nB=$A\nC=c\n',
    });
    const model = loadCompose({ files: [join(path, 'compose.yaml')], env: { A: 'process' } });
    expect(model.services.app?.image).toBe('process-process');
    expect(model.services.app?.environment).toEqual({ A: 'process', C: 'c', D: null });
  });

  test('takes named env files in place of .env, the later one first', () => {
    const path = folder({
      'compose.yaml': 'services: { app: { image: "${A}${B}${C-}" } }',
      '.env': 'C=3',
      'one.env': 'A=1\nB=1',
      'two.env': 'B=2',
    });
    const model = loadCompose({
      files: [join(path, 'compose.yaml')],
      env: {},
      envFiles: ['one.env', 'two.env'],
    });
    expect(model.services.app?.image).toBe('12');
  });

  test('of a container has environment over its env files, the later one first', () => {
    const path = folder({
      'compose.yaml': `
        services:
          app:
            image: app
            env_file: [one.env, { path: two.env, required: true }, { path: none.env, required: false }]
            environment: { A: own }
      `,
      'one.env': 'A=1\nB=1\nC=1\n',
      'two.env': 'B=2\nD=${FROM_PROJECT}-$A\n',
    });
    const model = loadCompose({ files: [join(path, 'compose.yaml')], env: { FROM_PROJECT: 'p' } });
    expect(model.services.app?.environment).toEqual({ A: 'own', B: '2', C: '1', D: 'p-own' });
    expect(model.services.app).not.toHaveProperty('env_file');
  });

  test('is never the one of this process', () => {
    expect(service('hostname: ${PATH-none}').hostname).toBe('none');
  });

  test('that lacks a variable gives one warning for each place', () => {
    const warnings: unknown[] = [];
    service('hostname: $HOST', { onWarning: (warning) => warnings.push(warning) });
    expect(warnings).toEqual([
      { message: expect.stringContaining('HOST'), file: '/srv/shop/compose.yaml', line: 4 },
    ]);
  });
});
