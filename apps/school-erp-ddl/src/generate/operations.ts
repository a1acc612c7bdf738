import type { Queryable } from '../database.ts';
import { CAMPUS } from './campus.ts';
import { COUNTRY } from './country.ts';
import { OFFICE } from './office.ts';
import { RECORDS } from './records.ts';
import { chance, type Step } from './step.ts';

export interface OperationsOptions {
  /** First and last school day to fill with attendance, `YYYY-MM-DD`. */
  readonly from: string;
  readonly to: string;
  /** First school day of the year; fees and exams hang on it. */
  readonly yearStart: string;
  /** Lessons of a class in a week. 1 where absent. */
  readonly lessons?: number;
  /** Exams in a year. 1 where absent. */
  readonly exams?: number;
}

/** What a year hangs on: placements, timetable, exams, fees. */
const FRAME: readonly Step[] = [
  [
    'grades',
    `INSERT INTO academics.grade_level (code, name, position)
     SELECT DISTINCT g, 'Grade ' || g::integer, g::smallint FROM people.person p, unnest(p.grades) AS g WHERE g ~ '^[0-9]{1,2}$'
     ON CONFLICT DO NOTHING`,
  ],
  [
    'placements',
    `INSERT INTO enrolment.placement (person_id, organisation_id, academic_year_id, grade_level_id, period)
     SELECT s.person_id, r.organisation_id, y.id, g.id, y.period
     FROM people.student s
     JOIN people.person p ON p.tenant_id = s.tenant_id AND p.id = s.person_id
     JOIN people.role_assignment r ON r.tenant_id = s.tenant_id AND r.person_id = s.person_id
       AND r.role_code = 'student' AND r.record_status = 'active'
     JOIN academics.grade_level g ON g.tenant_id = s.tenant_id AND g.code = p.grades[1]
     JOIN calendar.academic_session y ON y.tenant_id = s.tenant_id AND y.kind_code = 'schoolYear' AND y.period @> date '{year}'
     WHERE NOT EXISTS (SELECT FROM enrolment.placement e WHERE e.tenant_id = s.tenant_id AND e.person_id = s.person_id)`,
  ],
  [
    'attendance codes',
    `INSERT INTO attendance.code (code, name, kind, is_default, position) VALUES
       ('P', 'Present', 'present', true, 1), ('L', 'Late', 'late', false, 2),
       ('A', 'Absent', 'absent', false, 3), ('E', 'Excused', 'excused', false, 4)
     ON CONFLICT DO NOTHING`,
  ],
  [
    'rooms',
    `INSERT INTO timetable.room (organisation_id, code, name, seats)
     SELECT o.organisation_id, (100 + n)::text, 'Room ' || (100 + n), 32
     FROM organisation.school o CROSS JOIN LATERAL generate_series(1, (
       SELECT 20 + count(*) / 15 FROM enrolment.placement e
       WHERE e.tenant_id = o.tenant_id AND e.organisation_id = o.organisation_id)) AS n ON CONFLICT DO NOTHING`,
  ],
  [
    'timetables',
    `INSERT INTO timetable.timetable (organisation_id, academic_year_id, name, effective, published_at)
     SELECT o.organisation_id, y.id, 'Main', y.period, now() FROM organisation.school o
     JOIN calendar.academic_session y ON y.tenant_id = o.tenant_id AND y.kind_code = 'schoolYear' AND y.period @> date '{year}'
     WHERE NOT EXISTS (SELECT FROM timetable.timetable t WHERE t.tenant_id = o.tenant_id AND t.organisation_id = o.organisation_id)`,
  ],
  // A teacher's sections go one after the other through the 40 lessons of a week, so nobody is in two at once.
  [
    'lessons',
    `WITH planned AS (
       SELECT s.tenant_id, s.id AS section_id, t.id AS timetable_id, e.person_id, t.effective,
         row_number() OVER (PARTITION BY e.person_id ORDER BY k, s.id) - 1 AS n
       FROM academics.section s CROSS JOIN generate_series(1, {lessons}) AS k
       JOIN timetable.timetable t ON t.tenant_id = s.tenant_id AND t.organisation_id = s.organisation_id
       JOIN enrolment.section_enrolment e ON e.tenant_id = s.tenant_id AND e.section_id = s.id AND e.role_code = 'teacher'
       WHERE s.record_status = 'active' AND e.record_status = 'active'
         AND NOT EXISTS (SELECT FROM timetable.slot_section x WHERE x.tenant_id = s.tenant_id AND x.section_id = s.id)
     ), numbered AS (
       SELECT p.*, nextval(pg_get_serial_sequence('timetable.slot', 'id')) AS slot_id,
         (p.n / 8 + 1)::smallint AS day_of_week, int4range((480 + p.n % 8 * 50)::integer, (525 + p.n % 8 * 50)::integer) AS minutes
       FROM planned p WHERE p.n < 40
     ), slots AS (
       INSERT INTO timetable.slot (id, timetable_id, day_of_week, minutes, effective)
       SELECT slot_id, timetable_id, day_of_week, minutes, effective FROM numbered RETURNING id
     ), sections AS (
       INSERT INTO timetable.slot_section (slot_id, section_id, day_of_week, minutes, weeks, effective)
       SELECT slot_id, section_id, day_of_week, minutes, '{[1,9)}', effective FROM numbered
     )
     INSERT INTO timetable.slot_teacher (slot_id, person_id, day_of_week, minutes, weeks, effective)
     SELECT slot_id, person_id, day_of_week, minutes, '{[1,9)}', effective FROM numbered`,
  ],
  [
    'rooms of lessons',
    `INSERT INTO timetable.slot_room (slot_id, room_id, day_of_week, minutes, weeks, effective)
     SELECT l.id, r.id, l.day_of_week, l.minutes, l.weeks, l.effective
     FROM (SELECT l.*, t.organisation_id,
             row_number() OVER (PARTITION BY t.organisation_id, l.day_of_week, l.minutes ORDER BY l.id) AS n
           FROM timetable.slot l JOIN timetable.timetable t ON t.tenant_id = l.tenant_id AND t.id = l.timetable_id) l
     JOIN timetable.room r ON r.tenant_id = l.tenant_id AND r.organisation_id = l.organisation_id AND r.code = (100 + l.n)::text
     ON CONFLICT (tenant_id, slot_id, room_id) DO NOTHING`,
  ],
  [
    'exams',
    `INSERT INTO assessment.exam (organisation_id, academic_session_id, name, kind)
     SELECT o.organisation_id, t.id, CASE n WHEN 1 THEN 'Mid-term' ELSE 'Test ' || n END, CASE n WHEN 1 THEN 'midterm' ELSE 'test' END
     FROM organisation.school o CROSS JOIN generate_series(1, {exams}) AS n
     JOIN calendar.academic_session t ON t.tenant_id = o.tenant_id AND t.kind_code = 'semester' AND t.period @> date '{year}'
     ON CONFLICT DO NOTHING`,
  ],
  [
    'papers',
    `INSERT INTO assessment.paper (exam_id, section_id, max_score, pass_score)
     SELECT e.id, s.id, 100, 50 FROM assessment.exam e
     JOIN academics.section s ON s.tenant_id = e.tenant_id AND s.organisation_id = e.organisation_id AND s.class_type = 'scheduled'
     ON CONFLICT DO NOTHING`,
  ],
  [
    'fee structures',
    `WITH parts AS (
       INSERT INTO fees.component (code, name, kind) VALUES ('TUI', 'Tuition', 'tuition'), ('LIB', 'Library', 'library')
       ON CONFLICT (tenant_id, code) DO UPDATE SET name = EXCLUDED.name RETURNING tenant_id, id, code
     ), made AS (
       INSERT INTO fees.structure (organisation_id, academic_year_id, name)
       SELECT o.organisation_id, y.id, 'Standard' FROM organisation.school o
       JOIN calendar.academic_session y ON y.tenant_id = o.tenant_id AND y.kind_code = 'schoolYear' AND y.period @> date '{year}'
       ON CONFLICT DO NOTHING RETURNING tenant_id, id
     )
     INSERT INTO fees.structure_item (structure_id, component_id, amount)
     SELECT m.id, p.id, CASE p.code WHEN 'TUI' THEN 1200 ELSE 60 END FROM made m JOIN parts p ON p.tenant_id = m.tenant_id`,
  ],
  [
    'fee assignments',
    `INSERT INTO fees.assignment (person_id, structure_id, valid)
     SELECT e.person_id, s.id, e.period FROM enrolment.placement e
     JOIN fees.structure s ON s.tenant_id = e.tenant_id AND s.organisation_id = e.organisation_id AND s.academic_year_id = e.academic_year_id
     WHERE NOT EXISTS (SELECT FROM fees.assignment a WHERE a.tenant_id = e.tenant_id AND a.person_id = e.person_id)`,
  ],
  [
    'ways of payment',
    `INSERT INTO fees.payment_method (code, name, is_cash) VALUES ('cash', 'Cash', true), ('bank', 'Bank transfer', false)
     ON CONFLICT DO NOTHING`,
  ],
  [
    'accounts',
    `INSERT INTO fees.account (code, name, kind) VALUES ('1200', 'Students', 'asset'), ('4000', 'Tuition', 'income'),
       ('1000', 'Cash and bank', 'asset') ON CONFLICT DO NOTHING`,
  ],
  [
    'library',
    `WITH branches AS (
       INSERT INTO library.branch (organisation_id, code, name) SELECT organisation_id, 'MAIN', 'Library' FROM organisation.school
       ON CONFLICT DO NOTHING RETURNING tenant_id, id
     ), titles AS (
       INSERT INTO library.title (name) SELECT 'Volume ' || n FROM generate_series(1, 40) AS n
       WHERE NOT EXISTS (SELECT FROM library.title) RETURNING tenant_id, id
     )
     INSERT INTO library.copy (title_id, branch_id, barcode)
     SELECT t.id, b.id, b.id || '-' || t.id FROM branches b JOIN titles t ON t.tenant_id = b.tenant_id`,
  ],
  [
    'loans',
    `INSERT INTO library.loan (copy_id, person_id, lent_at, due_on)
     SELECT c.id, s.person_id, timestamp '{to}' - interval '30 days', date '{to}' - 16 + (c.id % 20)::integer
     FROM (SELECT c.*, row_number() OVER (ORDER BY c.id) AS n FROM library.copy c) c
     JOIN (SELECT person_id, row_number() OVER (ORDER BY person_id) AS n FROM people.student) s ON s.n = c.n
     WHERE c.n % 3 = 0 AND NOT EXISTS (SELECT FROM library.loan)`,
  ],
  [
    'bus routes',
    `WITH routes AS (
       INSERT INTO transport.route (organisation_id, code, name)
       SELECT o.organisation_id, 'R' || n, 'Route ' || n FROM organisation.school o
       CROSS JOIN LATERAL generate_series(1, (SELECT 1 + count(*) / 200 FROM enrolment.placement e
         WHERE e.tenant_id = o.tenant_id AND e.organisation_id = o.organisation_id)) AS n
       ON CONFLICT DO NOTHING RETURNING tenant_id, id, organisation_id
     ), buses AS (
       INSERT INTO transport.vehicle (organisation_id, plate, seats) SELECT organisation_id, 'BUS ' || id, 60 FROM routes
     )
     INSERT INTO transport.stop (organisation_id, name)
     SELECT organisation_id, 'Stop ' || id || '/' || n FROM routes CROSS JOIN generate_series(1, 6) AS n`,
  ],
  [
    'bus stops and drivers',
    `WITH stops AS (
       INSERT INTO transport.route_stop (route_id, stop_id, position)
       SELECT r.id, s.id, split_part(s.name, '/', 2)::smallint FROM transport.route r
       JOIN transport.stop s ON s.tenant_id = r.tenant_id AND s.organisation_id = r.organisation_id AND s.name LIKE 'Stop ' || r.id || '/%'
       ON CONFLICT (tenant_id, route_id, stop_id) DO NOTHING
     )
     INSERT INTO transport.driver (person_id, license_number, license_until)
     SELECT person_id, 'L' || person_id, date '{to}' + 700
     FROM (SELECT person_id FROM people.staff_member ORDER BY person_id LIMIT (SELECT count(*) FROM transport.route)) AS x
     ON CONFLICT DO NOTHING`,
  ],
  [
    'bus trips',
    `INSERT INTO transport.trip (route_id, vehicle_id, driver_id, direction, minutes, valid)
     SELECT r.id, v.id, d.person_id, 'to_school', '[390,450)', daterange('{year}', date '{to}' + 60)
     FROM (SELECT r.*, row_number() OVER (ORDER BY id) AS n FROM transport.route r) r
     JOIN transport.vehicle v ON v.tenant_id = r.tenant_id AND v.plate = 'BUS ' || r.id
     JOIN (SELECT person_id, row_number() OVER (ORDER BY person_id) AS n FROM transport.driver) d ON d.n = r.n
     WHERE NOT EXISTS (SELECT FROM transport.trip)`,
  ],
  [
    'bus riders',
    `INSERT INTO transport.rider (person_id, route_stop_id, trip_id, direction, valid)
     SELECT e.person_id, s.id, t.id, 'to_school', daterange('{year}', date '{to}' + 60)
     FROM (SELECT e.*, row_number() OVER (PARTITION BY e.organisation_id ORDER BY e.person_id) - 1 AS n FROM enrolment.placement e) e
     JOIN transport.route r ON r.tenant_id = e.tenant_id AND r.organisation_id = e.organisation_id AND r.code = 'R' || (e.n / 200 + 1)
     JOIN transport.trip t ON t.tenant_id = r.tenant_id AND t.route_id = r.id
     JOIN transport.route_stop s ON s.tenant_id = r.tenant_id AND s.route_id = r.id AND s.position = e.n % 6 + 1
     WHERE e.n % 5 = 0 AND NOT EXISTS (SELECT FROM transport.rider)`,
  ],
  [
    'report cards',
    `WITH cards AS (
       INSERT INTO assessment.report_card (person_id, academic_session_id)
       SELECT e.person_id, t.id FROM enrolment.placement e
       JOIN calendar.academic_session t ON t.tenant_id = e.tenant_id AND t.kind_code = 'semester' AND t.period @> date '{year}'
       WHERE ${chance('e.person_id', '11')} < 20
       ON CONFLICT DO NOTHING RETURNING tenant_id, id, person_id
     )
     INSERT INTO assessment.report_line (report_card_id, position, title, score)
     SELECT c.id, row_number() OVER (PARTITION BY c.id ORDER BY s.id), s.title, 50 + ${chance('c.id', 's.id')} / 2
     FROM cards c
     JOIN enrolment.section_enrolment x ON x.tenant_id = c.tenant_id AND x.person_id = c.person_id AND x.role_code = 'student'
     JOIN academics.section s ON s.tenant_id = x.tenant_id AND s.id = x.section_id AND s.class_type = 'scheduled'`,
  ],
];

