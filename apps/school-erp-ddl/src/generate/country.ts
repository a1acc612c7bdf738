import { YEAR } from './campus.ts';
import { chance, type Step } from './step.ts';

/** Code of the country pack that the tenant has chosen. */
const PACK = '(SELECT country_pack FROM tenancy.tenant WHERE id = tenancy.current_tenant())';

/** A number as an authority would give it: begins like the example of its scheme, and ends with the row's own. */
const numberOf = (id: string) =>
  `left(i.example, length(i.example) - 6) || lpad((${id} % 1000000)::text, 6, '0')`;

/** What follows from the tenant's country pack: scales, curriculum, holidays, leave, and the numbers of authorities. */
export const COUNTRY: readonly Step[] = [
  [
    'grading schemes',
    `WITH scales AS (
       SELECT * FROM country.grading_scale WHERE pack_code = ${PACK}
     ), made AS (
       INSERT INTO assessment.grading_scheme (code, name, kind, lowest, highest) SELECT code, name, kind, lowest, highest FROM scales
       ORDER BY code ON CONFLICT DO NOTHING RETURNING id, code
     )
     INSERT INTO assessment.grade_band (grading_scheme_id, code, name, scores, points, is_pass)
     SELECT m.id, b.code, b.name,
       numrange(b.from, coalesce(lead(b.from) OVER w, s.highest), CASE WHEN lead(b.from) OVER w IS NULL THEN '[]' ELSE '[)' END),
       row_number() OVER w - 1, b.pass
     FROM made m JOIN scales s USING (code)
     CROSS JOIN jsonb_to_recordset(s.bands) AS b (code text, name text, "from" numeric, pass boolean)
     WINDOW w AS (PARTITION BY m.id ORDER BY b.from) ORDER BY m.id, b.from`,
  ],
  [
    'curriculum',
    `WITH curricula AS (
       SELECT * FROM country.curriculum WHERE pack_code = ${PACK}
     ), subjects AS (
       INSERT INTO academics.subject (code, name, kind)
       SELECT s.code, s.name, s.kind FROM curricula c CROSS JOIN jsonb_to_recordset(c.subjects) AS s (code text, name text, kind text)
       ORDER BY 1 ON CONFLICT DO NOTHING RETURNING id, code
     ), programmes AS (
       INSERT INTO academics.programme (code, name, curriculum_code, credits_required) SELECT upper(code), name, code, 24 FROM curricula
       ORDER BY 1 ON CONFLICT DO NOTHING RETURNING id
     ), grades AS (
       INSERT INTO academics.programme_grade (programme_id, grade_level_id)
       SELECT p.id, g.id FROM programmes p CROSS JOIN academics.grade_level g ORDER BY 1, 2
     ), outcomes AS (
       INSERT INTO assessment.outcome (subject_id, code, name)
       SELECT s.id, s.code || '.' || o.n, o.name FROM subjects s
       CROSS JOIN (VALUES (1, 'Knows the basics'), (2, 'Explains to others')) AS o (n, name) ORDER BY 1, 2
     )
     INSERT INTO academics.graduation_requirement (programme_id, subject_id, credits)
     SELECT p.id, s.id, 4 FROM programmes p CROSS JOIN subjects s ORDER BY 1, 2`,
  ],
  [
    'outcomes reached',
    `INSERT INTO assessment.outcome_result (outcome_id, person_id, academic_session_id, grade_band_id)
     SELECT o.id, e.person_id, t.id, b.id FROM enrolment.placement e
     JOIN calendar.academic_session t ON t.kind_code = 'semester' AND t.period @> date '{year}'
     CROSS JOIN assessment.outcome o
     JOIN (SELECT b.id, row_number() OVER (ORDER BY b.points) - 1 AS n, count(*) OVER () AS bands
           FROM assessment.grade_band b JOIN assessment.grading_scheme g ON g.id = b.grading_scheme_id AND g.kind = 'letter') b
       ON b.n = ${chance('e.person_id', 'o.id')} % b.bands
     WHERE ${chance('e.person_id', '61')} < 10 ON CONFLICT DO NOTHING`,
  ],
  [
    'holidays',
    `INSERT INTO calendar.special_day (calendar_id, day, kind, name)
     SELECT y.calendar_id, d::date, 'holiday', h.name FROM ${YEAR} y
     CROSS JOIN generate_series(y.starts_on::timestamp, y.ends_on - interval '1 day', interval '1 day') AS d
     JOIN country.holiday h ON h.pack_code = ${PACK} AND h.month = extract(month FROM d) AND h.day = extract(day FROM d)
     ORDER BY 1, 2, 4 ON CONFLICT DO NOTHING`,
  ],
  [
    'kinds of leave',
    `INSERT INTO hr.leave_type (code, name, days_per_year)
     SELECT code, name, (value ->> 'days')::numeric FROM country.rule WHERE pack_code = ${PACK} AND domain = 'leave'
     ON CONFLICT DO NOTHING`,
  ],
  [
    'numbers of people',
    `INSERT INTO people.identifier (person_id, scheme_code, value, verified_at)
     SELECT p.id, i.code, ${numberOf('p.id')}, CASE WHEN ${chance('p.id', '67')} < 80 THEN timestamptz '{year}' END
     FROM country.identifier_scheme i
     JOIN people.person p ON CASE i.applies_to
       WHEN 'person' THEN ${chance('p.id', '71')} < 50
       WHEN 'student' THEN EXISTS (SELECT FROM people.student s WHERE s.person_id = p.id)
       WHEN 'staff' THEN EXISTS (SELECT FROM people.staff_member s WHERE s.person_id = p.id) END
     WHERE i.pack_code = ${PACK} ORDER BY 1, 2 ON CONFLICT DO NOTHING`,
  ],
  [
    'numbers of schools',
    `INSERT INTO organisation.identifier (organisation_id, scheme_code, value)
     SELECT o.organisation_id, i.code, ${numberOf('o.organisation_id')} FROM organisation.school o
     JOIN country.identifier_scheme i ON i.pack_code = ${PACK} AND i.applies_to = 'organisation' ON CONFLICT DO NOTHING`,
  ],
  // Where the curriculum has projects: Indonesia's P5, with its themes and dimensions.
  [
    'projects',
    `WITH projects AS (
       INSERT INTO assessment.project (section_id, grading_scheme_id, theme, title, during)
       SELECT s.id, g.id, 'Gaya Hidup Berkelanjutan', 'Sampahku, Tanggung Jawabku', daterange(date '{year}' + 28, date '{year}' + 70)
       FROM country.curriculum c
       JOIN assessment.grading_scheme g ON g.code = c.project_scale
       JOIN academics.section s ON s.class_type = 'homeroom' AND s.record_status = 'active'
       WHERE c.pack_code = ${PACK} AND NOT EXISTS (SELECT FROM assessment.project) ORDER BY 1 RETURNING id, section_id, grading_scheme_id
     ), dimensions AS (
       INSERT INTO assessment.project_dimension (project_id, position, dimension, element)
       SELECT p.id, d.position, d.dimension, d.element FROM projects p
       CROSS JOIN (VALUES (1, 'Bergotong royong', 'Kolaborasi'), (2, 'Bernalar kritis', 'Refleksi pemikiran'), (3, 'Kreatif', 'Gagasan orisinal'))
         AS d (position, dimension, element)
       ORDER BY 1, 2 RETURNING id, project_id
     )
     INSERT INTO assessment.project_result (project_dimension_id, person_id, grade_band_id)
     SELECT d.id, e.person_id, b.id FROM projects p JOIN dimensions d ON d.project_id = p.id
     JOIN enrolment.section_enrolment e ON e.section_id = p.section_id AND e.role_code = 'student' AND e.record_status = 'active'
     JOIN assessment.grade_band b ON b.grading_scheme_id = p.grading_scheme_id AND b.points = ${chance('e.person_id', 'd.id')} % 4`,
  ],
];
