import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { mergeComposeFiles } from './merge-plain.ts';

const service = (fields: string) => parse(`services: { app: { image: app, ${fields} } }`);
const merged = (base: string, override: string) => mergeComposeFiles(service(base), service(override));

describe('an override of a service', () => {
  test.each([
    ['replaces scalars', 'hostname: a', 'hostname: b', 'hostname: b'],
    ['keeps what it does not name', 'hostname: a', 'user: root', 'hostname: a, user: root'],
    ['changes nothing with null', 'hostname: a', 'hostname: null', 'hostname: a'],
    ['appends to sequences', 'security_opt: [a]', 'security_opt: [b]', 'security_opt: [a, b]'],
    ['adds no entry twice', 'security_opt: [a]', 'security_opt: [b, a]', 'security_opt: [a, b]'],
    ['recurses into maps', 'x-a: { b: { c: 1 } }', 'x-a: { b: { d: 2 } }', 'x-a: { b: { c: 1, d: 2 } }'],

    ['replaces command', 'command: [a, b]', 'command: c', 'command: c'],
    ['clears command with null', 'command: [a]', 'command: null', 'command: null'],
    ['replaces entrypoint', 'entrypoint: a', 'entrypoint: [b]', 'entrypoint: [b]'],
    ['clears entrypoint with null', 'entrypoint: a', 'entrypoint: null', 'entrypoint: null'],
    [
      'replaces the test of a health check',
      'healthcheck: { test: [CMD, a], retries: 3 }',
      'healthcheck: { test: b, interval: 1s }',
      'healthcheck: { test: b, retries: 3, interval: 1s }',
    ],

    [
      'merges environment lists by key',
      'environment: [A=1, B=2]',
      'environment: [A=3, C]',
      'environment: [A=3, B=2, C]',
    ],
    [
      'merges environment maps by key',
      'environment: { B: 1, A: 2 }',
      'environment: { A: 3 }',
      'environment: [A=3, B=1]',
    ],
    [
      'mixes environment forms',
      'environment: { A: true, B: null }',
      'environment: [B=x]',
      'environment: [A=true, B=x]',
    ],
    ['lets a bare key win over a value', 'environment: [A=1]', 'environment: [A]', 'environment: [A]'],
    ['keeps = in values', 'environment: [A=b=c]', 'environment: { D: e=f }', 'environment: [A=b=c, D=e=f]'],
    ['merges labels by key', 'labels: { a: 1 }', 'labels: [a=2, b=]', 'labels: [a=2, b=]'],
    ['merges annotations by key', 'annotations: [a=1]', 'annotations: { a: 2 }', 'annotations: [a=2]'],
    ['merges sysctls by key', 'sysctls: { net.a: 1 }', 'sysctls: { net.a: 0 }', 'sysctls: [net.a=0]'],
    [
      'merges build arguments by key',
      'build: { args: [A=1] }',
      'build: { args: { A: 2, B: null } }',
      'build: { args: [A=2, B] }',
    ],
    [
      'merges short and long builds',
      'build: ./a',
      'build: { target: t }',
      'build: { context: ./a, target: t }',
    ],
    ['ends on the last of repeated keys', 'labels: [a=1]', 'labels: [a=2, a=1]', 'labels: [a=1]'],

    ['joins dns of both forms', 'dns: 1.1.1.1', 'dns: [8.8.8.8, 1.1.1.1]', 'dns: [1.1.1.1, 8.8.8.8]'],
    ['joins tmpfs', 'tmpfs: /run', 'tmpfs: /tmp', 'tmpfs: [/run, /tmp]'],
    ['joins env files', 'env_file: a.env', 'env_file: [b.env, a.env]', 'env_file: [a.env, b.env]'],
    [
      'knows an env file by its path',
      'env_file: [a.env, b.env]',
      'env_file: [{ path: a.env, required: false }]',
      'env_file: [{ path: a.env, required: false }, b.env]',
    ],
    [
      'joins hosts and their addresses',
      'extra_hosts: { b: "2", a: "1" }',
      'extra_hosts: { a: ["1", "3"] }',
      'extra_hosts: [a=1, b=2, a=3]',
    ],

    [
      'turns lists of dependencies into maps',
      'depends_on: [db]',
      'depends_on: { cache: { condition: service_healthy } }',
      'depends_on: { db: { condition: service_started, required: true }, cache: { condition: service_healthy } }',
    ],
    [
      'turns lists of networks into maps',
      'networks: [a]',
      'networks: { a: { aliases: [x] }, b: }',
      'networks: { a: { aliases: [x] }, b: null }',
    ],
    ['keeps networks over a null', 'networks: [a]', 'networks: null', 'networks: { a: null }'],

    [
      'merges the options of one logging driver',
      'logging: { driver: d, options: { a: 1 } }',
      'logging: { options: { b: 2 } }',
      'logging: { driver: d, options: { a: 1, b: 2 } }',
    ],
    [
      'forgets the options of another logging driver',
      'logging: { driver: d, options: { a: 1 } }',
      'logging: { driver: e }',
      'logging: { driver: e }',
    ],
    [
      'replaces each limit',
      'ulimits: { nofile: { soft: 1, hard: 2 }, nproc: 3 }',
      'ulimits: { nofile: 4 }',
      'ulimits: { nofile: 4, nproc: 3 }',
    ],

    [
      'knows volumes by their target',
      'volumes: ["one:/a", "two:/b"]',
      'volumes: ["./c:/a:ro"]',
      'volumes: ["./c:/a:ro", "two:/b"]',
    ],
    [
      'knows volumes of both forms',
      'volumes: ["one:/a"]',
      'volumes: [{ type: bind, source: ., target: /a }]',
      'volumes: [{ type: bind, source: ., target: /a }]',
    ],
    [
      'keeps ports of other addresses',
      'ports: ["5432:5432"]',
      'ports: ["127.0.0.1:5432:5432"]',
      'ports: ["5432:5432", "127.0.0.1:5432:5432"]',
    ],
    [
      'knows ports by address, both ports and protocol',
      'ports: [{ target: 80, published: 8080 }, { target: 80, published: 8080, protocol: udp }]',
      'ports: [{ target: 80, published: "8080", mode: host }]',
      'ports: [{ target: 80, published: "8080", mode: host }, { target: 80, published: 8080, protocol: udp }]',
    ],
    ['adds no capability twice', 'cap_add: [A]', 'cap_add: [B, A]', 'cap_add: [A, B]'],
    [
      'knows devices by their target',
      'devices: ["/a:/x"]',
      'devices: ["/b:/x:r", /c]',
      'devices: ["/b:/x:r", /c]',
    ],
    [
      'knows secrets by their target',
      'secrets: [a, b]',
      'secrets: [{ source: c, target: /run/secrets/a }]',
      'secrets: [{ source: c, target: /run/secrets/a }, b]',
    ],
  ])('%s', (_, base, override, expected) => {
    expect(merged(base, override)).toEqual(service(expected));
  });

  test.each([
    ['a map by a list', 'deploy: { replicas: 1 }', 'deploy: [1]'],
    ['a list by a scalar', 'security_opt: [a]', 'security_opt: b'],
    ['a list of names by other things', 'depends_on: [a]', 'depends_on: [{}]'],
  ])('cannot replace %s', (_, base, override) => {
    expect(() => merged(base, override)).toThrow(expect.objectContaining({ code: 'COMPOSE_MERGE' }));
  });
});

