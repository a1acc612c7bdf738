import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folder } from '../../test/bundles.ts';
import { useDatabase } from '../../test/database.ts';
import { bundleFiles } from '../generate/bundle.ts';
import { makeDistrict } from '../generate/district.ts';
import { OneRosterError } from './fault.ts';
import { importBundle } from './import.ts';
import { writeBundle } from './write.ts';

const db = useDatabase();

async function refused(path: string, limits = {}): Promise<OneRosterError> {
  const error = await importBundle(db.client, {
    path,
    tenant: 'strict',
    limits: { maxBytes: 1e8, maxFiles: 100, ...limits },
  }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OneRosterError);
  expect(await db.client.query("SELECT FROM tenancy.tenant WHERE code = 'strict'")).toEqual([]);
  return error as OneRosterError;
}

describe('a zip', () => {
  async function zipped(change: (bytes: Buffer) => void, extra: string[] = []): Promise<string> {
    const path = join(await folder(), 'bundle.zip');
    const files = bundleFiles(makeDistrict({ schools: 1, students: 10, seed: 1 }), { version: '1.2' });
    await writeBundle(path, [...files, ...extra.map((name) => ({ name, lines: () => ['x'] }))]);
    const bytes = await readFile(path);
    change(bytes);
    await writeFile(path, bytes);
    return path;
  }
  const replaceAll = (bytes: Buffer, from: string, to: string) => {
    for (let at = bytes.indexOf(from); at !== -1; at = bytes.indexOf(from, at + 1)) bytes.write(to, at);
  };

  test.each([
    ['../evil.csv', 'aa/evil.csv'],
    ['/etc/evil.csv', 'xetc/evil.csv'],
    ['C:/evil.csv', 'C_/evil.csv'],
  ])('that holds the path %s is refused', async (evil, placeholder) => {
    const path = await zipped((bytes) => replaceAll(bytes, placeholder, evil), [placeholder]);
    expect(await refused(path)).toMatchObject({ code: 'ONEROSTER_ZIP_UNSAFE' });
    await expect(importBundle(db.client, { path, tenant: 'strict', lenient: true })).rejects.toThrow(
      'leaves',
    );
  });

  test('that holds a file twice is refused', async () => {
    const path = await zipped((bytes) => replaceAll(bytes, 'orgt.csv', 'orgs.csv'), ['orgt.csv']);
    expect(await refused(path)).toMatchObject({ code: 'ONEROSTER_ZIP_DUPLICATE' });
  });

  test('that is encrypted is refused', async () => {
    const path = await zipped((bytes) => {
      for (let at = bytes.indexOf('PK\x01\x02'); at !== -1; at = bytes.indexOf('PK\x01\x02', at + 4)) {
        bytes[at + 8]! |= 1;
      }
    });
    expect(await refused(path)).toMatchObject({ code: 'ONEROSTER_ZIP_ENCRYPTED' });
  });

  test('that inflates past the limit is refused, whatever sizes it declares', async () => {
    const path = await zipped(() => {});
    expect(await refused(path, { maxBytes: 2000 })).toMatchObject({ code: 'ONEROSTER_TOO_LARGE' });
  });

  test('that is cut short is refused', async () => {
    const path = await zipped(() => {});
    await writeFile(path, (await readFile(path)).subarray(0, 900));
    expect(await refused(path)).toMatchObject({ code: 'ONEROSTER_PACKAGE_UNREADABLE' });
  });

  test('whose content was damaged is refused', async () => {
    const path = await zipped((bytes) => bytes.fill(0x55, 2000, 2050));
    expect(await refused(path)).toMatchObject({ code: 'ONEROSTER_PACKAGE_UNREADABLE' });
  });

  test.each([
    ['a checksum that is another', 16, 'its checksum is another'],
    ['a size that is smaller', 24, 'too many bytes'],
    ['a way to pack that is not known', 10, 'unsupported compression method'],
  ])('with %s is refused, and the entry is named', async (_, at, message) => {
    const path = await zipped((bytes) => bytes.writeUInt16LE(9, bytes.lastIndexOf('PK\x01\x02') + at));
    const error = await refused(path);
    expect(error).toMatchObject({ code: 'ONEROSTER_PACKAGE_UNREADABLE' });
    expect(error.message).toMatch(new RegExp(`^bundle.zip: \\w+.csv cannot be read: ${message}`));
  });
});
