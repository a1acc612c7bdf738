import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ComposeError,
  type ComposeModel,
  type LoadOptions,
  loadCompose,
  locate,
  startOrder,
} from './index.ts';

/** Resolves Compose text that stands in /srv/shop/compose.yaml. */
function load(content: string | string[], options: Partial<LoadOptions> = {}): ComposeModel {
  const files = [content]
    .flat()
    .map((text, index) => ({ path: `/srv/shop/compose${index || ''}.yaml`, content: text }));
  return loadCompose({ files, env: {}, envFiles: [], ...options });
}

const service = (fields: string, options?: Partial<LoadOptions>) =>
  load(`services:\n  app:\n    image: app\n${fields.replace(/^/gm, '    ')}\nvolumes: { data: }`, options)
    .services.app as Record<string, unknown>;

function problemsOf(work: () => unknown) {
  try {
    work();
  } catch (error) {
    if (error instanceof ComposeError) return error.problems;
    throw error;
  }
  return [];
}

const folders: string[] = [];

/** A folder with these files. */
function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), 'stackyard compose '));
  folders.push(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

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
      { resources: { limits: { cpus: 1.5, memory: '1073741824' } } },
    ],
    ['gpus: all', 'gpus', [{ count: -1 }]],
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
    expect(load(text, options).name).toBe(expected);
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

describe('several files', () => {
  test('resolve their paths against the project directory', () => {
    const path = folder({
      'infra/compose.yaml': 'services: { app: { image: app, volumes: ["./data:/data"] } }',
      'apps/a/compose.yaml': 'services: { app: { build: ./apps/a } }',
    });
    const files = ['infra/compose.yaml', 'apps/a/compose.yaml'].map((file) => join(path, file));
    const model = loadCompose({ files, env: {}, projectDirectory: path });
    expect(model.services.app?.volumes?.[0]?.source).toBe(join(path, 'data'));
    expect(model.services.app?.build?.context).toBe(join(path, 'apps/a'));
    const alone = loadCompose({ files, env: {} });
    expect(alone.services.app?.volumes?.[0]?.source).toBe(join(path, 'infra/data'));
  });

  test('may remove and replace what earlier ones say', () => {
    const base = `
      services:
        app: { image: app, ports: ["80:80"], environment: { A: 1, B: 2 }, depends_on: [db], command: x, labels: [a=1, b=2] }
        db: { image: db }
        old: { image: old }
    `;
    const override = `
      services:
        app:
          ports: !override ["81:81"]
          environment: { A: !reset null, C: 3 }
          depends_on: !reset []
          command: !reset null
          labels: { a: !reset x }
        old: !reset {}
    `;
    const model = load([base, override]);
    expect(Object.keys(model.services)).toEqual(['app', 'db']);
    expect(model.services.app).toMatchObject({
      environment: { B: '2', C: '3' },
      command: null,
      labels: { b: '2' },
    });
    expect(model.services.app?.ports).toEqual([expect.objectContaining({ published: '81' })]);
    expect(model.services.app).not.toHaveProperty('depends_on');
  });

  test('in one file separated by --- override one another too', () => {
    expect(
      load('services: { app: { image: one } }\n---\nservices: { app: { image: two } }\n').services.app?.image,
    ).toBe('two');
  });

  test('keep a port of the base beside one with another address', () => {
    const model = load([
      'services: { db: { image: db, ports: ["5432:5432"] } }',
      'services: { db: { ports: ["127.0.0.1:5432:5432"] } }',
    ]);
    expect(model.services.db?.ports).toHaveLength(2);
  });

  test('meet in one port however it is written', () => {
    const model = load([
      'services: { db: { image: db, ports: ["80:80"] } }',
      'services: { db: { ports: [{ target: 80, published: 80, mode: host }] } }',
    ]);
    expect(model.services.db?.ports).toEqual([
      { target: 80, published: '80', mode: 'host', protocol: 'tcp' },
    ]);
  });
});

