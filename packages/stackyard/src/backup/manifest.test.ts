import { expect, test } from 'vitest';
import { type Manifest, parseManifest } from './manifest.ts';

const sound: Manifest = {
  format: 1,
  variant: 'shop',
  driver: 'docker',
  createdAt: '2026-01-01T00:00:00.000Z',
  platform: 'linux-x64',
  services: [
    {
      service: 'postgres',
      as: 'image postgres:17',
      method: 'dump',
      folders: ['data/shop/postgres'],
      directories: [{ folder: 0, path: '', mode: 0o700 }],
      files: [{ folder: 0, path: '0-shop.dump', mode: 0o600, size: 9, sha256: 'abc' }],
      rows: { 'shop.public.orders': 3 },
    },
  ],
};

const [service] = sound.services as [Manifest['services'][0]];
const [file] = service.files as [Manifest['services'][0]['files'][0]];
const withService = (change: object) => ({ ...sound, services: [{ ...service, ...change }] });
const withFile = (change: object) => withService({ files: [{ ...file, ...change }] });

test('reads a manifest', () => {
  expect(parseManifest(JSON.stringify(sound), 'shop')).toEqual(sound);
});

test.each<[string, unknown]>([
  ['services of another type', { ...sound, services: {} }],
  ['no service', { ...sound, services: [] }],
  ['a service twice', { ...sound, services: [service, service] }],
  ['null in place of a service', { ...sound, services: [null] }],
  ['a service without files', withService({ files: undefined })],
  ['a service without folders, whose dump would go where the data are', withService({ folders: [] })],
  ['a folder twice', withService({ folders: ['data/a', 'data/a'] })],
  ['a method that nobody knows', withService({ method: 'magic' })],
  ['a path that is none', withFile({ path: 3 })],
  ['a path that leads out', withFile({ path: 'a/../../b' })],
  ['a path from the root', withFile({ path: '/etc/passwd' })],
  ['a path that ends early', withFile({ path: 'a\0b' })],
  ['a folder that is not in the list', withFile({ folder: 1 })],
  ['a folder that is no number', withFile({ folder: 'length' })],
  ['a size that is no number', withFile({ size: 'abc' })],
  ['a service whose name leads out', withService({ service: '/../x' })],
  ['a negative size', withFile({ size: -1 })],
])('refuses %s', (_, manifest) => {
  expect(() => parseManifest(JSON.stringify(manifest), 'shop')).toThrow(
    expect.objectContaining({ code: 'STACKYARD_BACKUP_DAMAGED' }),
  );
});

test.each(['null', '[1]', '{ "format": 2 }'])('refuses what has another format: %s', (text) => {
  expect(() => parseManifest(text, 'shop')).toThrow(
    expect.objectContaining({ code: 'STACKYARD_BACKUP_MISMATCH' }),
  );
});
