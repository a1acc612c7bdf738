import { beforeAll, describe, expect, test } from 'vitest';
import { useDatabase } from './database.ts';
import { id, openSchool, refusedBy, runAs, type SchoolIds } from './school.ts';

const db = useDatabase();
let tenant: number;
let school: SchoolIds;

beforeAll(async () => {
  ({ tenant, school } = await openSchool(db, 'invariants'));
});

/** Runs statements as the tenant, together in one transaction. */
const run = (...statements: string[]) => runAs(db, tenant, statements);

describe('enrolment', () => {
  const enrol = (student: string, dates = "'2026-08-01', '2027-07-01'", section = school.sections[1]!) =>
    `INSERT INTO enrolment.section_enrolment (section_id, person_id, role_code, begin_date, end_date)
     VALUES (${section}, ${student}, 'student', ${dates})`;

  test('a student is in a class once at a time', async () => {
    const [student] = school.students;
    await run(enrol(student!, "'2026-08-01', '2026-12-01'"), enrol(student!, "'2026-12-01', NULL"));
    await expect(run(enrol(student!, "'2027-01-01', '2027-02-01'"))).rejects.toEqual(
      refusedBy('section_enrolment_overlap_excl'),
    );
  });

  test('a class never holds more students than it has seats, also when they come at once', async () => {
    const section = await db.asTenant(tenant, (tx) =>
      id(tx, "INSERT INTO academics.section (title, class_type, capacity) VALUES ('Small', 'scheduled', 3)"),
    );
    const outcomes = await Promise.allSettled(
      school.students.slice(0, 8).map((student) => run(enrol(student, "'2026-08-01', NULL", section))),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(3);
    expect(outcomes.find((outcome) => outcome.status === 'rejected')?.reason).toEqual(
      refusedBy('section_enrolment_seats'),
    );
  });

  test('a first capacity waits for the enrolments that are under way, and counts them', async () => {
    const section = await db.asTenant(tenant, (tx) =>
      id(tx, "INSERT INTO academics.section (title, class_type) VALUES ('Open', 'scheduled')"),
    );
    let settled = false;
    let capacity: Promise<void> | undefined;
    await db.asTenant(tenant, async (tx) => {
      for (const student of school.students.slice(0, 2)) {
        await tx.execute(enrol(student, "'2026-08-01', NULL", section));
      }
      capacity = run(`UPDATE academics.section SET capacity = 1 WHERE id = ${section}`).finally(() => {
        settled = true;
      });
      capacity.catch(() => undefined);
      const waits = () =>
        db.client.query(
          'SELECT FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0',
        );
      while (!settled && (await waits()).length === 0);
    });
    await expect(capacity).rejects.toEqual(refusedBy('section_seats'));
  });

  test('a student has one place at a time', async () => {
    const place = (period: string) =>
      `INSERT INTO enrolment.placement (person_id, organisation_id, academic_year_id, grade_level_id, period)
       VALUES (${school.students[2]}, ${school.organisation}, ${school.year}, ${school.grade}, '${period}')`;
    await run(place('[2026-08-01,2027-07-01)'));
    await expect(run(place('[2027-06-01,2028-07-01)'))).rejects.toEqual(refusedBy('placement_overlap_excl'));
  });
});

test('sessions of one kind in one calendar do not overlap', async () => {
  await expect(
    run(
      `INSERT INTO calendar.academic_session (calendar_id, kind_code, title, starts_on, ends_on, school_year)
       VALUES (${school.calendar}, 'schoolYear', 'x', '2027-01-01', '2027-09-01', 2027)`,
    ),
  ).rejects.toEqual(refusedBy('academic_session_overlap_excl'));
});

describe.each([
  [
    'leave of staff',
    'leave_request_overlap_excl',
    (days: string) =>
      `INSERT INTO hr.leave_request (person_id, leave_type_code, days) VALUES (${school.teachers[0]}, 'annual', '${days}')`,
  ],
  [
    'a bed',
    'bed_allocation_bed_excl',
    (days: string) =>
      `INSERT INTO hostel.bed_allocation (bed_id, person_id, days) SELECT ${school.bed}, p, '${days}'
       FROM unnest(ARRAY[${days.includes('10-05') ? school.students[0] : school.students[1]}]) AS p`,
  ],
  [
    'a library copy',
    'loan_copy_excl',
    (days: string) =>
      `INSERT INTO library.loan (copy_id, person_id, lent_at, returned_at, due_on)
       SELECT ${school.copy}, ${school.students[0]}, lower('${days}'::daterange), upper('${days}'::daterange), '2027-01-01'`,
  ],
])('%s', (_, constraint, insert) => {
  test('is not given twice for the same days', async () => {
    await run(insert('[2026-10-01,2026-10-10)'));
    await run(insert('[2026-10-10,2026-10-12)'));
    await expect(run(insert('[2026-10-05,2026-10-06)'))).rejects.toEqual(refusedBy(constraint));
  });
});

describe('attendance', () => {
  const mark = (code: string, day = '2026-11-02') =>
    `INSERT INTO attendance.daily_mark (person_id, day, organisation_id, code)
     VALUES (${school.students[0]}, '${day}', ${school.organisation}, '${code}')`;

  test('a student is present or absent, not both', async () => {
    await run(mark('P'));
    await expect(run(mark('A'))).rejects.toMatchObject({ sqlState: '23505' });
  });

  test('a code that the school does not have is refused', async () => {
    await expect(run(mark('Z', '2026-11-03'))).rejects.toMatchObject({ sqlState: '23503' });
  });

  test('a day without a partition is refused rather than lost', async () => {
    await expect(run(mark('P', '2031-01-01'))).rejects.toMatchObject({ sqlState: '23514' });
  });
});

describe('marks', () => {
  const mark = (values: string) =>
    run(
      `INSERT INTO assessment.mark (paper_id, person_id, max_score, score, absence_code) VALUES (${school.paper}, ${values})`,
    );

  test.each([
    ['a score above the highest', 'mark_bounds_check', '50, 51, NULL'],
    ['a negative score', 'mark_bounds_check', '50, -1, NULL'],
    ['a score and an absence', 'mark_once_check', "50, 10, 'absent'"],
    ['neither score nor absence', 'mark_once_check', '50, NULL, NULL'],
    ['another highest score than the paper', 'mark_paper_fkey', '100, 60, NULL'],
  ])('%s is refused', async (_, constraint, values) => {
    await expect(mark(`${school.students[0]}, ${values}`)).rejects.toEqual(refusedBy(constraint));
  });

  test('follow their paper when its highest score is raised, and hold it when it is lowered', async () => {
    await mark(`${school.students[1]}, 50, 48, NULL`);
    await run(`UPDATE assessment.paper SET max_score = 60 WHERE id = ${school.paper}`);
    await expect(
      run(`UPDATE assessment.paper SET max_score = 40 WHERE id = ${school.paper}`),
    ).rejects.toEqual(refusedBy('mark_bounds_check'));
    await run(`UPDATE assessment.paper SET max_score = 50 WHERE id = ${school.paper}`);
  });
});

describe('a grading scheme', () => {
  const scheme = (code: string, ...bands: string[]) =>
    db.asTenant(tenant, async (tx) => {
      const made = await id(
        tx,
        `INSERT INTO assessment.grading_scheme (code, name, kind) VALUES ('${code}', 'x', 'letter')`,
      );
      for (const [i, band] of bands.entries()) {
        await tx.execute(
          `INSERT INTO assessment.grade_band (grading_scheme_id, code, name, scores) VALUES (${made}, 'G${i}', 'x', '${band}')`,
        );
      }
    });

  test('takes bands that cover it', () => scheme('good', '[0,50)', '[50,80)', '[80,100]'));

  test.each([
    ['a gap', 'grade_band_gap', ['[0,50)', '[60,100]']],
    ['a missing top', 'grade_band_gap', ['[0,50)', '[50,100)']],
    ['a missing bottom', 'grade_band_gap', ['[10,100]']],
    ['an overlap', 'grade_band_overlap_excl', ['[0,50]', '[50,100]']],
  ])('refuses %s', async (_, constraint, bands) => {
    await expect(scheme(constraint + bands[0], ...bands)).rejects.toEqual(refusedBy(constraint));
  });
});

test('a published report card is frozen, lines and all', async () => {
  const card = await db.asTenant(tenant, async (tx) => {
    const made = await id(
      tx,
      `INSERT INTO assessment.report_card (person_id, academic_session_id) VALUES (${school.students[0]}, ${school.year})`,
    );
    await tx.execute(
      `INSERT INTO assessment.report_line (report_card_id, position, title, grade) VALUES (${made}, 1, 'Maths', 'A')`,
    );
    await tx.execute(`UPDATE assessment.report_card SET published_at = now() WHERE id = ${made}`);
    return made;
  });
  for (const statement of [
    `UPDATE assessment.report_card SET comment = 'better' WHERE id = ${card}`,
    `UPDATE assessment.report_line SET grade = 'A+' WHERE report_card_id = ${card}`,
    `INSERT INTO assessment.report_line (report_card_id, position, title) VALUES (${card}, 2, 'Art')`,
    `DELETE FROM assessment.report_line WHERE report_card_id = ${card}`,
    `DELETE FROM assessment.report_card WHERE id = ${card}`,
  ]) {
    await expect(run(statement)).rejects.toEqual(refusedBy('report_card_published'));
  }
});

test('stock never falls below zero, however many take at once', async () => {
  const take = (quantity: number) =>
    run(
      `INSERT INTO inventory.stock_move (store_id, item_id, quantity, reason) VALUES (${school.store}, ${school.item}, ${quantity}, 'issue')`,
    );
  await take(5);
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => take(-1)));
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(5);
});

