import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleFiles } from '../src/generate/bundle.ts';
import { makeDistrict } from '../src/generate/district.ts';
import { fillOperations } from '../src/generate/operations.ts';
import { MIGRATIONS } from '../src/migrations.ts';
import { importBundle } from '../src/oneroster/import.ts';
import { writeBundle } from '../src/oneroster/write.ts';
import { useDatabase } from './database.ts';

const db = useDatabase();
const DAY = '2026-11-13';
let tenant: number;

beforeAll(async () => {
  const path = await mkdtemp(join(tmpdir(), 'erp daily '));
  await writeBundle(
    join(path, 'b'),
    bundleFiles(makeDistrict({ schools: 3, students: 150, seed: 2 }), { version: '1.2' }),
  );
  await importBundle(db.client, { path: join(path, 'b'), tenant: 'daily' });
  await rm(path, { recursive: true });
  ({ id: tenant } = await db.client.one<{ id: number }>("SELECT tenancy.tenant_number('daily') AS id"));
  await db.asTenant(tenant, (tx) =>
    fillOperations(tx, { from: '2026-10-26', to: DAY, yearStart: '2026-08-03' }),
  );
  await ask(
    `INSERT INTO assessment.report_card (person_id, academic_session_id)
     SELECT s.person_id, t.id FROM people.student s CROSS JOIN calendar.academic_session t ON CONFLICT DO NOTHING`,
  );
  await db.client.execute('ANALYZE');
}, 120_000);

const ask = <R extends object>(statement: string) => db.asTenant(tenant, (tx) => tx.query<R>(statement));
const first = async (statement: string) => Object.values((await ask(statement))[0] ?? {})[0] as string;