describe('anchors', () => {
  test('and merge keys are resolved, the own keys first', () => {
    const model = load(`
      x-one: &one { hostname: one, user: one }
      x-two: &two { hostname: two, working_dir: /two }
      services:
        app: { <<: [*one, *two], image: app, user: own }
    `);
    expect(model.services.app).toMatchObject({ hostname: 'one', user: 'own', working_dir: '/two' });
  });
});

describe('profiles', () => {
  const text = `
    services:
      always: { image: a }
      dev: { image: d, profiles: [dev] }
      both: { image: b, profiles: [dev, test], depends_on: [always] }
  `;

  test.each([
    [[], ['always']],
    [['test'], ['always', 'both']],
    [['dev'], ['always', 'dev', 'both']],
    [['*'], ['always', 'dev', 'both']],
  ])('%j start %j', (profiles, expected) => {
    expect(Object.keys(load(text, { profiles }).services)).toEqual(expected);
  });

  test('come from COMPOSE_PROFILES when nobody gives them', () => {
    expect(Object.keys(load(text, { env: { COMPOSE_PROFILES: 'test, other' } }).services)).toEqual([
      'always',
      'both',
    ]);
  });

  test('make a dependency on a service that is off an error', () => {
    const depending = `
      services:
        app: { image: a, depends_on: [db] }
        db: { image: d, profiles: [db] }
    `;
    expect(problemsOf(() => load(depending))).toEqual([
      expect.objectContaining({
        code: 'COMPOSE_REFERENCE',
        message: 'service app depends on disabled service db',
        line: 3,
        hint: expect.stringContaining('profiles'),
      }),
    ]);
  });

  test('make an optional dependency that is off a warning', () => {
    const warnings: string[] = [];
    const model = load(
      'services: { app: { image: a, depends_on: { db: { condition: service_started, required: false } } } }',
      { onWarning: ({ message }) => warnings.push(message) },
    );
    expect(warnings).toEqual([expect.stringContaining('undefined service db')]);
    expect(startOrder(model)).toEqual([['app']]);
  });
});

describe('extends', () => {
  test('takes over a service of the same file, and its own base', () => {
    const model = load(`
      services:
        base: { image: base, environment: { A: 1, B: 1 }, ports: ["1:1"] }
        middle: { extends: base, environment: { B: 2, C: 2 } }
        app: { extends: { service: middle }, environment: [C=3], ports: ["2:2"], command: !reset null }
    `);
    expect(model.services.app).toMatchObject({ image: 'base', environment: { A: '1', B: '2', C: '3' } });
    expect(model.services.app?.ports).toHaveLength(2);
    expect(model.services.app).not.toHaveProperty('extends');
  });

  test('takes over a service of another file, with paths relative to that file', () => {
    const path = folder({
      'compose.yaml':
        'services: { app: { extends: { file: common/base.yaml, service: base }, volumes: ["./own:/own"] } }',
      'common/base.yaml':
        'services: { base: { build: ., env_file: base.env, volumes: ["./theirs:/theirs"] } }',
      'common/base.env': 'A=1',
    });
    const { app } = loadCompose({ files: [join(path, 'compose.yaml')], env: {} }).services;
    expect(app?.build?.context).toBe(join(path, 'common'));
    expect(app?.environment).toEqual({ A: '1' });
    expect(app?.volumes?.map(({ source }) => source)).toEqual([
      join(path, 'common/theirs'),
      join(path, 'own'),
    ]);
  });

  test('that goes round is shown as a circle', () => {
    const circle = 'services:\n  a: { image: x, extends: b }\n  b: { extends: c }\n  c: { extends: a }\n';
    expect(problemsOf(() => load(circle))[0]).toMatchObject({
      code: 'COMPOSE_CYCLE',
      message: expect.stringContaining('a -> b -> c -> a'),
    });
  });

  test.each([
    ['services: { a: { extends: none } }', 'COMPOSE_REFERENCE', 'none'],
    ['services: { a: { extends: { file: none.yaml, service: b } } }', 'COMPOSE_FILE', 'none.yaml'],
  ])('in %s is refused', (text, code, message) => {
    expect(problemsOf(() => load(text))).toEqual([
      expect.objectContaining({ code, message: expect.stringContaining(message), line: 1 }),
    ]);
  });
});

