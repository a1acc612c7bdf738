import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import {
  ComposeError,
  findVariables,
  interpolate,
  loadCompose,
  mergeComposeFiles,
  normalizeProjectName,
  parseEnvFile,
} from '../src/index.ts';
import { formatDuration, parseDuration } from '../src/units.ts';

// Long runs are asked for with FUZZ_RUNS, and machines are busy.
vi.setConfig({ testTimeout: 600_000 });

const runs = { numRuns: Number(process.env.FUZZ_RUNS ?? 40) };

/** Whatever goes in, either a result or a ComposeError comes out. */
function survives(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    expect(error.problems.length).toBeGreaterThan(0);
    for (const problem of error.problems) expect(problem.hint).not.toBe('');
  }
}

const load = (content: string) =>
  loadCompose({
    files: [{ path: '/srv/app/compose.yaml', content }],
    env: { A: 'a' },
    envFiles: [],
    profiles: ['*'],
  });

/** Text of the characters that mean something to these parsers. */
const syntax = fc.string({ unit: fc.constantFrom(...'${}:-+?$AB_ \n\t"\'\\=#[]&*!|>,.019é'), maxLength: 60 });

const FIELDS = [
  'image', 'build', 'command', 'environment', 'ports', 'volumes', 'depends_on', 'networks', 'healthcheck', 'extends',
  'deploy', 'logging', 'ulimits', 'secrets', 'configs', 'env_file', 'labels', 'extra_hosts', 'links', 'volumes_from',
  'devices', 'gpus', 'dns', 'tmpfs', 'profiles', 'network_mode', 'develop', 'expose', 'x-any',
]; // biome-ignore format: a list of words

const NAMES = [
  'a',
  'b',
  'context',
  'target',
  'source',
  'type',
  'published',
  'condition',
  'test',
  'driver',
  'path',
];
const leaf = fc.oneof(
  fc.constantFrom('a', 'b', '80:80', './a:/b', '${A}', 'A=1', '1m', '__proto__'),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('any'), { maxKeys: 3 }),
  ),
})).any;
const document = fc.record(
  {
    services: fc.dictionary(
      fc.constantFrom('a', 'b'),
      fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 5 }),
    ),
    volumes: value,
    networks: value,
    secrets: value,
    include: value,
    name: value,
  },
  { requiredKeys: ['services'] },
) as fc.Arbitrary<Record<string, unknown>>;

const word = fc.constantFrom('a', 'b', 'some words', "it's", '${A}', '${NONE:-d}', '$$', '1', 'true', '');
const key = fc.constantFrom('A', 'B', 'a.b', '__proto__');
const port = fc.integer({ min: 1, max: 60000 });
const pairs = fc.oneof(
  fc.dictionary(key, fc.oneof(word, fc.integer(), fc.boolean())),
  fc.constantFrom(['A=1', 'B'], []),
);
const duration = fc.constantFrom('1s', '90s', '1500ms', '1h', '2m3s', '0');
const size = fc.constantFrom('64m', '1.5g', 1024, '2kb');

/** Documents that make sense: each field in one of its forms. */
const valid = fc.record({
  services: fc.dictionary(
    fc.constantFrom('one', 'two', 'three'),
    fc.record(
      {
        image: fc.constantFrom('app', 'app:${A}'),
        build: fc.oneof(
          fc.constantFrom('.', './app'),
          fc.record({ context: fc.constant('.'), args: pairs }, { requiredKeys: [] }),
        ),
        command: fc.oneof(fc.constantFrom('run "a b" c', null), fc.array(word)),
        environment: pairs,
        labels: pairs,
        ports: fc.uniqueArray(
          fc.oneof(
            port,
            port.map((each) => `127.0.0.1:${each}:${each}/udp`),
            port.map((each) => ({ target: each, published: each })),
          ),
          { maxLength: 3, selector: (each) => JSON.stringify(each) },
        ),
        volumes: fc.uniqueArray(
          fc.constantFrom(
            'data:/a',
            './b:/b:ro',
            '/c',
            { type: 'bind', source: '.', target: '/d' },
            { type: 'tmpfs', target: '/e' },
          ),
          { maxLength: 3 },
        ),
        healthcheck: fc.record(
          { test: fc.oneof(word, fc.constant(['CMD', 'a'])), interval: duration, retries: port },
          { requiredKeys: [] },
        ),
        stop_grace_period: duration,
        shm_size: size,
        mem_limit: size,
        ulimits: fc.constantFrom({ nofile: 1 }, { nofile: { soft: 1, hard: 2 } }, {}),
        tty: fc.boolean(),
        init: fc.constantFrom(true, 'yes', '${NO:-false}'),
        dns: fc.constantFrom('1.1.1.1', ['1.1.1.1', '8.8.8.8'], []),
        extra_hosts: fc.constantFrom(['a:1.1.1.1'], { a: '1.1.1.1', b: '::1' }),
        networks: fc.constantFrom(['default'], { default: { aliases: ['x'] } }, { back: null }),
        secrets: fc.constantFrom(['token'], [{ source: 'token', target: '/t', mode: 0o440 }], []),
        deploy: fc.record({ replicas: fc.constant(1), labels: pairs }, { requiredKeys: [] }),
        logging: fc.constantFrom({ driver: 'd', options: { a: 1 } }, { options: { b: '2' } }),
        'x-any': value,
      },
      { requiredKeys: ['image'] },
    ),
    { minKeys: 1 },
  ),
  volumes: fc.constantFrom({ data: null }, { data: { labels: ['a=1'] } }, { data: { external: true } }),
  networks: fc.constantFrom({ back: null }, { back: { driver: 'bridge', internal: true } }),
  secrets: fc.constant({ token: { file: './token' } }),
});

