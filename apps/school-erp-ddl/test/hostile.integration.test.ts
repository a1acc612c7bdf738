/** What somebody tries who may run any SQL as the app role: the border between tenants and the rules have to hold. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Queryable } from '../src/database.ts';
import { useDatabase } from './database.ts';
import { openSchool, refusedBy, runAs, type SchoolIds } from './school.ts';

const db = useDatabase();
let tenant: number;
let other: number;
let school: SchoolIds;

beforeAll(async () => {
  ({ tenant, school } = await openSchool(db, 'hostile'));
  other = await db.tenant('neighbour');
});

const run = (...statements: string[]) => runAs(db, tenant, statements);
const leave = () => `SELECT tenancy.enter(${other})`;
const idOf = async (tx: Queryable, insert: string) =>
  (await tx.one<{ id: string }>(`${insert} RETURNING id`)).id;

test('a temporary type in the place of a real one does not run as the owner', async () => {
  await expect(
    run(
      'CREATE TEMPORARY TABLE caught (who text) ON COMMIT DROP',
      `CREATE FUNCTION pg_temp.catch(pg_catalog.jsonb) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN IF current_user <> 'erp_app' THEN RAISE 'caught %', current_user; END IF; RETURN true; END $$`,
      'CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb CHECK (pg_temp.catch(VALUE))',
      'CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.catch(to_jsonb(VALUE)))',
      `UPDATE people.person SET given_name = 'New' WHERE id = ${school.students[0]}`,
      "SELECT tenancy.tenant_number('neighbour')",
      `INSERT INTO fees.payment (person_id, method_code, amount) VALUES (${school.students[0]}, 'cash', 1)`,
      `INSERT INTO attendance.daily_mark (person_id, day, organisation_id, code)
        VALUES (${school.students[0]}, '2026-11-20', ${school.organisation}, 'P')`,
    ),
  ).resolves.toBeUndefined();
});

test.each([
  ['a large object, which would be everybody’s', "SELECT lo_from_bytea(0, 'secret')"],
  ['a partition beside its table', 'SELECT FROM attendance.daily_mark_2026_11'],
  ['all rows at once', 'TRUNCATE people.photo'],
  ['what the owner may', 'SET LOCAL ROLE erp_owner'],
  ['the state of a sequence', "SELECT setval('people.person_id_seq', 1)"],
  ['triggers', "SET LOCAL session_replication_role = 'replica'"],
])('the app does not get %s', async (_, statement) => {
  const login = `hostile_login_${process.pid}`;
  await db.client.execute(`CREATE ROLE ${login} LOGIN PASSWORD 'x' IN ROLE erp_app`);
  try {
    await expect(
      db.client.tx(async (tx) => {
        await tx.execute(`SET LOCAL SESSION AUTHORIZATION ${login}`);
        await tx.execute('SET LOCAL ROLE erp_app');
        await tx.execute(statement);
      }),
    ).rejects.toMatchObject({ sqlState: '42501' });
  } finally {
    await db.client.execute(`DROP ROLE ${login}`);
  }
});

test.each([
  'MERGE INTO people.person p USING (SELECT 1) s ON p.tenant_id <> tenancy.current_tenant() WHEN MATCHED THEN DELETE',
  'WITH gone AS (DELETE FROM people.person WHERE tenant_id <> tenancy.current_tenant() RETURNING 1) SELECT FROM gone',
  'SELECT FROM people.person WHERE tenant_id <> tenancy.current_tenant() FOR UPDATE',
  'SELECT FROM people.person WHERE 1 / (CASE WHEN tenant_id = tenancy.current_tenant() THEN 1 ELSE 0 END) = 2',
])('nobody else is reached by %s', async (statement) => {
  await db.asTenant(other, (tx) =>
    tx.execute("INSERT INTO people.person (given_name, family_name) VALUES ('Their', 'Person')"),
  );
  expect(await db.asTenant(tenant, (tx) => tx.execute(statement))).toBe(0);
});

test('a foreign key into another tenant is refused without a word about what is there', async () => {
  const theirs = await db.asTenant(other, (tx) =>
    idOf(tx, "INSERT INTO people.person (given_name, family_name) VALUES ('Their', 'Student')"),
  );
  const message = async (id: string) =>
    run(`INSERT INTO people.student (person_id) VALUES (${id})`).then(
      () => 'taken',
      (error: { cause?: { message: string; detail?: string } }) =>
        `${error.cause?.message} ${error.cause?.detail}`,
    );
  expect(await message(theirs)).toBe(await message('987654321'));
});

describe('rules that are checked at commit hold', () => {
  const entry = (tx: Queryable, more = '') =>
    idOf(
      tx,
      `INSERT INTO fees.journal_entry (entry_date, source_kind, description${more && ', reverses_id'})
       VALUES ('2026-11-02', 'manual', 'x'${more && `, ${more}`})`,
    );
  const line = (id: string, n: number, amount: number) =>
    `INSERT INTO fees.journal_line (journal_entry_id, line_number, account_id, amount)
     VALUES (${id}, ${n}, ${school.accounts[n % 2]}, ${amount})`;

  test('after the transaction has left its tenant: cycles', async () => {
    const cycle = (table: string, column: string, id: string, above: string) =>
      run(`UPDATE ${table} SET ${column} = ${above} WHERE id = ${id}`, leave());
    await expect(
      cycle('fees.account', 'parent_id', school.accounts[0]!, school.accounts[0]!),
    ).rejects.toEqual(refusedBy('account_cycle'));
    await expect(cycle('academics.grade_level', 'next_id', school.grade, school.grade)).rejects.toEqual(
      refusedBy('grade_level_cycle'),
    );
  });

  test('when two halves of a cycle come at once', async () => {
    const [a, b] = school.accounts;
    const outcomes = await Promise.allSettled([
      run(`UPDATE fees.account SET parent_id = ${b} WHERE id = ${a}`),
      run(`UPDATE fees.account SET parent_id = ${a} WHERE id = ${b}`),
    ]);
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    await run('UPDATE fees.account SET parent_id = NULL');
  });

  test('after the transaction has left its tenant: bands with a gap', async () => {
    await expect(
      run(
        "INSERT INTO assessment.grading_scheme (id, code, name, kind, lowest, highest) VALUES (991, 'x', 'X', 'letter', 0, 100)",
        `INSERT INTO assessment.grade_band (grading_scheme_id, code, name, scores) VALUES (991, 'a', 'A', '[0,50)')`,
        leave(),
      ),
    ).rejects.toEqual(refusedBy('grade_band_gap'));
  });

  test('when a band moves to another scheme, and when the range of a scheme changes', async () => {
    await run(
      `INSERT INTO assessment.grading_scheme (id, code, name, kind, lowest, highest) VALUES (992, 'm', 'M', 'letter', 0, 100), (993, 'n', 'N', 'letter', 50, 100)`,
      `INSERT INTO assessment.grade_band (grading_scheme_id, code, name, scores) VALUES (992, 'b', 'B', '[0,50)'), (992, 'a', 'A', '[50,100]')`,
    );
    await expect(
      run(
        "UPDATE assessment.grade_band SET grading_scheme_id = 993 WHERE grading_scheme_id = 992 AND code = 'a'",
      ),
    ).rejects.toEqual(refusedBy('grade_band_gap'));
    await expect(run('UPDATE assessment.grading_scheme SET highest = 120 WHERE id = 992')).rejects.toEqual(
      refusedBy('grade_band_gap'),
    );
  });

  test('for a line that comes after the check of its entry', async () => {
    await expect(
      db.asTenant(tenant, async (tx) => {
        const id = await entry(tx);
        await tx.execute(line(id, 1, 5));
        await tx.execute(line(id, 2, -5));
        await tx.execute('SET CONSTRAINTS ALL IMMEDIATE');
        await tx.execute(line(id, 3, 7));
      }),
    ).rejects.toEqual(refusedBy('journal_entry_balance'));
  });

  test('for a reversal that undoes something else', async () => {
    const first = await db.asTenant(tenant, async (tx) => {
      const id = await entry(tx);
      for (const statement of [line(id, 1, 5), line(id, 2, -5)]) await tx.execute(statement);
      return id;
    });
    const reverse = (amount: number) =>
      db.asTenant(tenant, async (tx) => {
        const id = await entry(tx, first);
        for (const statement of [line(id, 1, -amount), line(id, 2, amount)]) await tx.execute(statement);
      });
    await expect(reverse(4)).rejects.toEqual(refusedBy('journal_entry_reversal'));
    await reverse(5);
  });

  test('for a receipt number that no payment has', async () => {
    const paid = await db.asTenant(tenant, (tx) =>
      idOf(
        tx,
        `INSERT INTO fees.payment (person_id, method_code, amount) VALUES (${school.students[0]}, 'cash', 10)`,
      ),
    );
    const again = `INSERT INTO fees.payment (id, person_id, method_code, amount)
      VALUES (${paid}, ${school.students[0]}, 'cash', 10) ON CONFLICT DO NOTHING`;
    for (const waste of [
      again,
      "SELECT fees.next_number('receipt')",
      "SELECT fees.take_numbers('journal', 3)",
    ])
      await expect(run(waste)).rejects.toEqual(refusedBy('number_series_used'));
    await expect(run(again, leave())).rejects.toEqual(refusedBy('number_series_used'));
  });
});

test('a line does not move out of a published report card, nor out of one that is published at the same moment', async () => {
  const cards = await db.asTenant(tenant, (tx) =>
    tx.query<{ id: string }>(
      `INSERT INTO assessment.report_card (person_id, academic_session_id, section_id)
       SELECT p, ${school.year}, ${school.sections[0]} FROM unnest(ARRAY[${school.students.slice(0, 2)}]::bigint[]) p RETURNING id`,
    ),
  );
  const [one, two] = cards.map((card) => card.id);
  await run(`INSERT INTO assessment.report_line (report_card_id, position, title) VALUES (${one}, 1, 'Art')`);
  await run(`UPDATE assessment.report_card SET published_at = now() WHERE id = ${one}`);
  await expect(
    run(`UPDATE assessment.report_line SET report_card_id = ${two} WHERE report_card_id = ${one}`),
  ).rejects.toEqual(refusedBy('report_card_published'));
});

test('a class keeps seats for the students that it has', async () => {
  const section = school.sections[2];
  await run(
    `INSERT INTO enrolment.section_enrolment (section_id, person_id, organisation_id, role_code)
     SELECT ${section}, p, ${school.organisation}, 'student' FROM unnest(ARRAY[${school.students.slice(0, 3)}]::bigint[]) p`,
  );
  await expect(run(`UPDATE academics.section SET capacity = 2 WHERE id = ${section}`)).rejects.toEqual(
    refusedBy('section_seats'),
  );
  await run(`UPDATE academics.section SET capacity = 3 WHERE id = ${section}`);
});

test('a day is marked as a whole or in halves, also when both come at once', async () => {
  const mark = (session: string) =>
    run(
      `INSERT INTO attendance.daily_mark (person_id, day, session_code, organisation_id, code)
       VALUES (${school.students[5]}, '2026-11-19', '${session}', ${school.organisation}, 'P')`,
    );
  const outcomes = await Promise.allSettled([mark('D'), mark('AM')]);
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  expect(outcomes.find((outcome) => outcome.status === 'rejected')?.reason).toEqual(
    refusedBy('daily_mark_halves'),
  );
});
