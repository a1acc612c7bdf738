import { chance, type Step } from './step.ts';

export const YEAR = `(SELECT * FROM calendar.academic_session WHERE kind_code = 'schoolYear' AND period @> date '{year}')`;
/** Teachers by school, numbered. */
export const TEACHERS = `(
  SELECT r.organisation_id, m.person_id, row_number() OVER (PARTITION BY r.organisation_id ORDER BY m.person_id) AS n
  FROM people.staff_member m
  JOIN people.role_assignment r ON r.tenant_id = m.tenant_id AND r.person_id = m.person_id
    AND r.role_code = 'teacher' AND r.record_status = 'active')`;

/** A little of what stands around lessons, money and marks, so that few tables of a demo are empty. */
export const CAMPUS: readonly Step[] = [
  [
    'cohorts',
    `WITH made AS (
       INSERT INTO people.cohort (organisation_id, name, purpose)
       SELECT o.organisation_id, c.name, c.purpose FROM organisation.school o
       CROSS JOIN (VALUES ('Choir', 'Sings at assemblies'), ('Reading support', 'Reads with a helper twice a week')) AS c (name, purpose)
       ON CONFLICT DO NOTHING RETURNING id, organisation_id
     )
     INSERT INTO people.cohort_member (cohort_id, person_id)
     SELECT m.id, e.person_id FROM made m JOIN enrolment.placement e USING (organisation_id)
     WHERE ${chance('e.person_id', 'm.id')} < 15`,
  ],
  [
    'permissions',
    `WITH made AS (
       INSERT INTO people.permission_set (code, name, permissions) VALUES
         ('head', 'Head of school', '{reports.publish,promotion.apply}'), ('office', 'School office', '{attendance.override,fees.read}')
       ON CONFLICT DO NOTHING RETURNING id, code
     )
     INSERT INTO people.permission_set_member (permission_set_id, person_id, organisation_id)
     SELECT m.id, t.person_id, t.organisation_id FROM made m JOIN ${TEACHERS} t ON t.n = CASE m.code WHEN 'head' THEN 1 ELSE 2 END`,
  ],
  [
    'earlier schools',
    `INSERT INTO people.previous_schooling (person_id, school_name, days, result)
     SELECT person_id, 'Hillside School', daterange(lower(period) - 400, lower(period) - 40), 'passed' FROM enrolment.placement
     WHERE ${chance('person_id', '21')} < 12 AND NOT EXISTS (SELECT FROM people.previous_schooling)`,
  ],
  [
    'applications',
    `WITH campaigns AS (
       INSERT INTO admissions.campaign (organisation_id, academic_year_id, name, opens_on, closes_on, status_code)
       SELECT o.organisation_id, y.id, 'Late entries', date '{year}', date '{to}' + 30, 'open'
       FROM organisation.school o JOIN ${YEAR} y ON y.tenant_id = o.tenant_id
       ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), siblings AS (
       SELECT c.id AS campaign_id, e.grade_level_id, p.family_name, lead(p.given_name) OVER w AS given_name, row_number() OVER w AS n
       FROM campaigns c JOIN enrolment.placement e USING (organisation_id)
       JOIN people.person p ON p.tenant_id = e.tenant_id AND p.id = e.person_id
       WINDOW w AS (PARTITION BY c.id ORDER BY e.person_id)
     ), applications AS (
       INSERT INTO admissions.application (campaign_id, number, grade_level_id, given_name, family_name, birth_date, status_code, submitted_at)
       SELECT campaign_id, n::text, grade_level_id, given_name, family_name, date '{year}' - 3000 - 37 * n::integer,
         CASE n % 3 WHEN 0 THEN 'offered' WHEN 1 THEN 'submitted' ELSE 'in_review' END, timestamp '{to}' - n * interval '1 day'
       FROM siblings WHERE n <= 8 AND given_name IS NOT NULL
       RETURNING id, number, family_name, birth_date, submitted_at
     ), guardians AS (
       INSERT INTO admissions.application_guardian (application_id, given_name, family_name, relationship)
       SELECT id, 'Robin', family_name, 'guardian' FROM applications
     ), fees AS (
       INSERT INTO admissions.application_fee (application_id, amount, paid_at)
       SELECT id, 40, CASE WHEN number::integer % 4 > 0 THEN submitted_at END FROM applications
     )
     INSERT INTO admissions.application_schooling (application_id, school_name, days)
     SELECT id, 'Hillside School', daterange(birth_date + 2100, date '{year}') FROM applications`,
  ],
  [
    'assignments',
    `WITH given AS (
       INSERT INTO learning.assignment (section_id, given_by_id, title, given_at, due_at)
       SELECT s.id, min(e.person_id), 'Worksheet', timestamp '{from}', timestamp '{from}' + interval '7 days'
       FROM academics.section s
       JOIN enrolment.section_enrolment e ON e.tenant_id = s.tenant_id AND e.section_id = s.id AND e.role_code = 'teacher'
       WHERE s.class_type = 'scheduled' AND ${chance('s.id', '4')} < 30 AND NOT EXISTS (SELECT FROM learning.assignment)
       GROUP BY s.id RETURNING id, section_id, given_at
     )
     INSERT INTO learning.submission (assignment_id, person_id, status_code, submitted_at)
     SELECT g.id, e.person_id, 'submitted', g.given_at + interval '1 hour' * ${chance('e.person_id', 'g.id')}
     FROM given g JOIN enrolment.section_enrolment e USING (section_id)
     WHERE e.role_code = 'student' AND ${chance('e.person_id', 'g.id', '2')} < 80`,
  ],
  [
    'report writing',
    `WITH cycles AS (
       INSERT INTO assessment.reporting_cycle (organisation_id, academic_session_id, name, opens_at, closes_at)
       SELECT o.organisation_id, t.id, 'Report', timestamp '{to}' - interval '10 days', timestamp '{to}' + interval '10 days'
       FROM organisation.school o
       JOIN calendar.academic_session t ON t.tenant_id = o.tenant_id AND t.kind_code = 'semester' AND t.period @> date '{year}'
       ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), criteria AS (
       INSERT INTO assessment.reporting_criterion (reporting_cycle_id, position, name, kind)
       SELECT c.id, k.position, k.name, k.kind FROM cycles c
       CROSS JOIN (VALUES (1, 'Effort', 'score'), (2, 'What to work on', 'comment')) AS k (position, name, kind)
       RETURNING id, reporting_cycle_id, kind
     )
     INSERT INTO assessment.reporting_value (reporting_criterion_id, person_id, score, comment)
     SELECT k.id, e.person_id, CASE k.kind WHEN 'score' THEN 1 + ${chance('e.person_id', 'k.id')} / 20 END,
       CASE k.kind WHEN 'comment' THEN 'Reads well; should ask when something is not clear.' END
     FROM criteria k JOIN cycles c ON c.id = k.reporting_cycle_id JOIN enrolment.placement e USING (organisation_id)
     WHERE ${chance('e.person_id', '11')} < 20`,
  ],
  [
    'sentences of reports',
    `INSERT INTO assessment.comment_bank (code, body) VALUES ('effort', 'Works with care and finishes what is begun.'),
       ('talk', 'Takes part in every discussion.'), ('practice', 'Ten minutes of practice a day would help.')
     ON CONFLICT DO NOTHING`,
  ],
  [
    'honour rolls',
    `INSERT INTO assessment.honour_roll (organisation_id, name, least_average, least_score)
     SELECT organisation_id, 'Honours', 85, 60 FROM organisation.school ON CONFLICT DO NOTHING`,
  ],
  [
    'weights of categories',
    `INSERT INTO assessment.category_weight (section_id, category_id, weight, drop_lowest)
     SELECT DISTINCT section_id, category_id, 25, 1 FROM assessment.line_item WHERE category_id IS NOT NULL AND section_id IS NOT NULL
     ON CONFLICT DO NOTHING`,
  ],
  [
    'outside tests',
    `WITH tests AS (
       INSERT INTO assessment.external_test (code, name, issuer) VALUES ('READ', 'Reading test', 'Test board')
       ON CONFLICT DO NOTHING RETURNING id
     ), fields AS (
       INSERT INTO assessment.external_field (external_test_id, position, name)
       SELECT t.id, f.position, f.name FROM tests t CROSS JOIN (VALUES (1, 'Speed'), (2, 'Understanding')) AS f (position, name) RETURNING id
     )
     INSERT INTO assessment.external_result (external_field_id, person_id, taken_on, score)
     SELECT f.id, e.person_id, date '{year}' + 40, 40 + ${chance('e.person_id', 'f.id')} * 0.6 FROM fields f CROSS JOIN enrolment.placement e
     WHERE ${chance('e.person_id', '13')} < 25`,
  ],
  [
    'credits from elsewhere',
    `INSERT INTO assessment.transfer_credit (person_id, title, school_name, school_year, credits, grade)
     SELECT person_id, 'Mathematics', school_name, extract(year FROM upper(days))::smallint, 4, 'B' FROM people.previous_schooling
     WHERE NOT EXISTS (SELECT FROM assessment.transfer_credit)`,
  ],
  [
    'notes on absences',
    `WITH reasons AS (
       INSERT INTO attendance.absence_reason (code, name) VALUES ('ill', 'Ill'), ('family', 'Family matter') ON CONFLICT DO NOTHING
     )
     INSERT INTO attendance.mark_note (person_id, day, session_code, reason_code, note)
     SELECT person_id, day, session_code, CASE WHEN ${chance('person_id', '6')} < 70 THEN 'ill' ELSE 'family' END, 'The family called.'
     FROM attendance.daily_mark WHERE code = 'E' AND day BETWEEN date '{from}' AND date '{to}'
     ON CONFLICT DO NOTHING`,
  ],
  [
    'sign-ins',
    `INSERT INTO audit.sign_in (person_id, username, happened_at, succeeded)
     SELECT p.id, coalesce(p.username, p.id::text), d + interval '7 hours' + interval '1 minute' * ${chance('p.id', '7')},
       ${chance('p.id', 'extract(epoch FROM d)::bigint')} < 95
     FROM people.staff_member m JOIN people.person p ON p.tenant_id = m.tenant_id AND p.id = m.person_id
     CROSS JOIN generate_series(timestamp '{from}', least(timestamp '{to}', timestamp '{from}' + interval '4 days'), interval '1 day') AS d
     WHERE NOT EXISTS (SELECT FROM audit.sign_in)`,
  ],
  [
    'notices',
    `WITH notices AS (
       INSERT INTO communication.notice (organisation_id, title, body, shown)
       SELECT organisation_id, 'Open day', 'Families are welcome on Saturday from ten.', tstzrange(timestamp '{from}', timestamp '{to}' + interval '7 days')
       FROM organisation.school WHERE NOT EXISTS (SELECT FROM communication.notice) RETURNING id, organisation_id
     )
     INSERT INTO communication.notice_comment (notice_id, person_id, body, written_at)
     SELECT n.id, t.person_id, 'I can help in the hall.', timestamp '{from}' + interval '9 hours'
     FROM notices n JOIN ${TEACHERS} t USING (organisation_id) WHERE t.n <= 2`,
  ],
  [
    'notifications',
    `INSERT INTO communication.notification (person_id, topic, body, made_at)
     SELECT DISTINCT g.guardian_id, 'fees', 'An invoice is open.', timestamp '{to}'
     FROM fees.invoice i JOIN people.guardianship g ON g.tenant_id = i.tenant_id AND g.person_id = i.person_id
     WHERE i.allocated < i.total AND i.due_on < date '{to}' AND NOT EXISTS (SELECT FROM communication.notification)`,
  ],
  [
    'incidents',
    `WITH behaviours AS (
       INSERT INTO discipline.behaviour_type (code, name, points, severity) VALUES ('phone', 'Phone in class', -1, 1), ('help', 'Helped others', 2, 1)
       ON CONFLICT DO NOTHING
     ), actions AS (
       INSERT INTO discipline.action_type (code, name) VALUES ('talk', 'Talk with the class teacher') ON CONFLICT DO NOTHING
     ), happened AS (
       SELECT nextval(pg_get_serial_sequence('discipline.incident', 'id')) AS id, e.person_id, e.organisation_id FROM enrolment.placement e
       WHERE ${chance('e.person_id', '17')} < 8 AND NOT EXISTS (SELECT FROM discipline.incident)
     ), incidents AS (
       INSERT INTO discipline.incident (id, organisation_id, behaviour_code, happened_at, place, description, status_code)
       SELECT id, organisation_id, 'phone', timestamp '{from}' + interval '10 hours', 'Classroom', 'Used a phone during a lesson.', 'closed' FROM happened
     ), people AS (
       INSERT INTO discipline.incident_person (incident_id, person_id, involvement) SELECT id, person_id, 'offender' FROM happened
     ), taken AS (
       INSERT INTO discipline.action (incident_id, person_id, action_code) SELECT id, person_id, 'talk' FROM happened
     ), points AS (
       INSERT INTO discipline.point (person_id, behaviour_code, points, given_on) SELECT person_id, 'phone', -1, date '{from}' FROM happened
     ), letters AS (
       INSERT INTO discipline.letter (person_id, level, points, sent_at, body)
       SELECT person_id, 1, -1, timestamp '{from}' + interval '1 day', 'A phone was used during a lesson.' FROM happened
     )
     INSERT INTO discipline.follow_up (incident_id, due_on, done_at, note)
     SELECT id, date '{from}' + 2, timestamp '{from}' + interval '2 days', 'Agreed to leave the phone in the bag.' FROM happened`,
  ],
  [
    'certificates',
    `WITH types AS (
       INSERT INTO documents.document_type (code, name) VALUES ('enrolment', 'Certificate of enrolment') ON CONFLICT DO NOTHING
     )
     INSERT INTO documents.certificate (person_id, type_code, number, issued_on)
     SELECT person_id, 'enrolment', row_number() OVER (ORDER BY person_id), date '{from}' FROM enrolment.placement
     WHERE ${chance('person_id', '19')} < 10 AND NOT EXISTS (SELECT FROM documents.certificate)`,
  ],
  [
    'papers of people',
    `INSERT INTO documents.personal_document (person_id, kind, number, valid)
     SELECT person_id, 'passport', 'X' || lpad(person_id::text, 8, '0'), daterange(date '{year}' - 700, date '{year}' + 2900)
     FROM people.student WHERE ${chance('person_id', '23')} < 25 ON CONFLICT DO NOTHING`,
  ],
  [
    'activities',
    `WITH activities AS (
       INSERT INTO events.activity (organisation_id, academic_year_id, name, leader_id, places)
       SELECT t.organisation_id, y.id, (ARRAY['Chess', 'Football', 'Theatre'])[t.n], t.person_id, 20
       FROM ${TEACHERS} t CROSS JOIN ${YEAR} y WHERE t.n <= 3
       ON CONFLICT DO NOTHING RETURNING id, organisation_id, academic_year_id, leader_id
     ), staff AS (
       INSERT INTO events.activity_staff (activity_id, person_id, duty) SELECT id, leader_id, 'leader' FROM activities
     ), slots AS (
       INSERT INTO events.activity_slot (activity_id, day_of_week, minutes) SELECT id, 1 + id % 5, '[930,990)' FROM activities
     ), choices AS (
       INSERT INTO events.activity_choice (person_id, academic_year_id, rank, activity_id)
       SELECT e.person_id, a.academic_year_id, row_number() OVER (PARTITION BY e.person_id ORDER BY ${chance('e.person_id', 'a.id')}, a.id), a.id
       FROM activities a JOIN enrolment.placement e USING (organisation_id) WHERE ${chance('e.person_id', '29')} < 40
       RETURNING person_id, rank, activity_id
     )
     INSERT INTO events.activity_member (activity_id, person_id, status_code)
     SELECT activity_id, person_id, CASE WHEN row_number() OVER (PARTITION BY activity_id ORDER BY person_id) <= 20 THEN 'accepted' ELSE 'waiting' END
     FROM choices WHERE rank = 1`,
  ],
  [
    'expenses',
    `WITH accounts AS (
       INSERT INTO fees.account (code, name, kind) VALUES ('5000', 'Teaching material', 'expense') ON CONFLICT DO NOTHING RETURNING id
     ), asked AS (
       INSERT INTO fees.expense (account_id, organisation_id, asked_by_id, asked_on, purpose, amount, status_code)
       SELECT a.id, t.organisation_id, t.person_id, date '{from}', 'Books for the class library', 120, 'approved'
       FROM accounts a CROSS JOIN ${TEACHERS} t WHERE t.n = 2 RETURNING id, organisation_id
     )
     INSERT INTO fees.expense_approval (expense_id, approver_id, approved, decided_at)
     SELECT x.id, t.person_id, true, timestamp '{from}' + interval '1 day' FROM asked x JOIN ${TEACHERS} t USING (organisation_id) WHERE t.n = 1`,
  ],
  [
    'donations',
    `INSERT INTO fees.donation (organisation_id, donor, received_on, amount, purpose)
     SELECT organisation_id, 'Friends of the school', date '{from}', 500, 'Instruments' FROM organisation.school
     WHERE NOT EXISTS (SELECT FROM fees.donation)`,
  ],
  [
    'a hostel',
    `WITH hostels AS (
       INSERT INTO hostel.hostel (organisation_id, code, name, for_sex)
       SELECT organisation_id, 'H', 'House', 'mixed' FROM organisation.school ORDER BY organisation_id LIMIT 1
       ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), rooms AS (
       INSERT INTO hostel.room (hostel_id, code) SELECT id, n::text FROM hostels CROSS JOIN generate_series(1, 4) AS n RETURNING id
     ), beds AS (
       INSERT INTO hostel.bed (room_id, code) SELECT id, n::text FROM rooms CROSS JOIN generate_series(1, 2) AS n RETURNING id
     ), inspections AS (
       INSERT INTO hostel.inspection (room_id, inspected_on, clean) SELECT id, date '{from}', ${chance('id', '31')} < 80 FROM rooms
     )
     INSERT INTO hostel.bed_allocation (bed_id, person_id, days)
     SELECT b.id, s.person_id, s.period FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM beds) b
     JOIN (SELECT e.*, row_number() OVER (ORDER BY e.person_id) AS n FROM enrolment.placement e JOIN hostels USING (organisation_id)) s ON s.n = b.n`,
  ],
  [
    'contracts',
    `WITH grades AS (
       INSERT INTO hr.pay_grade (code, name, lowest, highest) VALUES ('T', 'Teachers', 2500, 4500) ON CONFLICT DO NOTHING RETURNING id
     ), positions AS (
       INSERT INTO hr.position (organisation_id, code, title, is_teaching, headcount)
       SELECT organisation_id, 'TEACH', 'Teacher', true, count(*) FROM ${TEACHERS} t GROUP BY organisation_id
       ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), contracts AS (
       INSERT INTO hr.contract (person_id, position_id, pay_grade_id, kind, valid, hours_per_week)
       SELECT t.person_id, p.id, g.id, 'permanent', daterange('{year}', NULL), 38
       FROM ${TEACHERS} t JOIN positions p USING (organisation_id) CROSS JOIN grades g
     )
     INSERT INTO hr.reporting_line (person_id, manager_id, valid)
     SELECT t.person_id, h.person_id, daterange('{year}', NULL) FROM ${TEACHERS} t JOIN ${TEACHERS} h USING (organisation_id)
     JOIN positions USING (organisation_id) WHERE t.n > 1 AND h.n = 1`,
  ],
  [
    'leave of staff',
    `WITH types AS (
       INSERT INTO hr.absence_type (code, name) VALUES ('ill', 'Illness') ON CONFLICT DO NOTHING
     ), absences AS (
       INSERT INTO hr.staff_absence (person_id, days, absence_type_code)
       SELECT person_id, daterange('{from}', date '{from}' + 2), 'ill' FROM ${TEACHERS} t
       WHERE t.n = 3 AND NOT EXISTS (SELECT FROM hr.staff_absence)
     )
     INSERT INTO hr.leave_request (person_id, leave_type_code, days, status_code)
     SELECT person_id, 'annual', daterange(date '{to}' + 10, date '{to}' + 15), 'approved' FROM ${TEACHERS} t
     WHERE t.n = 2 AND NOT EXISTS (SELECT FROM hr.leave_request)`,
  ],
  [
    'loans to staff',
    `WITH loans AS (
       INSERT INTO hr.loan (person_id, amount, instalments, granted_on) SELECT person_id, 600, 6, date '{year}' FROM ${TEACHERS} t
       WHERE t.n = 2 AND NOT EXISTS (SELECT FROM hr.loan) RETURNING id, granted_on
     )
     INSERT INTO hr.loan_repayment (loan_id, paid_on, amount) SELECT id, granted_on + 30 * n, 100 FROM loans CROSS JOIN generate_series(1, 2) AS n`,
  ],
  [
    'stores',
    `WITH stores AS (
       INSERT INTO inventory.store (organisation_id, code, name) SELECT organisation_id, 'MAIN', 'School shop' FROM organisation.school
       ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), items AS (
       INSERT INTO inventory.item (code, name, unit, reorder_level) VALUES ('EX', 'Exercise book', 'piece', 50), ('PEN', 'Pen', 'piece', 20)
       ON CONFLICT DO NOTHING RETURNING id
     )
     INSERT INTO inventory.stock_move (store_id, item_id, moved_at, quantity, reason)
     SELECT s.id, i.id, timestamp '{from}' + q.hours * interval '1 hour', q.quantity, q.reason
     FROM stores s CROSS JOIN items i CROSS JOIN (VALUES (7, 200, 'receipt'), (12, -10, 'issue')) AS q (hours, quantity, reason)
     ORDER BY q.hours`,
  ],
  [
    'sales',
    `WITH sales AS (
       INSERT INTO inventory.sale (store_id, person_id, sold_at)
       SELECT s.id, e.person_id, timestamp '{from}' + interval '12 hours' FROM inventory.store s
       JOIN (SELECT e.*, row_number() OVER (PARTITION BY organisation_id ORDER BY person_id) AS n FROM enrolment.placement e) e
         USING (organisation_id)
       WHERE e.n <= 5 AND NOT EXISTS (SELECT FROM inventory.sale) RETURNING id, store_id
     )
     INSERT INTO inventory.sale_line (sale_id, store_id, item_id, quantity, unit_price)
     SELECT s.id, s.store_id, i.id, 2, 1.50 FROM sales s CROSS JOIN inventory.item i`,
  ],
  [
    'tags of books',
    `WITH tags AS (
       INSERT INTO library.tag (name) VALUES ('Adventure'), ('Science'), ('History') ON CONFLICT DO NOTHING RETURNING id
     )
     INSERT INTO library.title_tag (title_id, tag_id) SELECT t.id, g.id FROM library.title t CROSS JOIN tags g WHERE ${chance('t.id', 'g.id')} < 40`,
  ],
  [
    'changes of room',
    `INSERT INTO timetable.room_change (slot_id, day, minutes, room_id, reason)
     SELECT l.slot_id, date_trunc('week', timestamp '{from}')::date + l.day_of_week - 1, l.minutes, r.id, 'Repairs'
     FROM (SELECT x.*, t.organisation_id, row_number() OVER (PARTITION BY t.organisation_id ORDER BY x.slot_id) AS n
           FROM timetable.slot_room x
           JOIN timetable.slot s ON s.tenant_id = x.tenant_id AND s.id = x.slot_id
           JOIN timetable.timetable t ON t.tenant_id = s.tenant_id AND t.id = s.timetable_id) l
     JOIN LATERAL (SELECT r.id FROM timetable.room r
       WHERE r.tenant_id = l.tenant_id AND r.organisation_id = l.organisation_id AND NOT EXISTS (
         SELECT FROM timetable.slot_room o WHERE o.tenant_id = r.tenant_id AND o.room_id = r.id AND o.day_of_week = l.day_of_week AND o.minutes && l.minutes)
       ORDER BY r.id LIMIT 1) r ON true
     WHERE l.n = 1 AND NOT EXISTS (SELECT FROM timetable.room_change)`,
  ],
  [
    'buses',
    `WITH papers AS (
       INSERT INTO transport.vehicle_document (vehicle_id, kind, number, valid)
       SELECT v.id, k, upper(left(k, 3)) || '-' || v.id, daterange('{year}', date '{year}' + 365)
       FROM transport.vehicle v CROSS JOIN unnest('{registration,insurance}'::text[]) AS k ON CONFLICT DO NOTHING
     )
     INSERT INTO transport.attendant (trip_id, person_id, valid)
     SELECT t.id, a.person_id, t.valid
     FROM (SELECT t.*, r.organisation_id, row_number() OVER (PARTITION BY r.organisation_id ORDER BY t.id) AS n
           FROM transport.trip t JOIN transport.route r ON r.tenant_id = t.tenant_id AND r.id = t.route_id) t
     JOIN ${TEACHERS} a ON a.organisation_id = t.organisation_id AND a.n = t.n
     WHERE NOT EXISTS (SELECT FROM transport.attendant)`,
  ],
  [
    'health',
    `WITH vaccines AS (
       INSERT INTO health.vaccine (code, name, doses) VALUES ('MMR', 'Measles, mumps, rubella', 2) ON CONFLICT DO NOTHING
     ), doses AS (
       INSERT INTO health.immunization (person_id, vaccine_code, dose, given_on)
       SELECT person_id, 'MMR', n, date '{year}' - 1500 + 400 * n FROM enrolment.placement CROSS JOIN generate_series(1, 2) AS n
       WHERE ${chance('person_id', 'n')} < 90 ON CONFLICT DO NOTHING
     ), allergies AS (
       INSERT INTO health.allergy (person_id, substance, severity)
       SELECT person_id, (ARRAY['Peanuts', 'Pollen', 'Bee stings'])[1 + person_id % 3], 'moderate' FROM enrolment.placement
       WHERE ${chance('person_id', '37')} < 8 ON CONFLICT DO NOTHING
     )
     INSERT INTO health.visit (person_id, came_at, left_at, complaint, treatment)
     SELECT person_id, timestamp '{from}' + interval '10 hours', timestamp '{from}' + interval '10 hours 20 minutes', 'Headache', 'Rest and water'
     FROM enrolment.placement WHERE ${chance('person_id', '41')} < 5 AND NOT EXISTS (SELECT FROM health.visit)`,
  ],
];
