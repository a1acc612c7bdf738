import { expect, test } from 'vitest';
import { generated } from '../../test/bundles.ts';
import { useDatabase } from '../../test/database.ts';
import { importBundle } from '../oneroster/import.ts';
import { fillOperations } from './operations.ts';

const db = useDatabase();

test('a district of Indonesia has its numbers, scales, holidays and projects', async () => {
  const path = await generated('1.2', { country: 'indonesia' });
  await importBundle(db.client, { path, tenant: 'nusantara', pack: 'indonesia' });
  const tenant = await db.client.one<{ id: number; currency: string; zone: string }>(
    "SELECT id, currency, time_zone AS zone FROM tenancy.tenant WHERE code = 'nusantara'",
  );
  expect(tenant).toMatchObject({ currency: 'IDR', zone: 'Asia/Jakarta' });
  await db.asTenant(tenant.id, async (tx) => {
    await fillOperations(tx, { from: '2026-11-09', to: '2026-11-10', yearStart: '2026-08-03' });
    const missing = await tx.query(
      `SELECT FROM people.student s WHERE NOT EXISTS (SELECT FROM people.identifier i
         WHERE i.person_id = s.person_id AND i.scheme_code = 'nisn' AND i.value ~ '^[0-9]{10}$')
       UNION ALL SELECT FROM people.staff_member s WHERE NOT EXISTS (SELECT FROM people.identifier i
         WHERE i.person_id = s.person_id AND i.scheme_code = 'nip' AND i.value ~ '^[0-9]{18}$')
       UNION ALL SELECT FROM organisation.school o WHERE NOT EXISTS (SELECT FROM organisation.identifier i
         WHERE i.organisation_id = o.organisation_id AND i.scheme_code = 'npsn' AND i.value ~ '^[0-9]{8}$')`,
    );
    expect(missing).toEqual([]);
    const columnOf = async (sql: string) => (await tx.query<{ name: string }>(sql)).map(({ name }) => name);
    expect(
      await columnOf(
        `SELECT b.code || ' ' || b.scores AS name FROM assessment.grade_band b
         JOIN assessment.grading_scheme g ON g.id = b.grading_scheme_id AND g.code = 'merdeka' ORDER BY b.scores`,
      ),
    ).toEqual(['D [0,70)', 'C [70,80)', 'B [80,90)', 'A [90,100.00]']);
    expect(await columnOf('SELECT DISTINCT name FROM calendar.special_day ORDER BY name')).toContain(
      'Hari Kemerdekaan',
    );
    expect(await columnOf('SELECT name FROM academics.programme')).toEqual(['Kurikulum Merdeka']);
    expect(
      await columnOf(
        `SELECT DISTINCT b.name, b.points FROM assessment.project_result r
         JOIN assessment.grade_band b ON b.id = r.grade_band_id ORDER BY b.points`,
      ),
    ).toEqual(['Belum Berkembang', 'Mulai Berkembang', 'Berkembang Sesuai Harapan', 'Sangat Berkembang']);
  });
});

test('an import into a country that is not there names those that are', async () => {
  const path = await generated('1.2');
  const refused = importBundle(db.client, { path, tenant: 'nowhere', pack: 'atlantis' });
  await expect(refused).rejects.toMatchObject({
    code: 'ONEROSTER_PACK',
    hint: 'Name one of these with --pack: generic, indonesia.',
  });
});

test('an import into a tenant of another country is refused, and one that names no country goes on', async () => {
  const path = await generated('1.2');
  await importBundle(db.client, { path, tenant: 'garuda', pack: 'indonesia' });
  await expect(importBundle(db.client, { path, tenant: 'garuda', pack: 'generic' })).rejects.toMatchObject({
    code: 'ONEROSTER_PACK',
    message: expect.stringContaining('the tenant garuda has the country pack indonesia'),
  });
  await importBundle(db.client, { path, tenant: 'garuda' });
});
