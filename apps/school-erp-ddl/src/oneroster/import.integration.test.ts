import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { contents, edit, folder, generated, written } from '../../test/bundles.ts';
import { useDatabase } from '../../test/database.ts';
import { enterTenant } from '../database.ts';
import { exportBundle } from './export.ts';
import { importBundle } from './import.ts';

const db = useDatabase();

async function inTenant<R extends object>(code: string, statement: string): Promise<R[]> {
  return db.client.tx(async (tx) => {
    const { id } = await tx.one<{ id: number }>('SELECT tenancy.tenant_number($1) AS id', [code]);
    await enterTenant(tx, id);
    return tx.query<R>(statement);
  });
}

describe.each(['1.1', '1.2'] as const)('a bulk bundle of version %s', (version) => {
  const tenant = (name: string) => `${name}-${version.replace('.', '')}`;

  test('comes back from an export byte for byte', async () => {
    const path = await generated(version, { lineItems: 2 });
    const report = await importBundle(db.client, { path, tenant: tenant('round') });
    expect(report.files.users?.inserted).toBeGreaterThan(40);
    const out = join(await folder(), 'out');
    await exportBundle(db.client, { path: out, tenant: tenant('round'), version });
    expect(await contents(out)).toEqual(await contents(path));
  });

  test('changes nothing when it is imported again', async () => {
    const path = await generated(version, { lineItems: 1 });
    await importBundle(db.client, { path, tenant: tenant('again') });
    const report = await importBundle(db.client, { path, tenant: tenant('again') });
    for (const [file, counts] of Object.entries(report.files)) {
      expect({ file, ...counts }).toMatchObject({
        inserted: 0,
        updated: 0,
        withdrawn: 0,
        unchanged: counts.read,
      });
    }
  });

  test('withdraws records that are no longer in it, and takes them back when they return', async () => {
    const path = await generated(version);
    const before = await readFile(join(path, 'enrollments.csv'), 'utf8');
    await importBundle(db.client, { path, tenant: tenant('shrink') });
    await edit(path, 'enrollments.csv', (text) => text.split('\r\n').toSpliced(1, 3).join('\r\n'));
    const shrunk = await importBundle(db.client, { path, tenant: tenant('shrink') });
    expect(shrunk.files.enrollments).toMatchObject({ inserted: 0, updated: 0, withdrawn: 3 });
    await edit(path, 'enrollments.csv', () => before);
    const grown = await importBundle(db.client, { path, tenant: tenant('shrink') });
    expect(grown.files.enrollments).toMatchObject({ inserted: 0, updated: 3, withdrawn: 0 });
  });
});

test('every file of 1.2 survives a round trip, with its metadata and its Japanese', async () => {
  const path = await written(complete12());
  await importBundle(db.client, { path, tenant: 'complete', keepPasswords: true });
  const out = join(await folder(), 'out');
  await exportBundle(db.client, { path: out, tenant: 'complete', version: '1.2' });
  expect(await contents(out)).toEqual(complete12());
});

test('passwords are counted and left out unless they are asked for', async () => {
  const path = await written(complete12());
  const report = await importBundle(db.client, { path, tenant: 'no-passwords' });
  expect(report.passwordsLeftOut).toBe(2);
  expect(await inTenant('no-passwords', 'SELECT * FROM oneroster.credential')).toEqual([]);
});

test('a delta changes what it holds and leaves the rest', async () => {
  const path = await generated('1.2');
  await importBundle(db.client, { path, tenant: 'delta' });
  const [, first, second] = (await readFile(join(path, 'users.csv'), 'utf8')).split('\r\n');
  const stamp = (line: string, status: string) => line.replace(',,', `,${status},2026-09-01T08:00:00.000Z`);
  const header = (await readFile(join(path, 'users.csv'), 'utf8')).split('\r\n')[0]!;
  const delta = await written({
    'manifest.csv': manifest('1.2', { users: 'delta' }),
    'users.csv': [
      header,
      stamp(first!, 'tobedeleted'),
      stamp(second!.replace(/,true,/, ',false,'), 'active'),
      '',
    ].join('\r\n'),
  });
  const report = await importBundle(db.client, { path: delta, tenant: 'delta' });
  expect(report.files).toEqual({
    users: expect.objectContaining({ inserted: 0, updated: 1, withdrawn: 1, mode: 'delta' }),
  });
  const people = await inTenant<{ status: string; n: number }>(
    'delta',
    'SELECT record_status AS status, count(*)::integer AS n FROM people.person GROUP BY 1 ORDER BY 1',
  );
  expect(people[1]).toEqual({ status: 'tobedeleted', n: 1 });
});