describe('arbitrary input ends in a result or a ComposeError', () => {
  test('of interpolate', () => {
    fc.assert(
      fc.property(syntax, (template) => survives(() => interpolate(template, { A: 'a', B: '' }))),
      runs,
    );
  });

  test('of parseEnvFile', () => {
    fc.assert(
      fc.property(fc.oneof(syntax, fc.string({ unit: 'binary' })), (text) =>
        survives(() => parseEnvFile(text)),
      ),
      runs,
    );
  });

  test('of loadCompose and findVariables, for any text', () => {
    fc.assert(
      fc.property(fc.oneof(syntax, fc.string({ unit: 'binary' })), (text) => {
        survives(() => load(text));
        survives(() => load(`services:\n  a:\n    image: ${text}`));
        survives(() => findVariables([{ path: '/srv/app/compose.yaml', content: text }]));
      }),
      runs,
    );
  });

  test('of loadCompose, for any document', () => {
    fc.assert(
      fc.property(document, (data) => survives(() => load(stringify(data)))),
      runs,
    );
  });

  test('of mergeComposeFiles, for any two documents', () => {
    fc.assert(
      fc.property(document, document, (base, override) => survives(() => mergeComposeFiles(base, override))),
      runs,
    );
  });
});

describe('what holds for any input', () => {
  test('text without a dollar is its own interpolation, and escaped text comes back', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(interpolate(text.replaceAll('$', '$$$$'), {})).toBe(text);
      }),
      runs,
    );
  });

  test('a value survives quoting in an env file', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const written = text.replaceAll('\r', '').replaceAll('\\', '');
        const quoted = `A='${written.replaceAll("'", "\\'")}'`;
        expect(parseEnvFile(quoted)).toEqual({ A: written });
      }),
      runs,
    );
  });

  test('a document is merged with nothing the same twice', () => {
    fc.assert(
      fc.property(document, (data) =>
        survives(() => {
          const once = mergeComposeFiles(data, {});
          expect(mergeComposeFiles(once, {})).toEqual(once);
        }),
      ),
      runs,
    );
  });

  test('a resolved model is a Compose file that resolves to itself', () => {
    fc.assert(
      fc.property(valid, (data) => {
        const model = load(stringify(data));
        expect(load(JSON.stringify(model).replaceAll('$', '$$$$'))).toEqual(model);
      }),
      runs,
    );
  });

  test('an override that says the same changes nothing', () => {
    fc.assert(
      fc.property(valid, (data) => {
        const content = stringify(data);
        const files = ['/srv/app/one.yaml', '/srv/app/two.yaml'].map((path) => ({ path, content }));
        expect(loadCompose({ files, env: { A: 'a' }, envFiles: [], profiles: ['*'] })).toEqual(load(content));
      }),
      runs,
    );
  });

  test('a duration comes back from its canonical form', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 15 }), (nanoseconds) => {
        expect(parseDuration(formatDuration(nanoseconds))).toBe(nanoseconds);
      }),
      runs,
    );
  });

  test('a project name is normal after one normalisation', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const name = normalizeProjectName(text);
        expect(normalizeProjectName(name)).toBe(name);
      }),
      runs,
    );
  });
});