test('a sale takes from the stock what it sells, and gives back what is corrected', async () => {
  const { item, sale } = await db.asTenant(tenant, async (tx) => {
    const item = await id(tx, "INSERT INTO inventory.item (code, name, unit) VALUES ('TIE', 'Tie', 'piece')");
    await tx.execute(
      `INSERT INTO inventory.stock_move (store_id, item_id, quantity, reason) VALUES (${school.store}, ${item}, 5, 'receipt')`,
    );
    const sale = await id(
      tx,
      `INSERT INTO inventory.sale (store_id, person_id) VALUES (${school.store}, ${school.students[0]})`,
    );
    return { item, sale };
  });
  const left = () =>
    db
      .asTenant(tenant, (tx) =>
        tx.one<{ quantity: string }>(`SELECT quantity FROM inventory.stock WHERE item_id = ${item}`),
      )
      .then((row) => Number(row.quantity));
  const sell = (quantity: number, of = sale) =>
    run(
      `INSERT INTO inventory.sale_line (sale_id, store_id, item_id, quantity, unit_price) VALUES (${of}, ${school.store}, ${item}, ${quantity}, 9)`,
    );
  await expect(sell(6)).rejects.toEqual(refusedBy('stock_quantity_check'));
  await sell(4);
  expect(await left()).toBe(1);
  await run(`UPDATE inventory.sale_line SET quantity = 2, unit_price = 8 WHERE sale_id = ${sale}`);
  expect(await left()).toBe(3);
  await run(`UPDATE inventory.sale_line SET unit_price = 7 WHERE sale_id = ${sale}`);
  expect(await left()).toBe(3);
  await run(`DELETE FROM inventory.sale WHERE id = ${sale}`);
  expect(await left()).toBe(5);

  const sales = await db.asTenant(tenant, async (tx) =>
    (
      await tx.query<{ id: string }>(
        `INSERT INTO inventory.sale (store_id, person_id) SELECT ${school.store}, ${school.students[0]} FROM generate_series(1, 8) RETURNING id`,
      )
    ).map((row) => row.id),
  );
  const outcomes = await Promise.allSettled(sales.map((of) => sell(1, of)));
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(5);
});

