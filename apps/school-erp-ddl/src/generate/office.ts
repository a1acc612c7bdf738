import { TEACHERS, YEAR } from './campus.ts';
import { chance, type Step } from './step.ts';

/** Students by school, numbered. */
export const STUDENTS = `(
  SELECT e.person_id, e.organisation_id, e.academic_year_id, row_number() OVER (PARTITION BY e.organisation_id ORDER BY e.person_id) AS n
  FROM enrolment.placement e)`;

/** What an office looks up: something of each domain to begin with in the explorer. */
export const OFFICE: readonly Step[] = [
  [
    'bells',
    `WITH made AS (
       INSERT INTO calendar.bell_schedule (organisation_id, code, name) SELECT organisation_id, 'DAY', 'Usual day' FROM organisation.school
       ON CONFLICT DO NOTHING RETURNING id
     )
     INSERT INTO calendar.bell_period (bell_schedule_id, code, name, minutes)
     SELECT m.id, n::text, 'Lesson ' || n, int4range(430 + 50 * n, 475 + 50 * n) FROM made m CROSS JOIN generate_series(1, 8) AS n`,
  ],
  [
    'days of school',
    `WITH days AS (
       INSERT INTO calendar.school_day (calendar_id, day, cycle_day)
       SELECT y.calendar_id, d::date, extract(isodow FROM d) FROM ${YEAR} y
       CROSS JOIN generate_series(y.starts_on::timestamp, y.ends_on - interval '1 day', interval '1 day') AS d
       WHERE extract(isodow FROM d) < 6 ON CONFLICT DO NOTHING
     )
     INSERT INTO calendar.special_day (calendar_id, day, kind, name)
     SELECT calendar_id, starts_on + 66, 'early_finish', 'Day of the founders' FROM ${YEAR} y ON CONFLICT DO NOTHING`,
  ],
  [
    'sites',
    `WITH sites AS (
       INSERT INTO organisation.campus (organisation_id, code, name) SELECT organisation_id, 'MAIN', 'Main site' FROM organisation.school
       ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), buildings AS (
       INSERT INTO organisation.building (campus_id, code, name, floors) SELECT id, code, name, floors FROM sites
       CROSS JOIN (VALUES ('A', 'Classrooms', 3), ('B', 'Laboratories', 2)) AS b (code, name, floors)
     ), houses AS (
       INSERT INTO organisation.house (organisation_id, code, name, colour) SELECT organisation_id, left(name, 1), name, colour FROM sites
       CROSS JOIN (VALUES ('Falcon', 'red'), ('Heron', 'blue'), ('Kestrel', 'green'), ('Owl', 'yellow')) AS h (name, colour)
       ON CONFLICT DO NOTHING
     ), departments AS (
       INSERT INTO organisation.department (organisation_id, code, name, kind) SELECT organisation_id, code, name, kind FROM sites
       CROSS JOIN (VALUES ('SCI', 'Science', 'academic'), ('LAN', 'Languages', 'academic'), ('OFF', 'Office', 'administrative')) AS d (code, name, kind)
       ON CONFLICT DO NOTHING
     )
     INSERT INTO organisation.contact_point (organisation_id, channel, value, label)
     SELECT organisation_id, 'email', 'office-' || organisation_id || '@school.example', 'Office' FROM sites`,
  ],
  [
    'families',
    `WITH homes AS (
       SELECT nextval(pg_get_serial_sequence('people.family', 'id')) AS family_id, s.person_id, p.family_name
       FROM ${STUDENTS} s JOIN people.person p ON p.id = s.person_id
       WHERE s.n <= 10 AND NOT EXISTS (SELECT FROM people.family) ORDER BY s.person_id
     ), families AS (
       INSERT INTO people.family (id, name) SELECT family_id, family_name FROM homes
     )
     INSERT INTO people.family_member (family_id, person_id, member_role)
     SELECT family_id, person_id, 'child' FROM homes
     UNION SELECT h.family_id, g.guardian_id, 'adult' FROM homes h JOIN people.guardianship g ON g.person_id = h.person_id`,
  ],
  [
    'attendance of staff',
    `INSERT INTO attendance.staff_day (person_id, day, code, came_at, left_at)
     SELECT DISTINCT t.person_id, d::date, 'P', time '07:30', time '15:30' FROM ${TEACHERS} t
     CROSS JOIN generate_series(timestamp '{to}' - interval '4 days', timestamp '{to}', interval '1 day') AS d
     WHERE extract(isodow FROM d) < 6 ON CONFLICT DO NOTHING`,
  ],
  [
    'absences',
    `WITH leave AS (
       INSERT INTO attendance.student_leave (person_id, reason_code, days, status_code, note)
       SELECT s.person_id, r.code, daterange(date '{to}' + 10, date '{to}' + 12), 'approved', 'A wedding in the family'
       FROM ${STUDENTS} s CROSS JOIN (SELECT min(code) AS code FROM attendance.absence_reason) r
       WHERE s.n % 20 = 1 AND r.code IS NOT NULL AND NOT EXISTS (SELECT FROM attendance.student_leave)
     ), passes AS (
       INSERT INTO attendance.gate_pass (person_id, out_at, back_at, reason)
       SELECT s.person_id, timestamp '{to}' + interval '10 hours', timestamp '{to}' + interval '11 hours', 'Dentist'
       FROM ${STUDENTS} s WHERE s.n % 20 = 2 AND NOT EXISTS (SELECT FROM attendance.gate_pass)
     )
     INSERT INTO attendance.override (person_id, day, code, reason)
     SELECT s.person_id, date '{to}', 'E', 'The letter of the doctor came later.' FROM ${STUDENTS} s WHERE s.n % 20 = 3 ON CONFLICT DO NOTHING`,
  ],
  [
    'duties',
    `WITH duties AS (
       INSERT INTO timetable.duty (organisation_id, person_id, day_of_week, minutes, place, effective)
       SELECT organisation_id, person_id, n, '[455,475)', 'Gate', daterange('{year}', date '{to}' + 60) FROM ${TEACHERS} t
       WHERE n <= 5 AND NOT EXISTS (SELECT FROM timetable.duty)
     )
     INSERT INTO timetable.teaching_load (person_id, academic_year_id, lessons)
     SELECT DISTINCT t.person_id, y.id, 24 FROM ${TEACHERS} t CROSS JOIN ${YEAR} y ON CONFLICT DO NOTHING`,
  ],
  [
    'covers',
    `INSERT INTO timetable.substitution (slot_id, day, minutes, absent_id, cover_id, reason)
     SELECT l.slot_id, l.day, l.minutes, l.person_id, f.person_id, 'Training'
     FROM (
       SELECT x.*, t.organisation_id, date_trunc('week', timestamp '{to}')::date + x.day_of_week - 1 AS day,
         row_number() OVER (PARTITION BY t.organisation_id ORDER BY x.slot_id) AS n
       FROM timetable.slot_teacher x
       JOIN timetable.slot s ON s.id = x.slot_id JOIN timetable.timetable t ON t.id = s.timetable_id
     ) l
     JOIN LATERAL (SELECT min(c.person_id) AS person_id FROM ${TEACHERS} c
       WHERE c.organisation_id = l.organisation_id AND c.person_id <> l.person_id AND NOT EXISTS (
         SELECT FROM timetable.teacher_time b WHERE b.person_id = c.person_id AND b.day_of_week = l.day_of_week AND b.minutes && l.minutes)) f ON true
     WHERE l.n = 1 AND l.effective @> l.day AND NOT EXISTS (SELECT FROM timetable.substitution)`,
  ],
  [
    'bookings',
    `INSERT INTO timetable.room_booking (room_id, booked_by_id, during, purpose)
     SELECT r.id, t.person_id, tstzrange(tenancy.day_begins('{to}') + interval '16 hours', tenancy.day_begins('{to}') + interval '18 hours'), 'Evening for parents'
     FROM ${TEACHERS} t JOIN (SELECT organisation_id, min(id) AS id FROM timetable.room GROUP BY 1) r USING (organisation_id)
     WHERE t.n = 1 AND NOT EXISTS (SELECT FROM timetable.room_booking)`,
  ],
  [
    'pay',
    `WITH parts AS (
       INSERT INTO hr.pay_component (code, name, kind) VALUES ('BASE', 'Salary', 'earning'), ('TAX', 'Tax', 'deduction') ON CONFLICT DO NOTHING
     ), staff AS (
       SELECT DISTINCT ON (person_id) organisation_id, person_id FROM ${TEACHERS} t WHERE n <= 6 ORDER BY person_id, organisation_id
     ), rates AS (
       INSERT INTO hr.pay_rate (person_id, component_code, amount, valid)
       SELECT person_id, 'BASE', 2000, daterange('{year}', NULL) FROM staff WHERE NOT EXISTS (SELECT FROM hr.pay_rate)
     ), runs AS (
       INSERT INTO hr.payroll_run (organisation_id, month)
       SELECT organisation_id, (date_trunc('month', timestamp '{to}') - interval '1 month')::date FROM organisation.school
       ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), slips AS (
       INSERT INTO hr.payslip (payroll_run_id, person_id, worked_days, gross, deductions)
       SELECT r.id, s.person_id, 21, 2000, 300 FROM runs r JOIN staff s USING (organisation_id) RETURNING id
     )
     INSERT INTO hr.payslip_line (payslip_id, component_code, amount)
     SELECT id, code, amount FROM slips CROSS JOIN (VALUES ('BASE', 2000), ('TAX', 300)) AS l (code, amount)`,
  ],
  [
    'staff',
    `WITH balances AS (
       INSERT INTO hr.leave_balance (person_id, leave_type_code, year, granted)
       SELECT DISTINCT t.person_id, l.code, extract(year FROM date '{year}')::smallint, l.days_per_year FROM ${TEACHERS} t
       JOIN hr.leave_type l ON l.code = 'annual' ON CONFLICT DO NOTHING
     )
     INSERT INTO hr.qualification (person_id, title, institution, awarded_on)
     SELECT DISTINCT t.person_id, 'Teaching diploma', 'University of the Coast', date '{year}' - 3000 FROM ${TEACHERS} t
     WHERE NOT EXISTS (SELECT FROM hr.qualification)`,
  ],
  [
    'discounts and instalments',
    `WITH kinds AS (
       INSERT INTO fees.concession_type (code, name, percent, needs_approval) VALUES ('SIB', 'Brothers and sisters', 10, false)
       ON CONFLICT DO NOTHING RETURNING id
     ), given AS (
       INSERT INTO fees.concession (person_id, concession_type_id, component_id, percent, valid)
       SELECT s.person_id, k.id, c.id, 10, daterange('{year}', date '{year}' + 300) FROM ${STUDENTS} s CROSS JOIN kinds k
       JOIN fees.component c ON c.code = 'TUI' WHERE ${chance('s.person_id', '43')} < 8
     ), plans AS (
       INSERT INTO fees.instalment_plan (structure_id, name) SELECT id, 'Four instalments' FROM fees.structure ON CONFLICT DO NOTHING RETURNING id
     ), parts AS (
       INSERT INTO fees.instalment (instalment_plan_id, position, due_on, percent)
       SELECT id, n, date '{year}' + 75 * n, 25 FROM plans CROSS JOIN generate_series(1, 4) AS n
     ), sponsors AS (
       INSERT INTO fees.sponsor (name, contact) SELECT 'Harbour Foundation', 'grants@harbour.example' WHERE NOT EXISTS (SELECT FROM fees.sponsor)
     )
     INSERT INTO fees.reminder (invoice_id, level, sent_at)
     SELECT id, 1, timestamp '{to}' FROM fees.invoice WHERE status_code = 'issued' AND allocated < total AND due_on < date '{to}'
     ORDER BY id LIMIT 20 ON CONFLICT DO NOTHING`,
  ],
  [
    'catalogue of the library',
    `WITH publishers AS (
       INSERT INTO library.publisher (name) VALUES ('North Press'), ('Lantern Books') ON CONFLICT DO NOTHING
     ), categories AS (
       INSERT INTO library.category (code, name) VALUES ('FIC', 'Fiction'), ('SCI', 'Science') ON CONFLICT DO NOTHING
     ), authors AS (
       INSERT INTO library.author (name) VALUES ('Amara Diallo'), ('Jon Lindqvist'), ('Rosa Ferreira') ON CONFLICT DO NOTHING RETURNING id
     ), written AS (
       INSERT INTO library.title_author (title_id, author_id) SELECT t.id, a.id FROM library.title t
       JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n FROM authors) a ON a.n = 1 + t.id % 3 ON CONFLICT DO NOTHING
     ), fines AS (
       INSERT INTO library.fine (loan_id, amount, reason) SELECT id, 1.50, 'late' FROM library.loan
       WHERE due_on < date '{to}' - 10 AND NOT EXISTS (SELECT FROM library.fine) ORDER BY id LIMIT 10
     )
     INSERT INTO library.reservation (title_id, person_id)
     SELECT t.id, s.person_id FROM ${STUDENTS} s CROSS JOIN (SELECT min(id) AS id FROM library.title) t
     WHERE s.n <= 3 AND NOT EXISTS (SELECT FROM library.reservation)`,
  ],
  [
    'letters',
    `WITH template AS (
       INSERT INTO communication.template (code, channel, locale, subject, body)
       VALUES ('absence', 'email', 'en', 'Absence today', 'Your child was not in class this morning.') ON CONFLICT DO NOTHING
     ), sent AS (
       INSERT INTO communication.message (organisation_id, channel, subject, body, send_at, status_code)
       SELECT organisation_id, 'portal', 'Day of the founders', 'School ends at noon.', timestamp '{from}' + interval '9 hours', 'sent'
       FROM organisation.school WHERE NOT EXISTS (SELECT FROM communication.message) RETURNING id, organisation_id
     ), audience AS (
       INSERT INTO communication.audience (message_id, organisation_id, role_code) SELECT id, organisation_id, 'guardian' FROM sent
     ), talks AS (
       SELECT nextval(pg_get_serial_sequence('communication.thread', 'id')) AS thread_id, s.person_id, g.guardian_id
       FROM ${STUDENTS} s JOIN LATERAL (SELECT min(guardian_id) AS guardian_id FROM people.guardianship g WHERE g.person_id = s.person_id) g ON true
       WHERE s.n <= 3 AND g.guardian_id IS NOT NULL AND NOT EXISTS (SELECT FROM communication.thread)
     ), threads AS (
       INSERT INTO communication.thread (id, subject, about_id) SELECT thread_id, 'Homework', person_id FROM talks
     ), members AS (
       INSERT INTO communication.thread_member (thread_id, person_id) SELECT thread_id, guardian_id FROM talks
     )
     INSERT INTO communication.thread_message (thread_id, author_id, body)
     SELECT thread_id, guardian_id, 'Could she hand in the essay on Monday?' FROM talks`,
  ],
  [
    'surveys',
    `WITH made AS (
       INSERT INTO communication.survey (organisation_id, title, opens_at, closes_at)
       SELECT organisation_id, 'School meals', timestamp '{from}', timestamp '{to}' + interval '14 days' FROM organisation.school
       WHERE NOT EXISTS (SELECT FROM communication.survey) RETURNING id
     )
     INSERT INTO communication.survey_question (survey_id, position, question, kind, options)
     SELECT id, position, question, kind, options::text[] FROM made
     CROSS JOIN (VALUES (1, 'How do you like the meals?', 'scale', '{}'), (2, 'What should be served more often?', 'choice', '{Rice,Soup,Fruit}'))
       AS q (position, question, kind, options)`,
  ],
  [
    'trips',
    `WITH trips AS (
       INSERT INTO events.event (organisation_id, title, kind, during, place)
       SELECT organisation_id, 'Visit to the harbour', 'trip', tstzrange(tenancy.day_begins('{to}') + interval '8 hours', tenancy.day_begins('{to}') + interval '14 hours'), 'Harbour'
       FROM organisation.school WHERE NOT EXISTS (SELECT FROM events.event) RETURNING id, organisation_id
     ), going AS (
       INSERT INTO events.participant (event_id, person_id, status_code)
       SELECT t.id, s.person_id, 'coming' FROM trips t JOIN ${STUDENTS} s USING (organisation_id) WHERE s.n <= 10
     )
     INSERT INTO events.event_consent (event_id, student_id, guardian_id, agreed)
     SELECT t.id, s.person_id, g.guardian_id, true FROM trips t JOIN ${STUDENTS} s USING (organisation_id)
     JOIN LATERAL (SELECT min(guardian_id) AS guardian_id FROM people.guardianship g WHERE g.person_id = s.person_id) g ON g.guardian_id IS NOT NULL
     WHERE s.n <= 10`,
  ],
  [
    'meetings of activities',
    `WITH met AS (
       INSERT INTO events.activity_session (activity_id, during)
       SELECT id, tstzrange(tenancy.day_begins('{from}') + interval '15 hours 30 minutes', tenancy.day_begins('{from}') + interval '16 hours 30 minutes')
       FROM events.activity WHERE NOT EXISTS (SELECT FROM events.activity_session) RETURNING id, activity_id
     )
     INSERT INTO events.activity_attendance (activity_session_id, person_id, present)
     SELECT x.id, m.person_id, ${chance('m.person_id', 'x.id')} < 90 FROM met x JOIN events.activity_member m USING (activity_id)
     WHERE m.status_code = 'accepted'`,
  ],
  [
    'health notes',
    `WITH profiles AS (
       INSERT INTO health.profile (person_id, doctor_name, doctor_phone, may_treat)
       SELECT person_id, 'Dr. Osei', '+1 555 0100', true FROM ${STUDENTS} s ON CONFLICT DO NOTHING
     )
     INSERT INTO health.condition (person_id, name, severity, response)
     SELECT person_id, 'Asthma', 'moderate', 'The inhaler is in the office.' FROM ${STUDENTS} s
     WHERE ${chance('s.person_id', '47')} < 6 AND NOT EXISTS (SELECT FROM health.condition)`,
  ],
  [
    'boarding house',
    `WITH wardens AS (
       INSERT INTO hostel.warden (hostel_id, person_id, valid)
       SELECT h.id, t.person_id, daterange('{year}', date '{year}' + 365) FROM hostel.hostel h JOIN ${TEACHERS} t USING (organisation_id)
       WHERE t.n = 1 AND NOT EXISTS (SELECT FROM hostel.warden)
     ), menus AS (
       INSERT INTO hostel.meal_plan (hostel_id, day, meal, menu)
       SELECT h.id, date '{to}', meal, menu FROM hostel.hostel h
       CROSS JOIN (VALUES ('breakfast', 'Porridge and fruit'), ('dinner', 'Soup, rice, vegetables')) AS m (meal, menu) ON CONFLICT DO NOTHING
     )
     INSERT INTO hostel.night_roll (person_id, day, present)
     SELECT DISTINCT person_id, date '{to}', true FROM hostel.bed_allocation WHERE days @> date '{to}' ON CONFLICT DO NOTHING`,
  ],
  [
    'purchases',
    `WITH kinds AS (
       INSERT INTO inventory.category (name) VALUES ('Stationery'), ('Furniture') ON CONFLICT DO NOTHING
     ), assets AS (
       INSERT INTO inventory.asset (organisation_id, tag, name, bought_on, cost)
       SELECT organisation_id, 'PRJ-' || organisation_id, 'Projector', date '{year}' - 200, 450 FROM organisation.school ON CONFLICT DO NOTHING
     ), suppliers AS (
       INSERT INTO inventory.supplier (name, email) VALUES ('Paper & Pen', 'orders@paper.example') ON CONFLICT DO NOTHING RETURNING id
     ), orders AS (
       INSERT INTO inventory.purchase_order (supplier_id, store_id, number, ordered_on, status_code)
       SELECT s.id, t.id, 'PO-' || t.id, date '{from}', 'ordered' FROM suppliers s CROSS JOIN inventory.store t RETURNING id
     )
     INSERT INTO inventory.purchase_order_line (purchase_order_id, item_id, quantity, unit_price)
     SELECT o.id, i.id, 100, 0.90 FROM orders o CROSS JOIN inventory.item i`,
  ],
  [
    'days of buses',
    `WITH boarded AS (
       INSERT INTO transport.boarding (trip_id, day, person_id, boarded_at)
       SELECT trip_id, date '{to}', person_id, timestamp '{to}' + interval '7 hours' FROM transport.rider
       WHERE valid @> date '{to}' ORDER BY trip_id, person_id LIMIT 200 ON CONFLICT DO NOTHING
     ), fuel AS (
       INSERT INTO transport.fuel_log (vehicle_id, filled_at, litres, cost)
       SELECT id, timestamp '{from}' + interval '6 hours', 60, 96 FROM transport.vehicle WHERE NOT EXISTS (SELECT FROM transport.fuel_log)
     )
     INSERT INTO transport.vehicle_service (vehicle_id, serviced_on, description, cost)
     SELECT id, date '{year}' - 20, 'Brakes and tyres', 310 FROM transport.vehicle WHERE NOT EXISTS (SELECT FROM transport.vehicle_service)`,
  ],
  [
    'folders',
    `WITH folders AS (
       INSERT INTO documents.folder (name) VALUES ('Handbooks') ON CONFLICT DO NOTHING RETURNING id
     ), made AS (
       INSERT INTO documents.document (folder_id, type_code, title)
       SELECT f.id, t.code, 'Handbook for parents' FROM folders f CROSS JOIN (SELECT min(code) AS code FROM documents.document_type) t
       WHERE t.code IS NOT NULL RETURNING id
     )
     INSERT INTO documents.version (document_id, number, object_key, sha256, bytes, media_type)
     SELECT id, 1, 'handbook.pdf', repeat('0', 64), 48213, 'application/pdf' FROM made`,
  ],
  [
    'fields of our own',
    `INSERT INTO custom.field (entity, code, label, kind, options) VALUES ('student', 'shirt_size', 'Shirt size', 'choice', '{S,M,L}')
     ON CONFLICT DO NOTHING`,
  ],
  [
    'admissions office',
    `WITH stages AS (
       INSERT INTO admissions.stage (campaign_id, position, name)
       SELECT c.id, s.position, s.name FROM admissions.campaign c
       CROSS JOIN (VALUES (1, 'Received'), (2, 'Interview'), (3, 'Decided')) AS s (position, name)
       WHERE NOT EXISTS (SELECT FROM admissions.stage)
     )
     INSERT INTO admissions.inquiry (campaign_id, contact_name, email, follow_up_on)
     SELECT c.id, 'Nadia Petrova', 'nadia@family.example', date '{to}' + 7 FROM admissions.campaign c WHERE NOT EXISTS (SELECT FROM admissions.inquiry)`,
  ],
];
