import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { fromPlain, type MapNode } from '../src/node.ts';
import { checkSchema } from '../src/schema.ts';
import { problemsOf } from './support.ts';

/** The JSON schema of the Compose specification; dclint carries the newest of those on npm. */
const dclint = dirname(fileURLToPath(import.meta.resolve('dclint/package.json')));
const specification = JSON.parse(readFileSync(join(dclint, 'schemas/compose.schema.json'), 'utf8'));
const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile({
  ...specification,
  $schema: 'http://json-schema.org/draft-07/schema#',
});

const root = fileURLToPath(new URL('../../../', import.meta.url));
const files = globSync(
  ['infra/**/*compose*.y{a,}ml', 'apps/*/*compose*.y{a,}ml', 'packages/compose/test/awkward/**/*.yaml'],
  {
    cwd: root,
    // The schema on npm is older than the fields in v2/; Compose checked those files with its own when it recorded them.
    exclude: (name) => name.includes('node_modules') || name.endsWith(join('awkward', 'v2')),
  },
);

describe('every Compose file of the repository', () => {
  test('is found', () => {
    expect(files).toContain(join('infra', 'compose.yaml'));
  });

  test.each(files)('%s is valid by the JSON schema of the specification', (file) => {
    const document = parse(readFileSync(join(root, file), 'utf8'), { merge: true, logLevel: 'error' });
    validate(document);
    expect(validate.errors ?? []).toEqual([]);
  });
});

describe('the check of documents', () => {
  test('takes every field that the specification has', () => {
    const everything = sample(specification) as Record<string, unknown>;
    expect(Object.keys((everything.services as { name: object }).name).length).toBeGreaterThan(90);
    const node = fromPlain(everything, { file: 'everything.yaml', line: 1, folder: '/' }) as MapNode;
    expect(problemsOf(() => checkSchema(node))).toEqual([]);
  });

  test.each([
    ['services: { a: { nothing: 1 } }'],
    ['services: { a: { image: 1 } }'],
    ['services: { a: { build: { nothing: 1 } } }'],
    ['services: { a: { ports: { a: 1 } } }'],
    ['services: { a: { ports: ["1:1", "1:1"] } }'],
    ['services: { a: { healthcheck: { interval: 1 } } }'],
    ['services: { a: { depends_on: { b: {} } } }'],
    ['services: { a: { volumes: [{ target: /a }] } }'],
    ['services: { a: { ulimits: { nofile: { soft: 1 } } } }'],
    ['services: { a: { environment: [1] } }'],
    ['services: { a: { environment: { A: [1] } } }'],
    ['services: { a: { deploy: { update_config: { order: none } } } }'],
    ['services: { a: }'],
    ['services: { "a b": { image: a } }'],
    ['networks: { a: { driver: 1 } }'],
    ['volumes: { a: { size: 1 } }'],
    ['secrets: { a: }'],
    ['nothing: 1'],
  ])('refuses %s, as the specification does', (text) => {
    const document = parse(text);
    expect(validate(document)).toBe(false);
    const node = fromPlain(document, { file: 'compose.yaml', line: 1, folder: '/' }) as MapNode;
    expect(problemsOf(() => checkSchema(node))).not.toEqual([]);
  });
});

interface Schema {
  readonly $ref?: string;
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** A document that has every field of a schema, in the richest of its forms. */
function sample(schema: Schema): unknown {
  if (schema.$ref !== undefined)
    return sample(specification.definitions[schema.$ref.replace('#/definitions/', '')]);
  if (schema.oneOf !== undefined)
    return schema.oneOf.map(sample).sort((a, b) => richness(b) - richness(a))[0];
  if (schema.enum !== undefined) return schema.enum[0];
  const types = [schema.type].flat();
  if (types.includes('object') && (schema.properties || schema.patternProperties)) {
    const named = Object.entries(schema.properties ?? {}).map(([name, value]) => [name, sample(value)]);
    const chosen = Object.entries(schema.patternProperties ?? {})
      .filter(([pattern]) => pattern !== '^x-')
      .map(([, value]) => ['name', sample(value)]);
    return Object.fromEntries([...named, ...chosen]);
  }
  if (types.includes('array')) return [sample(schema.items ?? {})];
  if (types.includes('string')) return 'text';
  if (types.includes('boolean')) return true;
  if (types.includes('integer') || types.includes('number')) return 1;
  return types.includes('null') ? null : {};
}

function richness(value: unknown): number {
  return JSON.stringify(value).length;
}