describe('who reports to whom', () => {
  const [JANUARY, FEBRUARY] = ['[2027-01-01,2027-02-01)', '[2027-02-01,2027-03-01)'];
  const reports = (who: number, to: number, valid: string) =>
    `INSERT INTO hr.reporting_line (person_id, manager_id, valid)
     VALUES (${school.teachers[who]}, ${school.teachers[to]}, '${valid}')`;

  test('leads to nobody twice at one time, but may turn round', async () => {
    await run(reports(0, 1, JANUARY), reports(1, 2, JANUARY));
    await run(reports(1, 0, FEBRUARY), reports(2, 1, FEBRUARY));
    await expect(run(reports(2, 0, JANUARY))).rejects.toEqual(refusedBy('reporting_line_cycle'));
    await expect(
      run(
        `UPDATE hr.reporting_line SET valid = '[2027-01-31,2027-03-01)' WHERE person_id = ${school.teachers[2]}`,
        'SET CONSTRAINTS ALL IMMEDIATE',
      ),
    ).rejects.toEqual(refusedBy('reporting_line_cycle'));
    await run('DELETE FROM hr.reporting_line', reports(2, 0, JANUARY));
  });

  test('is no cycle whose halves are written at the same moment', async () => {
    await run('DELETE FROM hr.reporting_line');
    const outcomes = await Promise.allSettled([
      run(reports(0, 1, JANUARY)),
      run(reports(1, 2, JANUARY)),
      run(reports(2, 0, JANUARY)),
    ]);
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(2);
  });
});