describe('reads', () => {
  test('a roll lists the students of the section, and the correction of the office wins', async () => {
    const section = await first(
      "SELECT id FROM academics.section WHERE class_type = 'homeroom' ORDER BY id LIMIT 1",
    );
    const before = await ask<{ person_id: string; code: string }>(
      `SELECT * FROM daily.section_roll(${section}, '${DAY}')`,
    );
    expect(before.length).toBeGreaterThan(3);
    await ask(
      `INSERT INTO attendance.override (person_id, day, code, reason) VALUES (${before[0]!.person_id}, '${DAY}', 'E', 'doctor')`,
    );
    const after = await ask<{ code: string; overridden: boolean }>(
      `SELECT * FROM daily.section_roll(${section}, '${DAY}')`,
    );
    expect(after[0]).toMatchObject({ code: 'E', overridden: true });
  });

  test('the day book holds the days of the tenant, whatever the time zone of the session', async () => {
    const student = await first('SELECT person_id FROM fees.invoice ORDER BY id LIMIT 1');
    await db.client.query("UPDATE tenancy.tenant SET time_zone = 'Asia/Jakarta' WHERE id = $1", [tenant]);
    const taken = await db.asTenant(tenant, async (tx) => {
      await tx.execute(
        `INSERT INTO fees.payment (person_id, method_code, amount, received_at) VALUES
          (${student}, 'cash', 1, '2027-02-28 17:00Z'), (${student}, 'cash', 2, '2027-03-01 16:59Z'), (${student}, 'cash', 4, '2027-03-01 17:00Z')`,
      );
      const found: string[] = [];
      for (const zone of ['America/Los_Angeles', 'Pacific/Auckland']) {
        await tx.execute(`SET LOCAL TIME ZONE '${zone}'`);
        const rows = await tx.query<{ received: string }>(
          "SELECT received FROM daily.day_book('2027-03-01') WHERE method_code = 'cash'",
        );
        found.push(...rows.map((row) => row.received));
      }
      return found;
    });
    expect(taken.map(Number)).toEqual([3, 3]);
    await db.client.query("UPDATE tenancy.tenant SET time_zone = 'UTC' WHERE id = $1", [tenant]);
  });

  test('a ledger ends with what invoices and payments leave open', async () => {
    const student = await first('SELECT person_id FROM fees.invoice ORDER BY id LIMIT 1');
    const lines = await ask<{ balance: string }>(`SELECT * FROM daily.student_ledger(${student})`);
    const open = await first(`SELECT sum(total - allocated) FROM fees.invoice WHERE person_id = ${student}`);
    expect(lines.at(-1)!.balance).toBe(open);
  });

  test('the ageing of fees sums to what is open', async () => {
    const school = await first('SELECT organisation_id FROM fees.invoice LIMIT 1');
    const [ages] = await ask<Record<string, string>>(`SELECT * FROM daily.fee_ageing(${school}, '${DAY}')`);
    const open = await first(
      `SELECT sum(total - allocated) FROM fees.invoice WHERE organisation_id = ${school}`,
    );
    expect(Object.values(ages!).reduce((sum, age) => sum + Number(age), 0)).toBe(Number(open));
  });

  test('a teacher who teaches is not free', async () => {
    const [slot] = await ask<{ person_id: string; school: string; day: string; minute: number }>(
      `SELECT t.person_id, m.organisation_id AS school, (date '2026-11-09' + t.day_of_week - 1)::text AS day, lower(t.minutes) AS minute
       FROM timetable.slot_teacher t JOIN timetable.slot s ON s.id = t.slot_id JOIN timetable.timetable m ON m.id = s.timetable_id LIMIT 1`,
    );
    const free = await ask<{ person_id: string }>(
      `SELECT * FROM daily.free_teachers(${slot!.school}, '${slot!.day}', ${slot!.minute}, ${slot!.minute + 10})`,
    );
    expect(free.map((row) => row.person_id)).not.toContain(slot!.person_id);
    const evening = await ask<{ person_id: string }>(
      `SELECT * FROM daily.free_teachers(${slot!.school}, '${slot!.day}', 1100, 1110)`,
    );
    expect(evening.map((row) => row.person_id)).toContain(slot!.person_id);
  });

  test('a lesson that moves for a day is in its other room, which is not free then', async () => {
    const [moved] = await ask<Record<'school' | 'day' | 'minute' | 'teacher' | 'slot_id' | 'code', string>>(
      `SELECT r.organisation_id AS school, c.day::text, lower(c.minutes) AS minute, t.person_id AS teacher, c.slot_id, r.code
       FROM timetable.room_change c JOIN timetable.room r ON r.id = c.room_id JOIN timetable.slot_teacher t USING (slot_id) LIMIT 1`,
    );
    const { school, day, minute, teacher, slot_id, code } = moved!;
    const free = await ask<{ code: string }>(
      `SELECT code FROM daily.free_rooms(${school}, '${day}', ${minute}, ${minute} + 10)`,
    );
    expect(free.length).toBeGreaterThan(0);
    expect(free).not.toContainEqual({ code });
    expect(await ask(`SELECT slot_id, room FROM daily.teacher_day(${teacher}, '${day}')`)).toContainEqual({
      slot_id,
      room: code,
    });
  });

  test('a teacher who is ill is not free', async () => {
    const [ill] = await ask<Record<'school' | 'day' | 'person_id', string>>(
      `SELECT r.organisation_id AS school, lower(a.days)::text AS day, a.person_id FROM hr.staff_absence a
       JOIN people.role_assignment r USING (person_id) LIMIT 1`,
    );
    const free = (day: string) =>
      ask<{ person_id: string }>(
        `SELECT person_id FROM daily.free_teachers(${ill!.school}, ${day}, 1100, 1110)`,
      );
    expect(await free(`'${ill!.day}'`)).not.toContainEqual({ person_id: ill!.person_id });
    expect(await free(`date '${ill!.day}' + 7`)).toContainEqual({ person_id: ill!.person_id });
  });

  test('names are found by their beginning, whatever their case', async () => {
    const name = await first('SELECT family_name FROM people.person LIMIT 1');
    const found = await ask<{ family_name: string }>(
      `SELECT * FROM daily.search_people('${name.slice(0, 3).toUpperCase()}', 5)`,
    );
    expect(found.length).toBeGreaterThan(0);
    expect(found.every((row) => row.family_name.startsWith(name.slice(0, 3)))).toBe(true);
  });

  test('nothing of it is there for another tenant', async () => {
    const other = await db.tenant('elsewhere');
    const names = [
      ...readFileSync(join(MIGRATIONS, 'daily/2000_reads.sql'), 'utf8').matchAll(
        /FUNCTION daily\.(\w+)\(([^)]*)\)\n/g,
      ),
    ];
    expect(names.length).toBeGreaterThan(18);
    for (const [, name, parameters] of names) {
      const values = parameters!.split(',').map((parameter) => {
        if (parameter.includes('DEFAULT')) return undefined;
        if (parameter.includes('date')) return `'${DAY}'`;
        return parameter.includes('text') ? "''" : '1';
      });
      const rows = await db.asTenant(other, (tx) =>
        tx.query(`SELECT * FROM daily.${name}(${values.filter(Boolean).join(', ')})`),
      );
      // Sums over nothing are a row of zeros; no other query has anything to show.
      if (!['fee_ageing', 'attendance_percent'].includes(name!))
        expect({ name, rows }).toEqual({ name, rows: [] });
    }
  });
});

