import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findVariables } from '@stackyard/compose';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { catalogueServices, formatAddition, planService } from '../src/index.ts';
import { loadDefaults, variantFolders } from '../src/variant-ports.ts';
import { checkout, repository } from './checkout.ts';

const dclint = dirname(fileURLToPath(import.meta.resolve('dclint/package.json')));
const specification = JSON.parse(readFileSync(join(dclint, 'schemas/compose.schema.json'), 'utf8'));
const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile({
  ...specification,
  $schema: 'http://json-schema.org/draft-07/schema#',
});
const names = catalogueServices.map(({ name }) => name);

test.each(names)('%s makes a valid Compose file, which programs wait for and find it in', (name) => {
  using tree = checkout('shop');
  const { after, users, variables, service } = planService(tree.root, 'shop', name);
  validate(parse(after, { merge: true }));
  expect(validate.errors ?? []).toEqual([]);
  const model = loadDefaults(tree.root, tree.filesWith('shop', after));
  const added = model.services[name]!;
  expect(added.healthcheck?.test).toBeDefined();
  expect(added.volumes?.every(({ source }) => source?.startsWith(join(tree.root, 'data/shop/')))).toBe(true);
  expect(added.ports?.every((port) => port.host_ip === '127.0.0.1' && port.published)).toBe(true);
  expect(added['x-embedded'] === undefined).toBe(service.withoutEngine !== undefined);
  expect(users).toEqual(['setup', 'api']);
  for (const user of users) {
    expect(model.services[user]?.depends_on?.[name]?.condition).toBe('service_healthy');
    expect(Object.keys(model.services[user]?.environment ?? {})).toEqual(
      expect.arrayContaining([...variables]),
    );
  }
});

test.each(names)('what is secret of %s in development, production refuses', (name) => {
  using tree = checkout('shop');
  const { after } = planService(tree.root, 'shop', name);
  const preflight = readFileSync(join(repository, 'infra/preflight.sh'), 'utf8');
  const known = [...preflight.matchAll(/^known=(['"])([^'"]*)/gm)].flatMap(([, , words]) =>
    words!.split(/\s+/),
  );
  const defaults = findVariables(tree.filesWith('shop', after), { projectDirectory: tree.root })
    .filter((variable) => /PASSWORD|SECRET|S3_KEY/.test(variable.name))
    .flatMap((variable) => variable.default || []);
  expect(defaults.filter((value) => !known.includes(value))).toEqual([]);
});

test('every service fits beside the others, on ports and variables of its own', () => {
  using tree = checkout('shop', 'mill');
  for (const variant of ['shop', 'mill']) {
    for (const name of names)
      tree.write(`apps/${variant}/compose.yaml`, planService(tree.root, variant, name).after);
  }
  const ports = ['shop', 'mill'].flatMap((variant) => {
    const { services } = loadDefaults(tree.root, tree.filesWith(variant));
    return Object.values(services).flatMap(({ ports = [] }) => ports.map(({ published }) => published));
  });
  expect(ports.length).toBeGreaterThan(2 * names.length);
  expect(new Set(ports).size).toBe(ports.length);
  const [shop, mill] = ['shop', 'mill'].map((variant) =>
    findVariables(tree.filesWith(variant)).map(({ name }) => name),
  );
  const shared = findVariables([tree.file('infra/compose.yaml')]).map(({ name }) => name);
  expect(shop!.filter((name) => mill!.includes(name) && !shared.includes(name))).toEqual([]);
});

test('a service that is there, or that nobody knows, is refused', () => {
  using tree = checkout('shop');
  tree.write('apps/shop/compose.yaml', planService(tree.root, 'shop', 'redis').after);
  expect(() => planService(tree.root, 'shop', 'redis')).toThrow(
    expect.objectContaining({ code: 'TEMPLATE_SERVICE_EXISTS' }),
  );
  expect(() => planService(tree.root, 'shop', 'mysql')).toThrow(
    expect.objectContaining({
      code: 'TEMPLATE_SERVICE',
      exitCode: 2,
      details: expect.arrayContaining([expect.stringContaining('redis')]),
    }),
  );
});

test('the difference shows what is added, and nothing else', () => {
  using tree = checkout('shop');
  const lines = formatAddition(planService(tree.root, 'shop', 'redis')).split('\n');
  expect(lines.slice(0, 2)).toEqual(['--- a/apps/shop/compose.yaml', '+++ b/apps/shop/compose.yaml']);
  expect(lines).toContain('+    image: redis:8.2-alpine');
  expect(lines.filter((line) => line.startsWith('-'))).toEqual(['--- a/apps/shop/compose.yaml']);
});

test('images are those of the base and of the variants', () => {
  const used = new Map<string, string>();
  const overrides = variantFolders(repository).map((variant) => `apps/${variant}`);
  for (const folders of [['infra'], ...overrides.map((folder) => ['infra', folder])]) {
    const files = folders.map((folder) => join(repository, folder, 'compose.yaml'));
    const { services } = loadDefaults(repository, files);
    for (const { image } of Object.values(services)) if (image) used.set(withoutTag(image), image);
  }
  using tree = checkout('shop');
  const images = names.flatMap((name) => {
    const { services } = loadDefaults(
      tree.root,
      tree.filesWith('shop', planService(tree.root, 'shop', name).after),
    );
    return services[name]?.image ?? [];
  });
  const known = images.filter((image) => used.has(withoutTag(image)));
  expect(known.map((image) => used.get(withoutTag(image)))).toEqual(known);
  expect(known).toContain('postgres:17');
});

function withoutTag(image: string): string {
  return image.replace(/:[^:/]*$/, '');
}