test('an export of what changed is a delta that brings another tenant up to date', async () => {
  const path = await generated('1.2');
  await importBundle(db.client, { path, tenant: 'source' });
  await importBundle(db.client, { path, tenant: 'copy' });
  const { now } = await db.client.one<{ now: Date }>('SELECT clock_timestamp() AS now');
  await inTenant('source', "UPDATE people.person SET phone = '555' WHERE sourced_id LIKE 'usr-t-%'");
  const out = join(await folder(), 'out');
  const report = await exportBundle(db.client, {
    path: out,
    tenant: 'source',
    version: '1.2',
    since: now.toISOString(),
  });
  expect(Object.keys(report.files)).toEqual(['users']);
  const applied = await importBundle(db.client, { path: out, tenant: 'copy' });
  expect(applied.files.users).toMatchObject({ updated: report.files.users, inserted: 0 });
});

test('a dry run reports what it would do and does nothing', async () => {
  const path = await generated('1.1');
  const report = await importBundle(db.client, { path, tenant: 'dry', dryRun: true });
  expect(report.files.users?.inserted).toBeGreaterThan(40);
  expect(await db.client.query("SELECT FROM tenancy.tenant WHERE code = 'dry'")).toEqual([]);
});

test('imports of one tenant at the same time run one after the other', async () => {
  const path = await generated('1.2');
  const reports = await Promise.all(
    Array.from({ length: 4 }, () => importBundle(db.client, { path, tenant: 'crowd' })),
  );
  const inserted = reports.map((report) => report.files.users!.inserted).sort((a, b) => b - a);
  expect(inserted[0]).toBeGreaterThan(40);
  expect(inserted.slice(1)).toEqual([0, 0, 0]);
});

test('two tenants may hold the same sourcedIds', async () => {
  const path = await generated('1.2');
  const one = await importBundle(db.client, { path, tenant: 'twin-a' });
  const two = await importBundle(db.client, { path, tenant: 'twin-b' });
  expect(two.files).toEqual(one.files);
});

test('sessions that overlap go into calendars of their own', async () => {
  const path = await generated('1.2');
  await edit(
    path,
    'academicSessions.csv',
    (text) => `${text}ses-9,,,Full year,semester,2026-08-01,2027-07-01,ses-1,2027\r\n`,
  );
  await importBundle(db.client, { path, tenant: 'overlap' });
  const rows = await inTenant<{ id: string; code: string }>(
    'overlap',
    `SELECT s.sourced_id AS id, c.code FROM calendar.academic_session s
     JOIN calendar.academic_calendar c USING (tenant_id) WHERE c.id = s.calendar_id AND s.kind_code = 'semester' ORDER BY 1`,
  );
  expect(rows).toEqual([
    { id: 'ses-1-1', code: 'parallel-2' },
    { id: 'ses-1-2', code: 'parallel-2' },
    { id: 'ses-9', code: 'main' },
  ]);
});

test('an organisation may change its type, and a session its kind', async () => {
  const path = await generated('1.2');
  await importBundle(db.client, { path, tenant: 'retyped' });
  await edit(path, 'orgs.csv', (text) => text.replace(',school,1001', ',department,1001'));
  await edit(path, 'academicSessions.csv', (text) => text.replace('schoolYear,2026', 'term,2026'));
  const report = await importBundle(db.client, { path, tenant: 'retyped' });
  expect(report.files).toMatchObject({ orgs: { updated: 1 }, academicSessions: { updated: 1 } });
  expect(await inTenant('retyped', 'SELECT FROM organisation.school')).toHaveLength(1);
  expect(await inTenant('retyped', 'SELECT FROM calendar.academic_year')).toHaveLength(0);
});

test('a 1.1 roster is exported as 1.2, with roles of their own', async () => {
  const path = await generated('1.1');
  await importBundle(db.client, { path, tenant: 'convert' });
  const out = join(await folder(), 'out');
  const report = await exportBundle(db.client, { path: out, tenant: 'convert', version: '1.2' });
  expect(report.files.roles).toBe(report.files.users);
  const again = await importBundle(db.client, { path: out, tenant: 'converted' });
  expect(again.files.users?.inserted).toBe(report.files.users);
});

