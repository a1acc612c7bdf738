import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folder, load, problemsOf } from '../test/support.ts';
import { loadCompose, startOrder } from './index.ts';

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

  test('may replace with a number or nothing', () => {
    const model = load([
      'services: { app: { image: app, command: [a], scale: 1 } }',
      'services: { app: { command: !override null, scale: !override 2 } }',
    ]);
    expect(model.services.app).toMatchObject({ command: null, scale: 2 });
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

  test('of a service in another file obeys what that one resets of its own base', () => {
    const path = folder({
      'compose.yaml': 'services: { app: { extends: { file: base.yaml, service: base }, ports: ["3:3"] } }',
      'base.yaml':
        'services: { first: { image: a, command: run, ports: ["1:1"] }, base: { extends: first, command: !reset , ports: !override ["2:2"] } }',
    });
    const { app } = loadCompose({ files: [join(path, 'compose.yaml')], env: {} }).services;
    expect(app?.command).toBeNull();
    expect(app?.ports?.map(({ target }) => target)).toEqual([2, 3]);
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