describe('writes', () => {
  test('a roll is handed in, and handed in again to correct it', async () => {
    const [row] = await ask<{ section: string; students: string[] }>(
      `SELECT section_id AS section, array_agg(person_id) AS students FROM enrolment.section_enrolment
       WHERE role_code = 'student' GROUP BY 1 ORDER BY 1 LIMIT 1`,
    );
    const marks = (code: string) => JSON.stringify(row!.students.map((person_id) => ({ person_id, code })));
    const submit = (code: string) =>
      ask<{ n: number }>(
        `SELECT daily.submit_roll(${row!.section}, '2026-11-16', '${marks(code)}', NULL) AS n`,
      );
    expect(await submit('P')).toEqual([{ n: row!.students.length }]);
    expect(await submit('A')).toEqual([{ n: row!.students.length }]);
    const codes = await ask(`SELECT DISTINCT code FROM daily.section_roll(${row!.section}, '2026-11-16')`);
    expect(codes).toEqual([{ code: 'A' }]);
  });

  test('a payment covers the oldest invoices, and fifty at once never too much', async () => {
    const student = await first('SELECT person_id FROM fees.invoice WHERE allocated = 0 ORDER BY id LIMIT 1');
    const open = Number(
      await first(`SELECT sum(total - allocated) FROM fees.invoice WHERE person_id = ${student}`),
    );
    const paid = await Promise.all(
      Array.from({ length: 50 }, () =>
        ask<{ allocated: string }>(
          `SELECT * FROM daily.take_payment(${student}, 'cash', ${(open / 25).toFixed(2)})`,
        ),
      ),
    );
    const covered = paid.reduce((sum, [row]) => sum + Number(row!.allocated), 0);
    expect(covered).toBeCloseTo(open, 2);
    expect(
      Number(await first(`SELECT sum(total - allocated) FROM fees.invoice WHERE person_id = ${student}`)),
    ).toBe(0);
  });

  test('what is billed for a period stays billed once, however often and at what moment it is run', async () => {
    const structure = await first('SELECT id FROM fees.structure ORDER BY id LIMIT 1');
    const bill = (rest = '') =>
      ask<{ n: number }>(
        `SELECT daily.issue_invoices(${structure}, '2027-01-04', '2027-01-31', 10${rest}) AS n`,
      ).then(([row]) => row!.n);
    const payers = Number(
      await first(
        `SELECT count(*) FROM fees.assignment WHERE structure_id = ${structure} AND valid @> date '2027-01-04'`,
      ),
    );
    const runs = await Promise.all(Array.from({ length: 4 }, () => bill()));
    expect(runs.toSorted((a, b) => a - b)).toEqual([0, 0, 0, payers]);
    expect(await bill(", '2027-01'")).toBe(0);
    const cancelled = await first(
      `UPDATE fees.invoice SET status_code = 'cancelled'
       WHERE id = (SELECT min(id) FROM fees.invoice WHERE billing_period = '2027-01' AND allocated = 0) RETURNING id`,
    );
    expect(await bill()).toBe(1);
    await expect(
      ask(`UPDATE fees.invoice SET status_code = 'issued' WHERE id = ${cancelled}`),
    ).rejects.toMatchObject({ constraint: 'invoice_billed_once_key' });
    expect(await bill(", 'trip'")).toBe(payers);
    const numbers = await ask<{ gaps: string }>(
      'SELECT max(number) - min(number) + 1 - count(*) AS gaps FROM fees.invoice',
    );
    expect(numbers).toEqual([{ gaps: '0' }]);
  });

  test('lessons swap their times, unless that books a teacher twice', async () => {
    const [pair] = await ask<{ a: string; b: string }>(
      `SELECT x.slot_id AS a, y.slot_id AS b FROM timetable.slot_teacher x
       JOIN timetable.slot_teacher y ON y.person_id = x.person_id AND y.slot_id > x.slot_id AND y.minutes <> x.minutes LIMIT 1`,
    );
    const times = () =>
      ask(
        `SELECT id, day_of_week, minutes FROM timetable.slot WHERE id IN (${pair!.a}, ${pair!.b}) ORDER BY id`,
      );
    const before = (await times()) as { id: string; minutes: string }[];
    await ask(`SELECT daily.swap_slots(${pair!.a}, ${pair!.b})`);
    const after = (await times()) as { id: string; minutes: string }[];
    expect(after.map((row) => row.minutes)).toEqual(before.map((row) => row.minutes).reverse());
  });

  test('lessons that are swapped at the same moment keep all their times between them', async () => {
    const lessons = await ask<{ id: string }>(
      'SELECT min(id) AS id FROM timetable.slot GROUP BY day_of_week, minutes ORDER BY 1 LIMIT 3',
    );
    const [a, b, c] = lessons.map((row) => row.id);
    await ask(`DELETE FROM timetable.slot WHERE id NOT IN (${a}, ${b}, ${c})`);
    const times = () => ask('SELECT day_of_week, minutes FROM timetable.slot ORDER BY 1, 2');
    const before = await times();
    await Promise.all(
      [
        [a, b],
        [b, c],
        [c, a],
        [b, a],
        [c, b],
        [a, c],
      ].map(([one, other]) => ask(`SELECT daily.swap_slots(${one}, ${other})`)),
    );
    expect(await times()).toEqual(before);
    await expect(ask(`SELECT daily.swap_slots(${a}, 0)`)).rejects.toMatchObject({ sqlState: 'P0002' });
  });

  test('a swap does not check early what else the transaction has under way', async () => {
    const [a, b] = await ask<{ id: string }>('SELECT id FROM timetable.slot ORDER BY id LIMIT 2');
    await db.asTenant(tenant, async (tx) => {
      const [entry] = await tx.query<{ id: string }>(
        `INSERT INTO fees.journal_entry (entry_date, source_kind, description) VALUES ('${DAY}', 'manual', 'x') RETURNING id`,
      );
      await tx.query(`SELECT daily.swap_slots(${a!.id}, ${b!.id})`);
      await tx.execute(
        `INSERT INTO fees.journal_line (journal_entry_id, line_number, account_id, amount)
         SELECT ${entry!.id}, n, (SELECT min(id) FROM fees.account), CASE n WHEN 1 THEN 5 ELSE -5 END FROM generate_series(1, 2) AS n`,
      );
    });
  });

  test('a promotion ends the old placements and begins the new', async () => {
    const made = await db.asTenant(tenant, async (tx) => {
      const one = async (statement: string) => (await tx.query<{ id: string }>(statement))[0]!.id;
      const school = await one('SELECT organisation_id AS id FROM enrolment.placement LIMIT 1');
      const next = await one(
        `INSERT INTO calendar.academic_session (calendar_id, kind_code, title, starts_on, ends_on, school_year)
         SELECT calendar_id, kind_code, 'next', ends_on, ends_on + 364, school_year + 1
         FROM calendar.academic_session WHERE kind_code = 'schoolYear' RETURNING id`,
      );
      await tx.execute(`INSERT INTO calendar.academic_year (id) VALUES (${next})`);
      const run = await one(
        `INSERT INTO enrolment.promotion_run (organisation_id, from_year_id, to_year_id)
         SELECT ${school}, academic_year_id, ${next} FROM enrolment.placement LIMIT 1 RETURNING id`,
      );
      await tx.execute(
        `INSERT INTO enrolment.promotion_decision (promotion_run_id, person_id, placement_id, decision, to_grade_level_id)
         SELECT ${run}, p.person_id, p.id, 'promote', p.grade_level_id FROM enrolment.placement p WHERE p.organisation_id = ${school}`,
      );
      const promote = (first: string) =>
        tx.query<{ n: number }>(`SELECT daily.promote(${run}, '${first}') AS n`);
      const placed = (columns: string) =>
        tx.query<Record<string, string>>(
          `SELECT ${columns} FROM enrolment.placement WHERE organisation_id = ${school} ORDER BY id LIMIT 1`,
        );
      const [{ id, year_ends }] = (await placed('id, upper(period)::text AS year_ends')) as [
        { id: string; year_ends: string },
      ];
      for (const faulty of [
        `exit_code = 'moved', period = daterange(lower(period), lower(period) + 30)`,
        `academic_year_id = ${next}`,
      ]) {
        await tx.execute('SAVEPOINT before');
        await tx.execute(`UPDATE enrolment.placement SET ${faulty} WHERE id = ${id}`);
        await expect(promote('2027-08-16')).rejects.toMatchObject({ constraint: 'promotion_decision_open' });
        await tx.execute('ROLLBACK TO before');
      }
      const made = await promote('2027-08-16');
      expect(await placed('upper(period)::text AS ended, exit_code')).toEqual([
        { ended: year_ends, exit_code: 'promote' },
      ]);
      return made;
    });
    expect(made[0]!.n).toBeGreaterThan(10);
  });
});

