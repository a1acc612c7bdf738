import { TEACHERS, YEAR } from './campus.ts';
import { STUDENTS } from './office.ts';
import { chance, type Step } from './step.ts';

/** A time on the last day, in the tenant's zone. */
const at = (hours: string) => `tenancy.day_begins('{to}') + (${hours}) * interval '1 hour'`;

/** What is kept of people, classes and services beside what they do every day. */
export const RECORDS: readonly Step[] = [
  [
    'addresses',
    `WITH phones AS (
       INSERT INTO people.contact_point (person_id, channel, value, is_emergency)
       SELECT DISTINCT guardian_id, 'mobile', '+1 555 ' || lpad((guardian_id % 10000)::text, 4, '0'), true FROM people.guardianship
       ORDER BY 1 ON CONFLICT DO NOTHING
     ), schools AS (
       INSERT INTO organisation.address (organisation_id, purpose, lines, city, country_code)
       SELECT organisation_id, 'physical', ARRAY['1 School Lane'], 'Eastport', 'US' FROM organisation.school ORDER BY 1 ON CONFLICT DO NOTHING
     ), accreditations AS (
       INSERT INTO organisation.accreditation (organisation_id, issuer, grade, valid)
       SELECT organisation_id, 'Board of Schools', 'A', daterange('{year}', date '{year}' + 1826) FROM organisation.school
       WHERE NOT EXISTS (SELECT FROM organisation.accreditation) ORDER BY 1
     )
     INSERT INTO people.address (person_id, purpose, lines, city, country_code)
     SELECT person_id, 'home', ARRAY[(1 + ${chance('person_id', '73')}) || ' Harbour Street'], 'Eastport', 'US' FROM enrolment.placement
     WHERE NOT EXISTS (SELECT FROM people.address) ORDER BY 1`,
  ],
  [
    'families in detail',
    `WITH siblings AS (
       INSERT INTO people.sibling_link (person_id, sibling_id)
       SELECT DISTINCT a.person_id, b.person_id FROM people.guardianship a
       JOIN people.guardianship b ON b.guardian_id = a.guardian_id AND b.person_id > a.person_id ORDER BY 1, 2 ON CONFLICT DO NOTHING
     ), consents AS (
       INSERT INTO people.consent (person_id, given_by_id, purpose_code, given_at)
       SELECT person_id, min(guardian_id), 'photographs', timestamptz '{year}' FROM people.guardianship
       WHERE ${chance('person_id', '79')} < 70 AND NOT EXISTS (SELECT FROM people.consent) GROUP BY 1 ORDER BY 1
     ), languages AS (
       INSERT INTO people.language_skill (person_id, language_code, level_code)
       SELECT person_id, 'es', (ARRAY['A2', 'B1', 'native'])[1 + ${chance('person_id', '83')} % 3] FROM enrolment.placement
       WHERE ${chance('person_id', '89')} < 20 ORDER BY 1 ON CONFLICT DO NOTHING
     ), notes AS (
       INSERT INTO people.person_note (person_id, author_id, visibility, body)
       SELECT s.person_id, t.person_id, 'staff', 'Helps others with their work.' FROM ${STUDENTS} s
       JOIN ${TEACHERS} t USING (organisation_id) WHERE s.n = 4 AND t.n = 1 AND NOT EXISTS (SELECT FROM people.person_note) ORDER BY 1
     )
     INSERT INTO communication.preference (person_id, topic, channels)
     SELECT DISTINCT guardian_id, 'absences', ARRAY['sms', 'email'] FROM people.guardianship WHERE ${chance('guardian_id', '97')} < 40
     ON CONFLICT DO NOTHING`,
  ],
  [
    'syllabuses',
    `WITH made AS (
       INSERT INTO academics.syllabus (course_id, body, approved_at) SELECT id, 'What is taught in ' || title || '.', timestamptz '{year}'
       FROM academics.course WHERE record_status = 'active' ORDER BY 1 ON CONFLICT DO NOTHING RETURNING id, course_id
     ), units AS (
       INSERT INTO academics.unit (syllabus_id, position, title, planned_hours)
       SELECT m.id, u.position, u.title, 12 FROM made m
       CROSS JOIN (VALUES (1, 'Beginnings'), (2, 'Practice'), (3, 'Projects')) AS u (position, title) ORDER BY 1, 2 RETURNING id, syllabus_id, position
     ), prerequisites AS (
       INSERT INTO academics.course_prerequisite (course_id, required_id)
       SELECT id, before FROM (SELECT id, lag(id) OVER (PARTITION BY organisation_id ORDER BY id) AS before, row_number() OVER (ORDER BY id) AS n
         FROM academics.course WHERE record_status = 'active') c WHERE n % 4 = 0 AND before IS NOT NULL ORDER BY 1 ON CONFLICT DO NOTHING
     )
     INSERT INTO academics.lesson_plan (section_id, unit_id, author_id, day, body, homework)
     SELECT s.id, u.id, e.person_id, date '{to}', 'Warm-up, reading, exercises.', 'Pages 12 to 14' FROM academics.section s
     JOIN made m ON m.course_id = s.course_id JOIN units u ON u.syllabus_id = m.id AND u.position = 1
     JOIN enrolment.section_enrolment e ON e.section_id = s.id AND e.role_code = 'teacher' AND e.record_status = 'active'
     WHERE s.class_type = 'scheduled' AND s.record_status = 'active' ORDER BY 1, 3`,
  ],
  [
    'electives',
    `WITH made AS (
       INSERT INTO academics.elective_group (organisation_id, academic_year_id, name)
       SELECT o.organisation_id, y.id, 'Afternoon' FROM organisation.school o CROSS JOIN ${YEAR} y
       ORDER BY 1 ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), options AS (
       INSERT INTO academics.elective_option (elective_group_id, course_id)
       SELECT m.id, c.id FROM made m CROSS JOIN LATERAL (
         SELECT DISTINCT s.course_id AS id FROM academics.section s
         WHERE s.organisation_id = m.organisation_id AND s.class_type = 'scheduled' ORDER BY 1 LIMIT 2) c ORDER BY 1, 2
       RETURNING elective_group_id, course_id
     )
     INSERT INTO enrolment.subject_registration (placement_id, course_id, elective_group_id, status_code)
     SELECT e.id, o.course_id, m.id, 'confirmed' FROM made m
     JOIN (SELECT elective_group_id, min(course_id) AS course_id FROM options GROUP BY 1) o ON o.elective_group_id = m.id
     JOIN enrolment.placement e USING (organisation_id) WHERE ${chance('e.person_id', '101')} < 15 ORDER BY 1 ON CONFLICT DO NOTHING`,
  ],
  [
    'rubrics',
    `WITH made AS (
       INSERT INTO assessment.rubric (name) SELECT 'Presentation' WHERE NOT EXISTS (SELECT FROM assessment.rubric) RETURNING id
     )
     INSERT INTO assessment.rubric_criterion (rubric_id, position, name, levels)
     SELECT id, position, name, '[{"points": 0, "text": "not yet"}, {"points": 1, "text": "partly"}, {"points": 2, "text": "fully"}]'
     FROM made CROSS JOIN (VALUES (1, 'Content'), (2, 'Delivery')) AS c (position, name) ORDER BY 2`,
  ],
  [
    'seats in exams',
    `WITH papers AS (
       SELECT DISTINCT ON (e.organisation_id) e.organisation_id, p.id, p.section_id FROM assessment.paper p
       JOIN assessment.exam e ON e.id = p.exam_id ORDER BY e.organisation_id, p.id
     ), seats AS (
       INSERT INTO assessment.seat (paper_id, person_id, room_id, label)
       SELECT p.id, x.person_id, r.id, 'A' || row_number() OVER (PARTITION BY p.id ORDER BY x.person_id) FROM papers p
       JOIN enrolment.section_enrolment x ON x.section_id = p.section_id AND x.role_code = 'student' AND x.record_status = 'active'
       JOIN (SELECT organisation_id, min(id) AS id FROM timetable.room GROUP BY 1) r ON r.organisation_id = p.organisation_id
       ON CONFLICT DO NOTHING
     )
     INSERT INTO assessment.invigilation (paper_id, person_id)
     SELECT p.id, t.person_id FROM papers p JOIN ${TEACHERS} t USING (organisation_id) WHERE t.n = 3 ORDER BY 1 ON CONFLICT DO NOTHING`,
  ],
  [
    'awards',
    `WITH transcripts AS (
       INSERT INTO assessment.transcript (person_id, number, issued_on, content)
       SELECT person_id, 'T-' || person_id, date '{to}', '{"credits": 4}' FROM ${STUDENTS} s WHERE n <= 2 ORDER BY 1 ON CONFLICT DO NOTHING
     )
     INSERT INTO assessment.award (person_id, academic_year_id, title, awarded_on)
     SELECT person_id, academic_year_id, 'Reader of the month', date '{to}' FROM ${STUDENTS} s
     WHERE n = 3 AND NOT EXISTS (SELECT FROM assessment.award) ORDER BY 1`,
  ],
  [
    'a day with other bells',
    `WITH short AS (
       INSERT INTO calendar.bell_schedule (organisation_id, code, name) SELECT organisation_id, 'SHORT', 'Short day' FROM organisation.school
       ORDER BY 1 ON CONFLICT DO NOTHING RETURNING id, organisation_id
     ), periods AS (
       INSERT INTO calendar.bell_period (bell_schedule_id, code, name, minutes)
       SELECT id, n::text, 'Lesson ' || n, int4range(450 + 30 * n, 475 + 30 * n) FROM short CROSS JOIN generate_series(1, 8) AS n ORDER BY id, n
     )
     INSERT INTO calendar.bell_day (bell_schedule_id, organisation_id, day) SELECT id, organisation_id, date '{to}' + 35 FROM short ORDER BY 1`,
  ],
  [
    'marks of lessons',
    `WITH marks AS (
       INSERT INTO attendance.period_mark (section_id, day, period_code, person_id, code, minutes_late)
       SELECT s.id, date '{to}', '1', e.person_id, CASE WHEN c < 94 THEN 'P' ELSE 'L' END, CASE WHEN c >= 94 THEN c - 90 END
       FROM (SELECT DISTINCT ON (organisation_id) * FROM academics.section WHERE class_type = 'scheduled' AND record_status = 'active'
             ORDER BY organisation_id, id) s
       JOIN enrolment.section_enrolment e ON e.section_id = s.id AND e.role_code = 'student' AND e.record_status = 'active'
       CROSS JOIN LATERAL (SELECT ${chance('e.person_id', 's.id')} AS c) AS x ON CONFLICT DO NOTHING
     ), alerts AS (
       INSERT INTO attendance.alert (person_id, day, sent_to_id, channel)
       SELECT m.person_id, m.day, min(g.guardian_id), 'sms' FROM attendance.daily_mark m JOIN people.guardianship g USING (person_id)
       WHERE m.code = 'A' AND m.day BETWEEN '{from}' AND '{to}' GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT DO NOTHING
     )
     INSERT INTO timetable.teacher_availability (person_id, day_of_week, minutes, reason)
     SELECT person_id, 5, '[840,960)', 'Teaches elsewhere' FROM ${TEACHERS} t
     WHERE n = 4 AND NOT EXISTS (SELECT FROM timetable.teacher_availability) ORDER BY 1`,
  ],
  [
    'ways of applications',
    `WITH forms AS (
       INSERT INTO admissions.form (campaign_id, published_at) SELECT id, opens_on FROM admissions.campaign ORDER BY 1 ON CONFLICT DO NOTHING RETURNING id
     ), questions AS (
       INSERT INTO admissions.form_question (form_id, position, code, label, kind, required)
       SELECT id, position, code, label, kind, required FROM forms
       CROSS JOIN (VALUES (1, 'reason', 'Why our school?', 'text', true), (2, 'report', 'Last report', 'file', false)) AS q (position, code, label, kind, required) ORDER BY 1, 2
     ), plans AS (
       INSERT INTO admissions.seat_plan (campaign_id, grade_level_id, seats)
       SELECT DISTINCT campaign_id, grade_level_id, 4 FROM admissions.application ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING id, campaign_id, grade_level_id
     ), entries AS (
       INSERT INTO admissions.stage_entry (application_id, stage_id, entered_at, outcome)
       SELECT a.id, s.id, a.submitted_at + s.position * interval '1 hour', CASE WHEN s.position = 1 OR a.status_code = 'offered' THEN 'passed' ELSE 'waiting' END
       FROM admissions.application a JOIN admissions.stage s ON s.campaign_id = a.campaign_id AND s.position <= CASE a.status_code WHEN 'submitted' THEN 1 ELSE 2 END
       ORDER BY 1, s.position ON CONFLICT DO NOTHING
     ), waiting AS (
       INSERT INTO admissions.waiting_list (seat_plan_id, application_id, position)
       SELECT p.id, a.id, row_number() OVER (PARTITION BY p.id ORDER BY a.id) FROM plans p
       JOIN admissions.application a USING (campaign_id, grade_level_id) WHERE a.status_code = 'in_review' ORDER BY 1, 2
     )
     INSERT INTO admissions.offer (application_id, seat_plan_id, offered_at, expires_on)
     SELECT a.id, p.id, timestamptz '{to}', date '{to}' + 14 FROM plans p JOIN admissions.application a USING (campaign_id, grade_level_id)
     WHERE a.status_code = 'offered' ORDER BY 1 ON CONFLICT DO NOTHING`,
  ],
  [
    'entrance tests',
    `WITH tests AS (
       INSERT INTO admissions.entrance_test (campaign_id, name, held_at, max_score)
       SELECT id, 'Reading and numbers', timestamptz '{from}' + interval '9 hours', 40 FROM admissions.campaign
       ORDER BY 1 ON CONFLICT DO NOTHING RETURNING id, campaign_id, max_score
     ), scores AS (
       INSERT INTO admissions.entrance_score (entrance_test_id, application_id, max_score, score)
       SELECT t.id, a.id, t.max_score, 15 + ${chance('a.id', '103')} / 4 FROM tests t JOIN admissions.application a USING (campaign_id) ORDER BY 1, 2
     )
     INSERT INTO admissions.interview (application_id, interviewer_id, during, result)
     SELECT a.id, t.person_id, tstzrange(${at('8 + a.number::integer')}, ${at('8.5 + a.number::integer')}), 'Curious and kind'
     FROM admissions.application a JOIN admissions.campaign c ON c.id = a.campaign_id
     JOIN ${TEACHERS} t ON t.organisation_id = c.organisation_id AND t.n = 1
     WHERE a.status_code = 'offered' AND NOT EXISTS (SELECT FROM admissions.interview) ORDER BY 1`,
  ],
  [
    'consequences',
    `WITH detentions AS (
       INSERT INTO discipline.detention (organisation_id, during, supervisor_id)
       SELECT t.organisation_id, tstzrange(${at('15.5')}, ${at('16.25')}), t.person_id FROM ${TEACHERS} t
       WHERE t.n = 5 AND NOT EXISTS (SELECT FROM discipline.detention) ORDER BY 1 RETURNING id, organisation_id
     ), kept AS (
       INSERT INTO discipline.detention_student (detention_id, person_id)
       SELECT d.id, s.person_id FROM detentions d JOIN ${STUDENTS} s USING (organisation_id) WHERE s.n IN (5, 6)
     ), contracts AS (
       INSERT INTO discipline.behaviour_contract (person_id, valid, terms)
       SELECT s.person_id, daterange('{to}', date '{to}' + 60), 'Is on time, and says when help is needed.' FROM ${STUDENTS} s
       WHERE s.n = 5 AND NOT EXISTS (SELECT FROM discipline.behaviour_contract) ORDER BY 1
     )
     INSERT INTO discipline.referral (person_id, referred_by_id, reason)
     SELECT s.person_id, t.person_id, 'Often tired in the morning' FROM ${STUDENTS} s JOIN ${TEACHERS} t USING (organisation_id)
     WHERE s.n = 6 AND t.n = 1 AND NOT EXISTS (SELECT FROM discipline.referral) ORDER BY 1`,
  ],
  [
    'books of account',
    `WITH periods AS (
       INSERT INTO fees.fiscal_period (name, days)
       SELECT to_char(m, 'YYYY-MM'), daterange(m::date, (m + interval '1 month')::date)
       FROM generate_series(date_trunc('month', timestamp '{year}'), date_trunc('month', timestamp '{year}') + interval '11 months', interval '1 month') AS m
       WHERE NOT EXISTS (SELECT FROM fees.fiscal_period) ORDER BY m
     ), budgets AS (
       INSERT INTO fees.budget (account_id, academic_year_id, amount) SELECT a.id, y.id, 100000 FROM fees.account a CROSS JOIN ${YEAR} y
       WHERE a.code = '4000' ON CONFLICT DO NOTHING
     ), rules AS (
       INSERT INTO fees.late_rule (after_days, percent) SELECT 14, 1 WHERE NOT EXISTS (SELECT FROM fees.late_rule)
     ), sponsored AS (
       INSERT INTO fees.sponsorship (sponsor_id, person_id, percent, valid)
       SELECT p.id, s.person_id, 50, daterange('{year}', date '{year}' + 300) FROM fees.sponsor p CROSS JOIN ${STUDENTS} s
       WHERE s.n = 7 AND NOT EXISTS (SELECT FROM fees.sponsorship) ORDER BY 1, 2
     ), statements AS (
       INSERT INTO fees.bank_statement (account_id, reference, days) SELECT id, 'week of {from}', daterange('{from}', date '{to}' + 1)
       FROM fees.account WHERE code = '1000' ON CONFLICT DO NOTHING RETURNING id
     )
     INSERT INTO fees.bank_statement_line (bank_statement_id, booked_on, amount, description, payment_id)
     SELECT s.id, p.received_at::date, p.amount, 'Payment ' || p.id, p.id FROM statements s
     CROSS JOIN (SELECT * FROM fees.payment WHERE method_code = 'bank' ORDER BY id LIMIT 20) p ORDER BY p.id`,
  ],
  [
    'care',
    `WITH screenings AS (
       INSERT INTO health.screening (person_id, kind, screened_on, height_cm, weight_kg)
       SELECT person_id, 'growth', date '{year}' + 14, 110 + ${chance('person_id', '107')} / 2, 20 + ${chance('person_id', '109')} / 4
       FROM ${STUDENTS} s WHERE n <= 20 AND NOT EXISTS (SELECT FROM health.screening) ORDER BY 1
     ), aid AS (
       INSERT INTO health.first_aid (person_id, happened_at, place, description, treated_by_id)
       SELECT s.person_id, ${at('10.5')}, 'Yard', 'A scraped knee', t.person_id FROM ${STUDENTS} s JOIN ${TEACHERS} t USING (organisation_id)
       WHERE s.n = 8 AND t.n = 2 AND NOT EXISTS (SELECT FROM health.first_aid) ORDER BY 1
     ), plans AS (
       INSERT INTO health.support_plan (person_id, kind, valid, measures)
       SELECT person_id, 'reading', daterange('{year}', date '{year}' + 300), ARRAY['Large print', 'More time in tests'] FROM ${STUDENTS} s
       WHERE n = 9 AND NOT EXISTS (SELECT FROM health.support_plan) ORDER BY 1
     ), medications AS (
       INSERT INTO health.medication (person_id, name, dose, schedule, days)
       SELECT person_id, 'Inhaler', '2 puffs', 'before sport', daterange('{year}', date '{year}' + 300) FROM ${STUDENTS} s
       WHERE n = 10 AND NOT EXISTS (SELECT FROM health.medication) ORDER BY 1 RETURNING id, person_id
     )
     INSERT INTO health.medication_given (medication_id, given_at, given_by_id)
     SELECT m.id, ${at('9')}, t.person_id FROM medications m JOIN enrolment.placement e USING (person_id)
     JOIN ${TEACHERS} t ON t.organisation_id = e.organisation_id AND t.n = 2 ORDER BY 1`,
  ],
  [
    'days of the boarding house',
    `WITH boarders AS (
       SELECT a.person_id, h.id AS hostel_id, row_number() OVER (ORDER BY a.person_id) AS n FROM hostel.bed_allocation a
       JOIN enrolment.placement e USING (person_id) JOIN hostel.hostel h ON h.organisation_id = e.organisation_id
     ), visits AS (
       INSERT INTO hostel.visitor (person_id, name, came_at, left_at) SELECT person_id, 'An aunt', ${at('15')}, ${at('17')} FROM boarders
       WHERE n = 1 AND NOT EXISTS (SELECT FROM hostel.visitor)
     ), complaints AS (
       INSERT INTO hostel.complaint (hostel_id, person_id, description) SELECT hostel_id, person_id, 'The window does not close' FROM boarders
       WHERE n = 2 AND NOT EXISTS (SELECT FROM hostel.complaint)
     )
     INSERT INTO hostel.exeat (person_id, during, destination)
     SELECT person_id, tstzrange(${at('17')}, ${at('65')}), 'Home' FROM boarders WHERE n = 3 AND NOT EXISTS (SELECT FROM hostel.exeat)`,
  ],
  [
    'growth of staff',
    `WITH trainings AS (
       INSERT INTO hr.training (title, during, hours) SELECT 'First aid', daterange(date '{year}' + 7, date '{year}' + 9), 12
       WHERE NOT EXISTS (SELECT FROM hr.training) RETURNING id
     ), attended AS (
       INSERT INTO hr.training_attendance (training_id, person_id, completed)
       SELECT DISTINCT r.id, t.person_id, true FROM trainings r CROSS JOIN ${TEACHERS} t WHERE t.n <= 4
     ), vacancies AS (
       INSERT INTO hr.vacancy (position_id, opens_on, closes_on) SELECT id, date '{from}', date '{to}' + 30 FROM hr.position
       WHERE code = 'TEACH' AND NOT EXISTS (SELECT FROM hr.vacancy) ORDER BY 1 RETURNING id
     ), applicants AS (
       INSERT INTO hr.job_applicant (vacancy_id, name, email, status_code) SELECT id, 'Lena Marsh', 'lena@marsh.example', 'invited' FROM vacancies ORDER BY 1
     ), accounts AS (
       INSERT INTO hr.bank_account (person_id, bank, account_number)
       SELECT person_id, 'Bank of the Coast', lpad(person_id::text, 10, '0') FROM hr.contract ORDER BY 1 ON CONFLICT DO NOTHING
     ), appraisals AS (
       INSERT INTO hr.appraisal (person_id, reviewer_id, academic_year_id, held_on, summary)
       SELECT l.person_id, l.manager_id, y.id, date '{from}', 'Clear lessons, calm classes.' FROM hr.reporting_line l CROSS JOIN ${YEAR} y
       WHERE ${chance('l.person_id', '113')} < 40 AND NOT EXISTS (SELECT FROM hr.appraisal) ORDER BY 1 RETURNING id
     )
     INSERT INTO hr.appraisal_goal (appraisal_id, goal, due_on) SELECT id, 'Visit a lesson of a colleague each month', date '{to}' + 120 FROM appraisals ORDER BY 1`,
  ],
  [
    'goods',
    `WITH wanted AS (
       INSERT INTO inventory.indent (store_id, asked_by_id, status_code, needed_on)
       SELECT s.id, t.person_id, 'asked', date '{to}' + 7 FROM inventory.store s JOIN ${TEACHERS} t USING (organisation_id)
       WHERE t.n = 1 AND NOT EXISTS (SELECT FROM inventory.indent) ORDER BY 1 RETURNING id
     ), lines AS (
       INSERT INTO inventory.indent_line (indent_id, item_id, quantity) SELECT w.id, i.id, 30 FROM wanted w JOIN inventory.item i ON i.code = 'EX' ORDER BY 1
     ), lent AS (
       INSERT INTO inventory.asset_assignment (asset_id, person_id, days)
       SELECT a.id, t.person_id, daterange('{year}', NULL) FROM inventory.asset a JOIN ${TEACHERS} t USING (organisation_id)
       WHERE t.n = 1 AND NOT EXISTS (SELECT FROM inventory.asset_assignment) ORDER BY 1
     )
     INSERT INTO inventory.asset_maintenance (asset_id, done_on, description, cost) SELECT id, date '{from}', 'Cleaned and checked', 15 FROM inventory.asset
     WHERE NOT EXISTS (SELECT FROM inventory.asset_maintenance) ORDER BY 1`,
  ],
  [
    'rules of the library',
    `WITH rules AS (
       INSERT INTO library.loan_rule (branch_id, role_code, copies, days, fine_per_day)
       SELECT b.id, r.role, r.copies, r.days, 0.10 FROM library.branch b CROSS JOIN (VALUES ('student', 3, 14), ('teacher', 10, 60)) AS r (role, copies, days)
       ORDER BY 1, 2 ON CONFLICT DO NOTHING
     ), wishes AS (
       INSERT INTO library.acquisition (branch_id, title_text) SELECT id, 'A guide to the night sky' FROM library.branch
       WHERE NOT EXISTS (SELECT FROM library.acquisition) ORDER BY 1
     ), takes AS (
       INSERT INTO library.stocktake (branch_id, started_on, ended_on) SELECT id, date '{year}' - 20, date '{year}' - 18 FROM library.branch
       WHERE NOT EXISTS (SELECT FROM library.stocktake) ORDER BY 1 RETURNING id, branch_id
     )
     INSERT INTO library.stocktake_line (stocktake_id, copy_id, seen_at)
     SELECT t.id, c.id, date '{year}' - 19 FROM takes t JOIN library.copy c USING (branch_id)`,
  ],
  [
    'visits and contests',
    `WITH visits AS (
       INSERT INTO events.visitor_log (organisation_id, name, host_id, purpose, came_at, left_at, badge)
       SELECT organisation_id, 'Omar Haddad', person_id, 'Repairs', ${at('8')}, ${at('11')}, 'V1' FROM ${TEACHERS} t
       WHERE n = 2 AND NOT EXISTS (SELECT FROM events.visitor_log) ORDER BY 1
     ), contests AS (
       INSERT INTO events.competition (name, level) SELECT 'Spelling contest', 'district' WHERE NOT EXISTS (SELECT FROM events.competition) RETURNING id
     ), places AS (
       INSERT INTO events.competition_result (competition_id, person_id, place)
       SELECT c.id, s.person_id, row_number() OVER (ORDER BY s.person_id) FROM contests c CROSS JOIN ${STUDENTS} s WHERE s.n = 11 ORDER BY 2
     ), prices AS (
       INSERT INTO transport.route_fee (route_stop_id, academic_year_id, amount) SELECT s.id, y.id, 20 + 2 * s.position FROM transport.route_stop s CROSS JOIN ${YEAR} y
       ON CONFLICT DO NOTHING
     )
     INSERT INTO transport.transport_incident (trip_id, happened_at, description)
     SELECT min(id), ${at('7.2')}, 'Ten minutes late after roadworks' FROM transport.trip WHERE NOT EXISTS (SELECT FROM transport.transport_incident) HAVING count(*) > 0`,
  ],
  [
    'talks with parents',
    `WITH days AS (
       INSERT INTO communication.conference (organisation_id, name, during) SELECT organisation_id, 'Parents'' day', tstzrange(${at('63')}, ${at('68')})
       FROM organisation.school WHERE NOT EXISTS (SELECT FROM communication.conference) ORDER BY 1 RETURNING id, organisation_id
     ), slots AS (
       INSERT INTO communication.conference_slot (conference_id, teacher_id, guardian_id, student_id, during)
       SELECT d.id, t.person_id, g.guardian_id, s.person_id, tstzrange(${at('63 + s.n / 4.0')}, ${at('63.25 + s.n / 4.0')})
       FROM days d JOIN ${TEACHERS} t USING (organisation_id) JOIN ${STUDENTS} s USING (organisation_id)
       JOIN (SELECT person_id, min(guardian_id) AS guardian_id FROM people.guardianship GROUP BY 1) g ON g.person_id = s.person_id
       WHERE t.n = 1 AND s.n <= 8 ORDER BY 1, s.n
     ), seen AS (
       INSERT INTO communication.notice_receipt (notice_id, person_id)
       SELECT n.id, g.guardian_id FROM communication.notice n CROSS JOIN (SELECT DISTINCT guardian_id FROM people.guardianship) g
       WHERE ${chance('g.guardian_id', 'n.id')} < 30 ON CONFLICT DO NOTHING
     ), answers AS (
       INSERT INTO communication.survey_answer (survey_question_id, person_id, answer)
       SELECT q.id, g.guardian_id, CASE q.kind WHEN 'scale' THEN '4' WHEN 'choice' THEN q.options[1] ELSE 'All well.' END
       FROM communication.survey_question q CROSS JOIN (SELECT DISTINCT guardian_id FROM people.guardianship ORDER BY 1 LIMIT 10) g
       WHERE NOT EXISTS (SELECT FROM communication.survey_answer) ORDER BY 1, 2
     )
     INSERT INTO documents.request (person_id, type_code)
     SELECT s.person_id, d.code FROM ${STUDENTS} s CROSS JOIN (SELECT min(code) AS code FROM documents.document_type) d
     WHERE s.n = 12 AND d.code IS NOT NULL AND NOT EXISTS (SELECT FROM documents.request) ORDER BY 1`,
  ],
];