/** What every day adds. */
const LIFE: readonly Step[] = [
  [
    'daily attendance',
    `INSERT INTO attendance.daily_mark (person_id, day, organisation_id, code, noted_at)
     SELECT e.person_id, d::date, s.organisation_id,
       CASE WHEN c < 92 THEN 'P' WHEN c < 95 THEN 'L' WHEN c < 98 THEN 'A' ELSE 'E' END, d + interval '8 hours'
     FROM academics.section s
     JOIN enrolment.section_enrolment e ON e.tenant_id = s.tenant_id AND e.section_id = s.id
       AND e.role_code = 'student' AND e.record_status = 'active'
     CROSS JOIN generate_series(timestamp '{from}', timestamp '{to}', interval '1 day') AS d
     CROSS JOIN LATERAL (SELECT ${chance('e.person_id', 'extract(epoch FROM d)::bigint')} AS c) AS x
     WHERE s.class_type = 'homeroom' AND extract(isodow FROM d) < 6
     ON CONFLICT DO NOTHING`,
  ],
  [
    'rolls',
    `INSERT INTO attendance.roll (section_id, day, submitted_at)
     SELECT s.id, d::date, d + interval '8 hours' FROM academics.section s
     CROSS JOIN generate_series(timestamp '{from}', timestamp '{to}', interval '1 day') AS d
     WHERE s.class_type = 'homeroom' AND extract(isodow FROM d) < 6
       AND (d < timestamp '{to}' OR ${chance('s.id', '3')} < 70)
     ON CONFLICT DO NOTHING`,
  ],
  [
    'marks',
    `INSERT INTO assessment.mark (paper_id, person_id, max_score, score, absence_code)
     SELECT p.id, e.person_id, p.max_score, CASE WHEN c >= 3 THEN 30 + c * 0.7 END, CASE WHEN c < 3 THEN 'absent' END
     FROM assessment.paper p
     JOIN enrolment.section_enrolment e ON e.tenant_id = p.tenant_id AND e.section_id = p.section_id
       AND e.role_code = 'student' AND e.record_status = 'active'
     CROSS JOIN LATERAL (SELECT ${chance('e.person_id', 'p.id')} AS c) AS x
     ON CONFLICT DO NOTHING`,
  ],
  [
    'invoices',
    `SELECT daily.issue_invoices(s.id, date '{year}' + 30 * n, date '{year}' + 30 * n + 20, 25)
     FROM fees.structure s CROSS JOIN generate_series(0, 2) AS n
     WHERE NOT EXISTS (SELECT FROM fees.invoice i WHERE i.tenant_id = s.tenant_id AND i.organisation_id = s.organisation_id)`,
  ],
  [
    'payments',
    `WITH due AS (
       SELECT i.tenant_id, i.id AS invoice_id, i.person_id, i.total, i.due_on,
         nextval(pg_get_serial_sequence('fees.payment', 'id')) AS payment_id
       FROM fees.invoice i WHERE i.allocated = 0 AND ${chance('i.person_id', 'i.number')} < 80
     ), paid AS (
       INSERT INTO fees.payment (id, person_id, method_code, amount, received_at)
       SELECT payment_id, person_id, CASE WHEN payment_id % 2 = 0 THEN 'cash' ELSE 'bank' END, total, due_on - 3 FROM due
       RETURNING id
     )
     INSERT INTO fees.allocation (payment_id, invoice_id, amount) SELECT payment_id, invoice_id, total FROM due`,
  ],
  [
    'ledger',
    `WITH sources AS (
       SELECT nextval(pg_get_serial_sequence('fees.journal_entry', 'id')) AS entry_id, x.* FROM (
         SELECT i.issued_on AS day, 'invoice' AS kind, i.id, i.person_id, i.total AS amount, '4000' AS against FROM fees.invoice i
         UNION ALL
         SELECT p.received_at::date, 'payment', p.id, p.person_id, -p.amount, '1000' FROM fees.payment p
       ) x
       WHERE NOT EXISTS (SELECT FROM fees.journal_entry)
       ORDER BY x.day, x.kind, x.id
     ), entries AS (
       INSERT INTO fees.journal_entry (id, entry_date, source_kind, source_id, description)
       SELECT entry_id, day, kind, id, initcap(kind) || ' ' || id FROM sources RETURNING id
     )
     INSERT INTO fees.journal_line (journal_entry_id, line_number, account_id, person_id, amount)
     SELECT s.entry_id, 1, a.id, s.person_id, s.amount FROM sources s JOIN fees.account a ON a.code = '1200'
     UNION ALL
     SELECT s.entry_id, 2, a.id, NULL, -s.amount FROM sources s JOIN fees.account a ON a.code = s.against`,
  ],
];