describe('identifiers follow the country pack', () => {
  test('an Indonesian NISN has ten digits', async () => {
    const other = await db.tenant('nusantara', 'indonesia');
    const give = (scheme: string, value: string) =>
      db.asTenant(other, async (tx) => {
        const person = await id(
          tx,
          "INSERT INTO people.person (given_name, family_name) VALUES ('Ayu', 'Lestari')",
        );
        await tx.execute(
          `INSERT INTO people.identifier (person_id, scheme_code, value) VALUES (${person}, '${scheme}', '${value}')`,
        );
      });
    await give('nisn', '0091234567');
    await give('nip', '198501012010011001');
    await expect(give('nisn', '009123456')).rejects.toEqual(refusedBy('identifier_format'));
    await expect(give('npsn', '20104567')).rejects.toEqual(refusedBy('identifier_scheme'));
  });
});

test('custom fields hold what the tenant allowed and nothing else', async () => {
  await run(
    "INSERT INTO custom.field (entity, code, label, kind, options) VALUES ('student', 'bus', 'Bus', 'choice', '{red,blue}')",
  );
  const set = (json: string) =>
    run(`UPDATE people.student SET custom = '${json}' WHERE person_id = ${school.students[0]}`);
  await set('{"bus": "red"}');
  await expect(set('{"bus": "green"}')).rejects.toEqual(refusedBy('student_custom'));
  await expect(set('{"boat": "red"}')).rejects.toEqual(refusedBy('student_custom'));
});

test('the audit trail keeps what was changed, and cannot be altered by anybody', async () => {
  await db.asTenant(tenant, async (tx) => {
    await tx.query("SELECT set_config('app.person_id', $1, true)", [school.teachers[0]]);
    await tx.execute(`UPDATE people.person SET phone = '555' WHERE id = ${school.students[3]}`);
  });
  const trail = await db.asTenant(tenant, (tx) =>
    tx.query(
      `SELECT operation, actor_id, before->>'phone' AS before, after->>'phone' AS after FROM audit.entry
       WHERE table_name = 'people.person' AND row_id = '${school.students[3]}'`,
    ),
  );
  expect(trail).toEqual([{ operation: 'UPDATE', actor_id: school.teachers[0], before: null, after: '555' }]);
  await expect(run('DELETE FROM audit.entry')).rejects.toMatchObject({ sqlState: '42501' });
  await expect(
    run("INSERT INTO audit.entry (table_name, row_id, operation) VALUES ('x', '1', 'INSERT')"),
  ).rejects.toMatchObject({ sqlState: '42501' });
  await expect(db.client.execute('UPDATE audit.entry SET actor_id = 1')).rejects.toEqual(
    refusedBy('entry_final'),
  );
});
