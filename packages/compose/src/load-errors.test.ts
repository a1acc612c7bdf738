import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folder, load, problemsOf } from '../test/support.ts';
import { loadCompose, mergeComposeFiles, parseEnvFile } from './index.ts';

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
    ['# nothing', 'COMPOSE_SYNTAX', 1],
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
    ['services: { a: { image: a, env_file: /dev/zero } }', 'COMPOSE_FILE', 1],
    ['services: { a: { image: a, network_mode: host, networks: [default] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, depends_on: { b: { condition: ready } } } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, env_file: [{ path: x, format: toml }] } }', 'COMPOSE_UNSUPPORTED', 1],
    ['include: ["oci://registry/x"]', 'COMPOSE_UNSUPPORTED', 1],
    ['services: { a: { extends: { file: "https://x/y.git", service: b } } }', 'COMPOSE_UNSUPPORTED', 1],
    ['services: {}\nsecrets: { s: {} }', 'COMPOSE_VALUE', 2],
    ['services: {}\nsecrets: { s: { driver: d } }', 'COMPOSE_VALUE', 2],
    ['services: {}\nsecrets: { s: { external: true, file: a } }', 'COMPOSE_VALUE', 2],
    ['services: {}\nconfigs: { s: { file: a, content: b } }', 'COMPOSE_VALUE', 2],
    ['services: {}\nvolumes: { v: { external: true, labels: [a] } }', 'COMPOSE_VALUE', 2],
    ['services: {}\nnetworks: { n: { external: { name: a }, name: b } }', 'COMPOSE_VALUE', 2],
    ['services: { a: { build: { dockerfile: D, dockerfile_inline: FROM a } } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { build: { platforms: [x/y] }, platform: y/z } }', 'COMPOSE_VALUE', 1],
    [
      'services: { a: { build: { additional_contexts: { b: "service:b" } } }, b: { image: b } }',
      'COMPOSE_VALUE',
      1,
    ],
    ['services: { a: { image: a, healthcheck: { test: [curl, x] } } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, scale: -1 } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, scale: 2, deploy: { replicas: 3 } } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, scale: 2, container_name: a } }', 'COMPOSE_VALUE', 1],
    [
      'services: { a: { image: a, mem_limit: 1g, deploy: { resources: { limits: { memory: 2g } } } } }',
      'COMPOSE_VALUE',
      1,
    ],
    ['services: { a: { image: a, develop: { watch: [{ path: ., action: sync }] } } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, tmpfs: ["/x:size=1m"], volumes: [/x] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, volumes: [{ type: bind, target: /x }] } }', 'COMPOSE_VALUE', 1],
    [
      'services: { a: { image: a, volumes: [{ type: tmpfs, target: /x, tmpfs: { size: -1 } }] } }',
      'COMPOSE_VALUE',
      1,
    ],
    ['services: { a: { image: a, ports: [{ target: 1, host_ip: here }] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { image: a, gpus: [{ count: 1, device_ids: [x] }] } }', 'COMPOSE_VALUE', 1],
    [
      'services: { a: { image: a, deploy: { resources: { reservations: { devices: [{ count: 1 }] } } } } }',
      'COMPOSE_VALUE',
      1,
    ],
    ['services: { a: { image: a, extra_hosts: [nobody] } }', 'COMPOSE_VALUE', 1],
    ['services: { a: { build: { additional_contexts: [b] } } }', 'COMPOSE_VALUE', 1],
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

  test('that doubles a variable in each line is stopped', () => {
    const lines = Array.from({ length: 60 }, (_, index) => `A${index + 1}=$A${index}$A${index}`);
    expect(problemsOf(() => parseEnvFile(['A0=x', ...lines].join('\n')))[0]).toMatchObject({
      code: 'COMPOSE_LIMIT',
      line: 21,
    });
  });

  test('that includes or extends without end is stopped', () => {
    const levels = Array.from({ length: 12 }, (_, index) => [
      `${index}.yaml`,
      `include: [${index + 1}.yaml, ./${index + 1}.yaml]`,
    ]);
    const path = folder({ ...Object.fromEntries(levels), '12.yaml': 'services: { a: { image: a } }' });
    expect(problemsOf(() => loadCompose({ files: [join(path, '0.yaml')], env: {} }))[0]).toMatchObject({
      code: 'COMPOSE_LIMIT',
      message: expect.stringContaining('files are included'),
    });
    const services = Array.from({ length: 200 }, (_, index) => `s${index}: { extends: s${index + 1} }`);
    expect(
      problemsOf(() => load(`services: { ${services.join(', ')}, s200: { image: a } }`))[0],
    ).toMatchObject({
      code: 'COMPOSE_LIMIT',
      message: expect.stringContaining('extend one another'),
    });
  });

  test('that publishes every port again and again is stopped', () => {
    const ports = [1, 2, 3].map((address) => `"127.0.0.${address}:1-65535:1-65535"`);
    expect(problemsOf(() => load(`services: { a: { image: a, ports: [${ports}] } }`))).toEqual([
      expect.objectContaining({
        code: 'COMPOSE_LIMIT',
        message: expect.stringContaining('services.a.ports'),
      }),
    ]);
  });

  test('of many keys, aliases, list entries or digits takes no longer for each of them', () => {
    const keys = Array.from({ length: 20_000 }, (_, index) => `  k${index}: ${index}`);
    const text = `x-a: &a [1]\nx-b:\n${keys.join('\n')}\nx-c: [${Array(20_000).fill('*a')}]`;
    load(text);
    const entries = { services: { a: { security_opt: keys } } };
    mergeComposeFiles(entries, { services: { a: { security_opt: keys.map((key) => `${key}0`) } } });
    // Work that grows with the square takes minutes for these, and this test its time limit.
    const digits = `services: { a: { image: a, stop_grace_period: "${'1'.repeat(100_000)}" } }`;
    expect(problemsOf(() => load(digits))[0]).toMatchObject({ code: 'COMPOSE_VALUE' });
  });

  test.each([
    ['a control character', 'services:\n  a: { image: "\u0001" }', 2],
    ['a NUL character', 'services:\n  a:\n    image: "a\\0b"', 3],
    ['tabs', 'services:\n\ta: { image: a }', 2],
  ])('with %s is refused', (_, text, line) => {
    expect(problemsOf(() => load(text))[0]).toMatchObject({ code: 'COMPOSE_SYNTAX', line });
  });

  test('that is not UTF-8 is refused, also in an env file', () => {
    const path = folder({ 'compose.yaml': 'services: { a: { image: a, env_file: latin1.env } }' });
    writeFileSync(join(path, 'latin1.env'), Buffer.from('A=caf\xe9', 'latin1'));
    writeFileSync(join(path, 'latin1.yaml'), Buffer.from('x-a: caf\xe9', 'latin1'));
    for (const file of ['compose.yaml', 'latin1.yaml']) {
      expect(problemsOf(() => loadCompose({ files: [join(path, file)], env: {} }))).toEqual([
        expect.objectContaining({
          code: 'COMPOSE_FILE',
          message: expect.stringContaining('it is not UTF-8'),
        }),
      ]);
    }
  });

  test.each([300, 20_000])('that nests %i deep is refused, not a crash', (depth) => {
    expect(problemsOf(() => load(`x-a: ${'['.repeat(depth)}${']'.repeat(depth)}`))[0]).toMatchObject({
      code: 'COMPOSE_LIMIT',
    });
  });
});