describe('an override of other resources', () => {
  test('merges address pools by their subnet', () => {
    const base = parse('networks: { n: { ipam: { config: [{ subnet: 10.0.0.0/8, gateway: 10.0.0.1 }] } } }');
    const override = parse(
      'networks: { n: { ipam: { config: [{ subnet: 10.0.0.0/8, ip_range: 10.1.0.0/16 }, { subnet: fd::/64 }] } } }',
    );
    expect(mergeComposeFiles(base, override)).toEqual(
      parse(
        'networks: { n: { ipam: { config: [{ subnet: 10.0.0.0/8, gateway: 10.0.0.1, ip_range: 10.1.0.0/16 }, { subnet: fd::/64 }] } } }',
      ),
    );
  });

  test('adds services, networks and volumes', () => {
    expect(
      mergeComposeFiles(
        parse('services: { a: { image: a } }'),
        parse('services: { b: { image: b } }\nvolumes: { v: }'),
      ),
    ).toEqual(parse('services: { a: { image: a }, b: { image: b } }\nvolumes: { v: }'));
  });
});

test('merging changes neither document, and a second time nothing', () => {
  const base = service('environment: [A=1], ports: ["1:1"], volumes: [a:/a]');
  const override = service('environment: { A: 2 }, ports: ["2:2"], volumes: [b:/b]');
  const [before, above] = [structuredClone(base), structuredClone(override)];
  const once = mergeComposeFiles(base, override);
  expect([base, override]).toEqual([before, above]);
  expect(mergeComposeFiles(once, override)).toEqual(once);
});

test('an entry that the base says too, and then replaces, is the last word of the override', () => {
  expect(mergeComposeFiles(service('volumes: ["./a:/x", "./b:/x"]'), service('volumes: ["./a:/x"]'))).toEqual(
    service('volumes: ["./a:/x"]'),
  );
});

test('a single document is rid of what it says twice', () => {
  const document = service('environment: [A=1, B, A=2, B=], volumes: [".:/a", "two:/b", "new:/a"]');
  expect(mergeComposeFiles(document, {})).toEqual(
    service('environment: [A=2, B=], volumes: ["new:/a", "two:/b"]'),
  );
});