/**
 * Fills a tenant whose roster was imported with what a school does: attendance, timetable, exams, fees, library,
 * and a little of everything else.
 * Runs in the caller's transaction, as the tenant; running it again adds only what is missing.
 */
export async function fillOperations(tx: Queryable, options: OperationsOptions): Promise<void> {
  await run(tx, [...FRAME, ...LIFE, ...COUNTRY, ...CAMPUS, ...OFFICE, ...RECORDS], options);
}

/** The part of {@link fillOperations} that does not grow by the day; `writeLife` has the rest, for large tenants. */
export async function fillFrame(
  tx: Queryable,
  options: OperationsOptions,
  onStep?: (about: string) => void,
): Promise<void> {
  await run(tx, FRAME, options, onStep);
}

async function run(
  tx: Queryable,
  steps: readonly Step[],
  { from, to, yearStart, lessons = 1, exams = 1 }: OperationsOptions,
  onStep?: (about: string) => void,
): Promise<void> {
  for (const [about, statement] of steps) {
    onStep?.(about);
    await tx.query(
      statement
        .replaceAll('{from}', from)
        .replaceAll('{to}', to)
        .replaceAll('{year}', yearStart)
        .replaceAll('{lessons}', String(lessons))
        .replaceAll('{exams}', String(exams)),
    );
  }
}