function manifest(version: string, modes: Record<string, string>): string {
  const names =
    'academicSessions categories classResources classes courseResources courses demographics enrollments lineItemLearningObjectiveIds lineItemScoreScales lineItems orgs resources resultLearningObjectiveIds resultScoreScales results roles scoreScales userProfiles userResources users'.split(
      ' ',
    );
  return [
    'propertyName,value',
    'manifest.version,1.0',
    `oneroster.version,${version}`,
    ...names.map((name) => `file.${name},${modes[name] ?? 'absent'}`),
    'source.systemName,学校システム',
    '',
  ].join('\r\n');
}

/** One or two records in each of the 21 files. */
function complete12(): Record<string, string> {
  const files: Record<string, string> = {
    academicSessions: `title,type,startDate,endDate,parentSourcedId,schoolYear
y1,,,2026年度,schoolYear,2026-04-01,2027-04-01,,2027
y1t1,,,一学期,term,2026-04-01,2026-08-01,y1,2027`,
    categories: `title,weight
c1,,,試験,0.5`,
    classes: `title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods,metadata.jp.kind
k1,,,１年１組,"P1,P2",co1,1-1,homeroom,北館,s1,"y1t1,y1","国語,""算数, 応用""","01,02","1,2",通常`,
    classResources: `title,classSourcedId,resourceSourcedId
cr1,,,教科書,k1,r1`,
    courseResources: `title,courseSourcedId,resourceSourcedId
or1,,,,co1,r1`,
    courses: `schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes
co1,,,y1,国語,JPN,P1,s1,国語,01`,
    demographics: `birthDate,sex,americanIndianOrAlaskaNative,asian,blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus
u1,,,2019-05-05,female,false,true,false,false,false,false,false,JP,,東京,01`,
    enrollments: `classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate
e1,,,k1,s1,u1,student,,2026-04-01,2027-04-01
e2,,,k1,s1,u2,teacher,true,,`,
    lineItemLearningObjectiveIds: `lineItemSourcedId,source,learningObjectiveId
lo1,,,l1,case,7f`,
    lineItemScoreScales: `title,lineItemSourcedId,scoreScaleSourcedId
ls1,,,,l1,sc1`,
    lineItems: `title,description,assignDate,dueDate,classSourcedId,categorySourcedId,academicSessionSourcedId,resultValueMin,resultValueMax,schoolSourcedId
l1,,,漢字テスト,"線は""二重""に
二行目",2026-05-01,2026-05-08,k1,c1,y1t1,0,10.5,s1`,
    orgs: `name,type,identifier,parentSourcedId
d1,,,教育委員会,district,100,
s1,,,第一小学校,school,101,d1`,
    resources: `vendorResourceId,title,roles,importance,vendorId,applicationId
r1,,,v-1,ドリル,"student,teacher",primary,v1,a1`,
    resultLearningObjectiveIds: `resultSourcedId,source,learningObjectiveId,score,textScore
ro1,,,m1,case,7f,3,よい`,
    resultScoreScales: `title,resultSourcedId,scoreScaleSourcedId
rs1,,,,m1,sc1`,
    results: `lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing
m1,,,l1,u1,fully graded,9.5,2026-05-09,がんばりました,A,k1,false,false,true,false`,
    roles: `userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId
p1,,,u1,primary,student,2026-04-01,,s1,
p2,,,u2,primary,teacher,,,s1,pr1
p3,,,u2,secondary,principal,,,d1,`,
    scoreScales: `title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue
sc1,,,三段階,letter,s1,co1,k1,"{A:よくできる},{B:できる}"`,
    userProfiles: `userSourcedId,profileType,vendorId,applicationId,description,credentialType,username,password
pr1,,,u2,app,v1,a1,学習アプリ,login,hanako,s3cret`,
    userResources: `userSourcedId,orgSourcedId,classSourcedId,resourceSourcedId
ur1,,,u1,s1,k1,r1`,
    users: `enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns
u1,,,true,taro,"{LDAP:taro},{LTI:17}",太郎,山田,,001,,,,u2,P1,,M-1,r1,たろう,,やまだ,s1,
u2,,,true,hanako,,花子,山田,,002,h@example.jp,090,03,,,pass word,,,,,,,she/her`,
  };
  const bundle: Record<string, string> = {
    'manifest.csv': manifest('1.2', Object.fromEntries(Object.keys(files).map((name) => [name, 'bulk']))),
  };
  for (const [name, text] of Object.entries(files)) {
    const quoted = text.replaceAll(/("[^"]*(?:""[^"]*)*")|\n/g, (_, quotes) => quotes ?? '\r\n');
    bundle[`${name}.csv`] = `sourcedId,status,dateLastModified,${quoted}\r\n`;
  }
  return bundle;
}
