import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folder } from '../../test/bundles.ts';
import { writeBundle } from '../oneroster/write.ts';
import { bundleFiles } from './bundle.ts';
import { type DistrictOptions, makeDistrict } from './district.ts';

async function bytes(options: DistrictOptions): Promise<Buffer> {
  const path = join(await folder(), 'bundle.zip');
  await writeBundle(
    path,
    bundleFiles(makeDistrict(options), { version: '1.2', lineItems: 1, seed: options.seed }),
  );
  return readFile(path);
}

test('the same seed gives the same bytes, another seed others', async () => {
  const options = { schools: 3, students: 120, seed: 5 };
  const first = await bytes(options);
  expect(first.equals(await bytes(options))).toBe(true);
  expect(first.equals(await bytes({ ...options, seed: 6 }))).toBe(false);
});

test('a district has as many students as were asked for, in schools of very different sizes', () => {
  const { schools } = makeDistrict({ schools: 50, students: 50_000, seed: 1, guardians: false });
  const sizes = schools.map((school) => school.students.length).sort((a, b) => a - b);
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(50_000);
  expect(sizes[0]).toBeGreaterThanOrEqual(200);
  expect(sizes.at(-1)).toBeLessThanOrEqual(6000);
  expect(sizes.at(-1)! / sizes[0]!).toBeGreaterThan(5);
});

test('an Indonesian district has Indonesian schools', () => {
  const { schools } = makeDistrict({ schools: 3, students: 30, seed: 1, country: 'indonesia' });
  expect(schools.map((school) => school.name)).toEqual([
    'SD Negeri 1 Bandung',
    'SMP Negeri 1 Bandung',
    'SMA Negeri 1 Bandung',
  ]);
});