describe('attendance', () => {
  const MONTH = "'2026-10-01', '2026-11-01'";
  const counted = () =>
    ask(`SELECT person_id, month, present, late, absent, excused FROM attendance.month_count
         WHERE present + late + absent + excused > 0 ORDER BY 1, 2`);
  const recounted = () =>
    ask(`SELECT m.person_id, date_trunc('month', m.day::timestamp)::date AS month,
           count(*) FILTER (WHERE c.kind = 'present')::smallint AS present, count(*) FILTER (WHERE c.kind = 'late')::smallint AS late,
           count(*) FILTER (WHERE c.kind = 'absent')::smallint AS absent, count(*) FILTER (WHERE c.kind = 'excused')::smallint AS excused
         FROM attendance.daily_mark m JOIN attendance.code c ON c.code = m.code GROUP BY 1, 2 ORDER BY 1, 2`);

  test('the counts of months follow every change of the marks, whoever makes them at once', async () => {
    expect(await counted()).toEqual(await recounted());
    const rows = await ask<{ section: string; students: string[] }>(
      `SELECT section_id AS section, array_agg(person_id) AS students FROM enrolment.section_enrolment
       WHERE role_code = 'student' GROUP BY 1 ORDER BY 1 LIMIT 2`,
    );
    const codes = ['P', 'L', 'A', 'E'];
    await Promise.all(
      Array.from({ length: 12 }, (_, i) => {
        // The same students in another order each time, in two sessions.
        const students = i % 2 === 0 ? rows[0]!.students : rows[0]!.students.toReversed();
        const marks = JSON.stringify(
          students.map((person_id, n) => ({ person_id, code: codes[(n + i) % 4] })),
        );
        const session = i % 4 < 2 ? 'AM' : 'PM';
        return ask(
          `SELECT daily.submit_roll(${rows[0]!.section}, '2026-11-17', '${marks}', NULL, '${session}')`,
        );
      }),
    );
    expect(await counted()).toEqual(await recounted());
    await ask(`DELETE FROM attendance.daily_mark WHERE day = '2026-11-17' AND session_code = 'PM'`);
    await ask(`UPDATE attendance.daily_mark SET day = '2026-12-01' WHERE day = '2026-11-17'`);
    expect(await counted()).toEqual(await recounted());
  });

  test('what the counts go by is final, and they are written by nobody', async () => {
    await expect(ask(`UPDATE attendance.code SET kind = 'absent' WHERE code = 'P'`)).rejects.toThrow(
      'code_kind_final',
    );
    await expect(ask(`DELETE FROM attendance.code WHERE code = 'P'`)).rejects.toThrow('permission denied');
    await expect(ask('UPDATE attendance.month_count SET present = 0')).rejects.toThrow('permission denied');
  });

  test('a percentage below a minimum is that of the marks, for whole months and parts of them, corrections counted', async () => {
    const school = await first(`SELECT organisation_id FROM attendance.daily_mark ORDER BY 1 LIMIT 1`);
    const student = await first(
      `SELECT person_id FROM attendance.daily_mark WHERE organisation_id = ${school} AND day = '2026-10-28' ORDER BY 1 LIMIT 1`,
    );
    await ask(
      `INSERT INTO attendance.override (person_id, day, code, reason) VALUES (${student}, '2026-10-28', 'A', 'seen in town')
       ON CONFLICT DO NOTHING`,
    );
    for (const span of [
      MONTH,
      "'2026-10-27', '2026-11-12'",
      "'2026-11-03', '2026-11-05'",
      "'2026-10-28', '2026-12-31'",
    ]) {
      const [from, to] = span.split(', ');
      const expected = await ask(
        `SELECT m.person_id, round(100.0 * count(*) FILTER (WHERE c.kind IN ('present', 'late')) / count(*), 1) AS percent
         FROM attendance.daily_mark m LEFT JOIN attendance.override o USING (tenant_id, person_id, day, session_code)
         JOIN attendance.code c ON c.code = coalesce(o.code, m.code)
         WHERE m.organisation_id = ${school} AND m.day >= ${from} AND m.day < ${to} GROUP BY 1
         HAVING 100.0 * count(*) FILTER (WHERE c.kind IN ('present', 'late')) / count(*) < 90 ORDER BY 1`,
      );
      const found = await ask(
        `SELECT person_id, percent FROM daily.below_attendance(${school}, ${span}, 90) ORDER BY 1`,
      );
      expect({ span, found }).toEqual({ span, found: expected });
      expect(found.length).toBeGreaterThan(0);
    }
    const away = await ask<{ person_id: string; code: string }>(
      `SELECT person_id, code FROM daily.absentees(${school}, '2026-10-28')`,
    );
    expect(away).toContainEqual({ person_id: student, code: 'A' });
  });
});
