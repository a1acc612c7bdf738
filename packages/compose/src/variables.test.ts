import { expect, test } from 'vitest';
import { findVariables } from './index.ts';

const find = (...contents: string[]) =>
  findVariables(contents.map((content, index) => ({ path: `/srv/app/${index}.yaml`, content })));

test('variables are found with default, service and the comment above', () => {
  const [port, password] = find(`
services:
  db:
    image: db
    ports:
      # Host port of the database,
      # free to choose
      - "127.0.0.1:\${DB_PORT:-5432}:5432"
    environment:
      PASSWORD: \${DB_PASSWORD:?choose one}
`);
  expect(port).toEqual({
    name: 'DB_PORT',
    default: '5432',
    required: false,
    services: ['db'],
    description: 'Host port of the database, free to choose',
    references: [{ file: '/srv/app/0.yaml', line: 8, path: 'services.db.ports.0' }],
  });
  expect(password).toMatchObject({ name: 'DB_PASSWORD', required: true, description: 'choose one' });
  expect(password).not.toHaveProperty('default');
});

test('a variable of several places is one, with all its services and its first comment and default', () => {
  const one = 'services: { a: { image: "$TAG" }, b: { image: "${TAG:+x}" } }';
  const two = '# The tag of the images\nname: ${TAG-latest}\n';
  expect(find(one, two)).toEqual([
    expect.objectContaining({
      name: 'TAG',
      default: 'latest',
      services: ['a', 'b'],
      description: 'The tag of the images',
    }),
  ]);
});

test('variables inside defaults are found, escaped dollars and keys are not', () => {
  const found = find('services: { a: { image: "${A:-${B:-b}} $$C", labels: { "${D}": "$$${E}" } } }');
  expect(found.map(({ name }) => name)).toEqual(['A', 'B', 'E']);
});

test('malformed references of all files are refused together', () => {
  expect(() => find('name: ${A', 'name: ${}')).toThrow(
    expect.objectContaining({ problems: [expect.anything(), expect.anything()] }),
  );
});