describe('include', () => {
  test('adds the resources of other files, with their own folder and .env', () => {
    const path = folder({
      'compose.yaml': 'include: [db/compose.yaml]\nservices: { app: { image: app, depends_on: [db] } }',
      'db/compose.yaml':
        'services: { db: { image: "db:${TAG}", volumes: ["./data:/data", "kept:/kept"] } }\nvolumes: { kept: }',
      'db/.env': 'TAG=17',
    });
    const model = loadCompose({ files: [join(path, 'compose.yaml')], env: {} });
    expect(model.services.db?.image).toBe('db:17');
    expect(model.services.db?.volumes?.[0]?.source).toBe(join(path, 'db/data'));
    expect(startOrder(model)).toEqual([['db'], ['app']]);
    expect(model).not.toHaveProperty('include');
  });

  test('takes a list of paths, a project directory and env files', () => {
    const path = folder({
      'compose.yaml':
        'include: [{ path: [a/one.yaml, a/two.yaml], project_directory: b, env_file: c.env }]\nservices: { app: { image: app } }',
      'a/one.yaml': 'services: { db: { image: one, volumes: ["./data:/data"] } }',
      'a/two.yaml': 'services: { db: { image: "${IMAGE}" } }',
      'c.env': 'IMAGE=two',
    });
    const model = loadCompose({ files: [join(path, 'compose.yaml')], env: {} });
    expect(model.services.db?.image).toBe('two');
    expect(model.services.db?.volumes?.[0]?.source).toBe(join(path, 'b/data'));
  });

  test('that goes round is shown as a circle', () => {
    const path = folder({ 'a.yaml': 'include: [b.yaml]', 'b.yaml': 'include: [a.yaml]' });
    expect(problemsOf(() => loadCompose({ files: [join(path, 'a.yaml')], env: {} }))[0]).toMatchObject({
      code: 'COMPOSE_CYCLE',
      message: expect.stringContaining('a.yaml -> '),
      file: join(path, 'b.yaml'),
      line: 1,
    });
  });
});

describe('bad input', () => {
  test('has all its problems shown at once, each with file, line and what to do', () => {
    const text = 'services:\n  app:\n    imgae: app\n    ports: 80\n    user: 1000\n    colour: red\n';
    expect(problemsOf(() => load(text))).toEqual([
      expect.objectContaining({ code: 'COMPOSE_UNKNOWN_FIELD', line: 3, hint: 'did you mean image?' }),
      expect.objectContaining({
        code: 'COMPOSE_TYPE',
        line: 4,
        message: expect.stringContaining('services.app.ports'),
      }),
      expect.objectContaining({
        code: 'COMPOSE_TYPE',
        line: 5,
        message: expect.stringContaining('must be a string'),
      }),
      expect.objectContaining({
        code: 'COMPOSE_UNKNOWN_FIELD',
        line: 6,
        message: expect.stringContaining('"colour"'),
      }),
    ]);
  });

  test('lists every required variable of every file', () => {
    const text = 'services: { a: { image: "${ONE:?one}", user: "${TWO?two}" } }';
    expect(
      problemsOf(() => load([text, 'services: { a: { hostname: "${THREE:?}" } }'])).map(({ file, code }) => [
        file,
        code,
      ]),
    ).toEqual([
      ['/srv/shop/compose.yaml', 'COMPOSE_VARIABLE_REQUIRED'],
      ['/srv/shop/compose.yaml', 'COMPOSE_VARIABLE_REQUIRED'],
      ['/srv/shop/compose1.yaml', 'COMPOSE_VARIABLE_REQUIRED'],
    ]);
  });

  test.each([
    ['services:\n  a: { image: x }\n  a: { image: y }', 'COMPOSE_SYNTAX', 3],
    ['services:\n  a: {', 'COMPOSE_SYNTAX', 2],
    ['- a', 'COMPOSE_SYNTAX', 1],
    ['services: { a: { image: *none } }', 'COMPOSE_SYNTAX', 1],
    ['services: { 1: { image: a } }', 'COMPOSE_SYNTAX', 1],
    ['services: &s\n  a: *s', 'COMPOSE_CYCLE', 2],
    ['services: { a: { image: !merge a } }', 'COMPOSE_UNSUPPORTED', 1],
    ['service: { a: { image: a } }', 'COMPOSE_UNKNOWN_FIELD', 1],
    ['services: { a b: { image: a } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { command: x } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, privileged: "${P:-maybe}" } }', 'COMPOSE_TYPE', 1],
    ['services: { a: { image: a, ports: ["99999:80"] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, ports: ["1-2:1-3"] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, ports: ["host:1:1"] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, volumes: ["data::/x"] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, volumes: ["data:/x"] } }', 'COMPOSE_REFERENCE', 1],
    ['services: { a: { image: a, networks: [none] } }', 'COMPOSE_REFERENCE', 1],
    ['services: { a: { image: a, secrets: [none] } }', 'COMPOSE_REFERENCE', 1],
    ['services: { a: { image: a, depends_on: [none] } }', 'COMPOSE_REFERENCE', 1],
    ['services: { a: { image: a, stop_grace_period: soon } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, shm_size: big } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, command: "x \'y" } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, env_file: none.env } }', 'COMPOSE_FILE', 1],
    ['services: { a: { image: a, network_mode: host, networks: [default] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, depends_on: { b: { condition: ready } } } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, env_file: [{ path: x, format: toml }] } }', 'COMPOSE_UNSUPPORTED', 1],
    ['include: ["oci://registry/x"]', 'COMPOSE_UNSUPPORTED', 1],
    ['services: { a: { extends: { file: "https://x/y.git", service: b } } }', 'COMPOSE_UNSUPPORTED', 1],
    ['services: {}\nsecrets: { s: {} }', 'COMPOSE_VALUE', 2],
  ])('%s is refused', (text, code, line) => {
    expect(problemsOf(() => load(text))).toEqual([
      expect.objectContaining({
        code,
        line,
        file: '/srv/shop/compose.yaml',
        hint: expect.stringMatching(/./),
      }),
    ]);
  });

  test('shows a circle of dependencies', () => {
    const text =
      'services:\n  a: { image: a, depends_on: [b] }\n  b: { image: b, depends_on: [c] }\n  c: { image: c, depends_on: [b] }\n';
    expect(problemsOf(() => load(text))).toEqual([
      expect.objectContaining({
        code: 'COMPOSE_CYCLE',
        message: expect.stringContaining('b -> c -> b'),
        line: 4,
      }),
    ]);
  });

  test('names a file that is not there', () => {
    expect(problemsOf(() => loadCompose({ files: ['/none/compose.yaml'], env: {} }))).toEqual([
      expect.objectContaining({ code: 'COMPOSE_FILE', file: '/none/compose.yaml' }),
    ]);
  });

  test('that multiplies aliases is stopped before it fills the memory', () => {
    const levels = Array.from({ length: 30 }, (_, index) => {
      const item = index === 0 ? 'x' : `*a${index - 1}`;
      return `x-a${index}: &a${index} [${Array(9).fill(item).join(', ')}]`;
    });
    expect(problemsOf(() => load(levels.join('\n')))[0]).toMatchObject({ code: 'COMPOSE_LIMIT' });
  });

  test.each([300, 20_000])('that nests %i deep is refused, not a crash', (depth) => {
    expect(problemsOf(() => load(`x-a: ${'['.repeat(depth)}${']'.repeat(depth)}`))[0]).toMatchObject({
      code: 'COMPOSE_LIMIT',
    });
  });
});
