-- What a school asks every day, as functions: named, typed and documented. They run with the rights of the caller,
-- inside the caller's tenant, and are single statements, so that the planner sees through them. Tests keep their
-- plans: no scan of a large table, only the partitions of the days asked for. Where the planner cannot know how few
-- rows are left, names are looked up one by one (OFFSET 0), so that it does not read everybody of the tenant.

SET LOCAL ROLE erp_owner;

CREATE SCHEMA daily;
COMMENT ON SCHEMA daily IS 'The queries and writes of every day.';

-- Attendance

CREATE FUNCTION daily.section_roll(section bigint, on_day date, session text DEFAULT 'D')
  RETURNS TABLE (person_id bigint, given_name text, family_name text, code text, overridden boolean, arrived_at time)
  LANGUAGE sql STABLE AS $$
  SELECT p.id, p.given_name, p.family_name, coalesce(o.code, m.code), o.code IS NOT NULL, m.arrived_at
  FROM enrolment.section_enrolment e
  JOIN people.person p ON p.tenant_id = e.tenant_id AND p.id = e.person_id
  LEFT JOIN attendance.daily_mark m ON m.tenant_id = e.tenant_id AND m.person_id = e.person_id
    AND m.day = on_day AND m.session_code = session
  LEFT JOIN attendance.override o ON o.tenant_id = e.tenant_id AND o.person_id = e.person_id
    AND o.day = on_day AND o.session_code = session
  WHERE e.section_id = section AND e.role_code = 'student' AND e.record_status = 'active'
    AND (e.begin_date IS NULL OR e.begin_date <= on_day) AND (e.end_date IS NULL OR e.end_date > on_day)
  ORDER BY p.family_name, p.given_name
$$;
COMMENT ON FUNCTION daily.section_roll(bigint, date, text) IS 'The students of a section with their marks of a day; the office''s correction wins.';

CREATE FUNCTION daily.sections_not_marked(school bigint, on_day date)
  RETURNS TABLE (section_id bigint, title text, students bigint)
  LANGUAGE sql STABLE AS $$
  SELECT s.id, s.title, (
    SELECT count(*) FROM enrolment.section_enrolment e
    WHERE e.tenant_id = s.tenant_id AND e.section_id = s.id AND e.role_code = 'student' AND e.record_status = 'active')
  FROM academics.section s
  WHERE s.organisation_id = school AND s.class_type = 'homeroom' AND s.record_status = 'active'
    AND NOT EXISTS (SELECT FROM attendance.roll r
      WHERE r.tenant_id = s.tenant_id AND r.section_id = s.id AND r.day = on_day AND r.period_code = 'D')
  ORDER BY s.title
$$;
COMMENT ON FUNCTION daily.sections_not_marked(bigint, date) IS 'Homerooms of a school whose roll of the day was not handed in.';

CREATE FUNCTION daily.absentees(school bigint, on_day date)
  RETURNS TABLE (person_id bigint, given_name text, family_name text, code text, guardian_phone text)
  LANGUAGE sql STABLE AS $$
  SELECT p.id, p.given_name, p.family_name, a.code, (
    SELECT g.phone FROM people.guardianship k JOIN people.person g ON g.tenant_id = k.tenant_id AND g.id = k.guardian_id
    WHERE k.tenant_id = p.tenant_id AND k.person_id = p.id ORDER BY k.position LIMIT 1)
  FROM (
    SELECT m.tenant_id, m.person_id, m.code
    FROM attendance.code c
    JOIN attendance.daily_mark m ON m.tenant_id = c.tenant_id AND m.code = c.code
    WHERE c.kind IN ('absent', 'excused') AND m.organisation_id = school AND m.day = on_day
      AND NOT EXISTS (SELECT FROM attendance.override o
        WHERE o.tenant_id = m.tenant_id AND o.person_id = m.person_id AND o.day = m.day AND o.session_code = m.session_code)
    UNION ALL
    SELECT o.tenant_id, o.person_id, o.code
    FROM attendance.override o
    JOIN attendance.code c ON c.tenant_id = o.tenant_id AND c.code = o.code AND c.kind IN ('absent', 'excused')
    JOIN enrolment.placement e ON e.tenant_id = o.tenant_id AND e.person_id = o.person_id AND e.organisation_id = school
      AND e.is_primary AND e.period @> o.day
    WHERE o.day = on_day
  ) a
  CROSS JOIN LATERAL (SELECT n.id, n.tenant_id, n.given_name, n.family_name FROM people.person n
    WHERE n.tenant_id = a.tenant_id AND n.id = a.person_id OFFSET 0) p
  ORDER BY p.family_name, p.given_name
$$;
COMMENT ON FUNCTION daily.absentees(bigint, date) IS 'Who is away on a day, with a number to call; the office''s correction wins.';

CREATE FUNCTION daily.attendance_percent(person bigint, from_day date, to_day date)
  RETURNS TABLE (present bigint, late bigint, absent bigint, percent numeric)
  LANGUAGE sql STABLE AS $$
  SELECT count(*) FILTER (WHERE c.kind = 'present'), count(*) FILTER (WHERE c.kind = 'late'),
    count(*) FILTER (WHERE c.kind IN ('absent', 'excused')),
    round(100.0 * count(*) FILTER (WHERE c.kind IN ('present', 'late')) / nullif(count(*), 0), 1)
  FROM attendance.daily_mark m
  LEFT JOIN attendance.override o ON o.tenant_id = m.tenant_id AND o.person_id = m.person_id AND o.day = m.day
    AND o.session_code = m.session_code
  JOIN attendance.code c ON c.tenant_id = m.tenant_id AND c.code = coalesce(o.code, m.code)
  WHERE m.person_id = person AND m.day >= from_day AND m.day < to_day
$$;
COMMENT ON FUNCTION daily.attendance_percent(bigint, date, date) IS 'A student''s attendance from a day up to, but without, another; the office''s corrections count.';

-- Whole months come from their counts, the days before and after them from the marks, and what the office corrected is
-- taken off one kind and put on another. The months are worked out of the arguments in place, so that the planner
-- knows them, and leaves the other partitions out.
CREATE FUNCTION daily.below_attendance(school bigint, from_day date, to_day date, minimum numeric DEFAULT 75)
  RETURNS TABLE (person_id bigint, given_name text, family_name text, percent numeric)
  LANGUAGE sql STABLE AS $$
  WITH counted AS (
    SELECT n.tenant_id, n.person_id, n.present + n.late AS attended, n.present + n.late + n.absent + n.excused AS marked
    FROM attendance.month_count n
    WHERE n.organisation_id = school
      AND n.month >= date_trunc('month', from_day + interval '1 month' - interval '1 day')::date AND n.month < date_trunc('month', to_day::timestamp)::date
    UNION ALL
    SELECT m.tenant_id, m.person_id, (c.kind IN ('present', 'late'))::integer, 1
    FROM attendance.daily_mark m
    JOIN attendance.code c ON c.tenant_id = m.tenant_id AND c.code = m.code
    WHERE m.organisation_id = school
      AND m.day >= from_day AND m.day < least(date_trunc('month', from_day + interval '1 month' - interval '1 day')::date, to_day)
    UNION ALL
    SELECT m.tenant_id, m.person_id, (c.kind IN ('present', 'late'))::integer, 1
    FROM attendance.daily_mark m
    JOIN attendance.code c ON c.tenant_id = m.tenant_id AND c.code = m.code
    WHERE m.organisation_id = school
      AND m.day >= greatest(date_trunc('month', from_day + interval '1 month' - interval '1 day')::date, date_trunc('month', to_day::timestamp)::date) AND m.day < to_day
    UNION ALL
    SELECT m.tenant_id, m.person_id, (n.kind IN ('present', 'late'))::integer - (w.kind IN ('present', 'late'))::integer, 0
    FROM attendance.override o
    JOIN attendance.daily_mark m ON m.tenant_id = o.tenant_id AND m.person_id = o.person_id AND m.day = o.day
      AND m.session_code = o.session_code
    JOIN attendance.code n ON n.tenant_id = o.tenant_id AND n.code = o.code
    JOIN attendance.code w ON w.tenant_id = m.tenant_id AND w.code = m.code
    WHERE o.day >= from_day AND o.day < to_day AND m.day >= from_day AND m.day < to_day AND m.organisation_id = school
  )
  SELECT p.id, p.given_name, p.family_name, a.percent
  FROM (
    SELECT n.tenant_id, n.person_id, round(100.0 * sum(n.attended) / nullif(sum(n.marked), 0), 1) AS percent
    FROM counted n GROUP BY n.tenant_id, n.person_id
    HAVING 100 * sum(n.attended) < minimum * sum(n.marked)
  ) a
  CROSS JOIN LATERAL (SELECT n.id, n.given_name, n.family_name FROM people.person n
    WHERE n.tenant_id = a.tenant_id AND n.id = a.person_id OFFSET 0) p
  ORDER BY a.percent, p.family_name
$$;
COMMENT ON FUNCTION daily.below_attendance(bigint, date, date, numeric) IS 'Students of a school whose attendance from a day up to, but without, another is below a percentage.';

-- Timetable

CREATE FUNCTION daily.teacher_day(teacher bigint, on_day date, week integer DEFAULT 1)
  RETURNS TABLE (slot_id bigint, starts_at time, ends_at time, subject text, sections text[], room text, covered_by bigint)
  LANGUAGE sql STABLE AS $$
  SELECT t.slot_id, time '00:00' + lower(t.minutes) * interval '1 minute', time '00:00' + upper(t.minutes) * interval '1 minute',
    b.name,
    (SELECT array_agg(s.title ORDER BY s.title) FROM timetable.slot_section x
     JOIN academics.section s ON s.tenant_id = x.tenant_id AND s.id = x.section_id
     WHERE x.tenant_id = t.tenant_id AND x.slot_id = t.slot_id),
    coalesce(
      (SELECT r.code FROM timetable.room_change c
       JOIN timetable.room r ON r.tenant_id = c.tenant_id AND r.id = c.room_id
       WHERE c.tenant_id = t.tenant_id AND c.slot_id = t.slot_id AND c.day = on_day),
      (SELECT string_agg(r.code, ', ') FROM timetable.slot_room x
       JOIN timetable.room r ON r.tenant_id = x.tenant_id AND r.id = x.room_id
       WHERE x.tenant_id = t.tenant_id AND x.slot_id = t.slot_id)),
    (SELECT u.cover_id FROM timetable.substitution u
     WHERE u.tenant_id = t.tenant_id AND u.slot_id = t.slot_id AND u.day = on_day AND u.absent_id = teacher)
  FROM timetable.slot_teacher t
  JOIN timetable.slot l ON l.tenant_id = t.tenant_id AND l.id = t.slot_id
  LEFT JOIN academics.subject b ON b.tenant_id = l.tenant_id AND b.id = l.subject_id
  WHERE t.person_id = teacher AND t.day_of_week = extract(isodow FROM on_day)::smallint
    AND t.effective @> on_day AND t.weeks @> week
  ORDER BY lower(t.minutes)
$$;
COMMENT ON FUNCTION daily.teacher_day(bigint, date, integer) IS 'The lessons of a teacher on a day, in a week of the cycle (1 for A, 2 for B).';

CREATE FUNCTION daily.teacher_week(teacher bigint, in_week_of date, week integer DEFAULT 1)
  RETURNS TABLE (day_of_week smallint, slot_id bigint, starts_at time, ends_at time, subject text)
  LANGUAGE sql STABLE AS $$
  SELECT t.day_of_week, t.slot_id, time '00:00' + lower(t.minutes) * interval '1 minute',
    time '00:00' + upper(t.minutes) * interval '1 minute', b.name
  FROM timetable.slot_teacher t
  JOIN timetable.slot l ON l.tenant_id = t.tenant_id AND l.id = t.slot_id
  LEFT JOIN academics.subject b ON b.tenant_id = l.tenant_id AND b.id = l.subject_id
  WHERE t.person_id = teacher AND t.effective @> in_week_of AND t.weeks @> week
  ORDER BY t.day_of_week, lower(t.minutes)
$$;
COMMENT ON FUNCTION daily.teacher_week(bigint, date, integer) IS 'The lessons of a teacher in a week.';

CREATE FUNCTION daily.free_teachers(school bigint, on_day date, from_minute integer, to_minute integer, week integer DEFAULT 1)
  RETURNS TABLE (person_id bigint, given_name text, family_name text)
  LANGUAGE sql STABLE AS $$
  SELECT p.id, p.given_name, p.family_name
  FROM (
    SELECT DISTINCT r.tenant_id, r.person_id FROM people.role_assignment r
    WHERE r.organisation_id = school AND r.role_code = 'teacher' AND r.record_status = 'active'
      AND (r.begin_date IS NULL OR r.begin_date <= on_day) AND (r.end_date IS NULL OR r.end_date > on_day)
  ) r
  JOIN people.staff_member s ON s.tenant_id = r.tenant_id AND s.person_id = r.person_id
  JOIN people.person p ON p.tenant_id = s.tenant_id AND p.id = s.person_id
  WHERE s.is_teaching AND (s.left_on IS NULL OR s.left_on > on_day)
    AND NOT EXISTS (SELECT FROM timetable.teacher_time t
      WHERE t.tenant_id = s.tenant_id AND t.person_id = s.person_id
        AND t.day_of_week = extract(isodow FROM on_day)::smallint AND t.days @> on_day AND t.weeks @> week
        AND t.minutes && int4range(from_minute, to_minute))
    AND NOT EXISTS (SELECT FROM timetable.substitution u
      WHERE u.tenant_id = s.tenant_id AND u.absent_id = s.person_id AND u.day = on_day
        AND u.minutes && int4range(from_minute, to_minute))
    AND NOT EXISTS (SELECT FROM hr.staff_absence a
      WHERE a.tenant_id = s.tenant_id AND a.person_id = s.person_id AND a.days @> on_day)
    AND NOT EXISTS (SELECT FROM hr.leave_request l
      WHERE l.tenant_id = s.tenant_id AND l.person_id = s.person_id AND l.status_code = 'approved' AND l.days @> on_day)
  ORDER BY p.family_name, p.given_name
$$;
COMMENT ON FUNCTION daily.free_teachers(bigint, date, integer, integer, integer) IS 'Teachers of a school without lesson, cover, duty, absence and leave at a time of a day, in minutes after midnight.';

CREATE FUNCTION daily.free_rooms(school bigint, on_day date, from_minute integer, to_minute integer, week integer DEFAULT 1)
  RETURNS TABLE (room_id bigint, code text, name text, seats smallint)
  LANGUAGE sql STABLE AS $$
  SELECT r.id, r.code, r.name, r.seats
  FROM timetable.room r
  WHERE r.organisation_id = school
    AND NOT EXISTS (SELECT FROM timetable.room_time t
      WHERE t.tenant_id = r.tenant_id AND t.room_id = r.id
        AND t.day_of_week = extract(isodow FROM on_day)::smallint AND t.days @> on_day AND t.weeks @> week
        AND t.minutes && int4range(from_minute, to_minute))
  ORDER BY r.code
$$;
COMMENT ON FUNCTION daily.free_rooms(bigint, date, integer, integer, integer) IS 'Rooms of a school that nobody uses at a time of a day, in minutes after midnight.';

-- Assessment

CREATE FUNCTION daily.report_card(person bigint, session bigint)
  RETURNS TABLE ("position" smallint, title text, score numeric, grade text, comment text)
  LANGUAGE sql STABLE AS $$
  SELECT l.position, l.title, l.score, l.grade, l.comment
  FROM assessment.report_card c
  JOIN assessment.report_line l ON l.tenant_id = c.tenant_id AND l.report_card_id = c.id
  WHERE c.person_id = person AND c.academic_session_id = session
  ORDER BY l.position
$$;
COMMENT ON FUNCTION daily.report_card(bigint, bigint) IS 'The lines of a student''s report card.';

CREATE FUNCTION daily.mark_grid(paper bigint)
  RETURNS TABLE (person_id bigint, given_name text, family_name text, score numeric, absence_code text)
  LANGUAGE sql STABLE AS $$
  SELECT p.id, p.given_name, p.family_name, m.score, m.absence_code
  FROM assessment.paper a
  JOIN enrolment.section_enrolment e ON e.tenant_id = a.tenant_id AND e.section_id = a.section_id
    AND e.role_code = 'student' AND e.record_status = 'active'
  JOIN people.person p ON p.tenant_id = e.tenant_id AND p.id = e.person_id
  LEFT JOIN assessment.mark m ON m.tenant_id = a.tenant_id AND m.paper_id = a.id AND m.person_id = e.person_id
  WHERE a.id = paper
  ORDER BY p.family_name, p.given_name
$$;
COMMENT ON FUNCTION daily.mark_grid(bigint) IS 'The students of a paper with their marks, for entering them.';

-- From the students to their other sections to the papers of the exam to their marks: some 300 keys, where all marks of
-- the students would be ten times as many.
CREATE FUNCTION daily.class_rank(exam bigint, section bigint)
  RETURNS TABLE (person_id bigint, given_name text, family_name text, percent numeric, rank bigint)
  LANGUAGE sql STABLE AS $$
  SELECT p.id, p.given_name, p.family_name, r.percent, rank() OVER (ORDER BY r.percent DESC)
  FROM (
    SELECT e.tenant_id, e.person_id, round(100 * sum(m.score) / nullif(sum(m.max_score), 0), 2) AS percent
    FROM (
      SELECT DISTINCT e.tenant_id, e.person_id, x.section_id
      FROM enrolment.section_enrolment e
      JOIN enrolment.section_enrolment x ON x.tenant_id = e.tenant_id AND x.person_id = e.person_id AND x.role_code = 'student'
      WHERE e.section_id = section AND e.role_code = 'student' AND e.record_status = 'active'
    ) e
    JOIN assessment.paper a ON a.tenant_id = e.tenant_id AND a.exam_id = exam AND a.section_id = e.section_id
    JOIN assessment.mark m ON m.tenant_id = a.tenant_id AND m.paper_id = a.id AND m.person_id = e.person_id AND m.score IS NOT NULL
    GROUP BY e.tenant_id, e.person_id
  ) r
  JOIN people.person p ON p.tenant_id = r.tenant_id AND p.id = r.person_id
  ORDER BY 5, p.family_name
$$;
COMMENT ON FUNCTION daily.class_rank(bigint, bigint) IS 'The students of a section by their result in an exam; absences do not count.';

-- Fees

CREATE FUNCTION daily.defaulters(school bigint, as_of date)
  RETURNS TABLE (person_id bigint, given_name text, family_name text, invoices bigint, open_amount numeric, oldest_due date)
  LANGUAGE sql STABLE AS $$
  SELECT p.id, p.given_name, p.family_name, o.invoices, o.open_amount, o.oldest_due
  FROM (
    SELECT i.tenant_id, i.person_id, count(*) AS invoices, sum(i.total - i.allocated) AS open_amount, min(i.due_on) AS oldest_due
    FROM fees.invoice i
    WHERE i.organisation_id = school AND i.due_on < as_of AND i.status_code = 'issued' AND i.allocated < i.total
    GROUP BY i.tenant_id, i.person_id
  ) o
  CROSS JOIN LATERAL (SELECT n.id, n.given_name, n.family_name FROM people.person n
    WHERE n.tenant_id = o.tenant_id AND n.id = o.person_id OFFSET 0) p
  ORDER BY o.open_amount DESC
$$;
COMMENT ON FUNCTION daily.defaulters(bigint, date) IS 'Students of a school with invoices past their due day.';

CREATE FUNCTION daily.fee_ageing(school bigint, as_of date)
  RETURNS TABLE (not_due numeric, days_0 numeric, days_30 numeric, days_60 numeric, days_90 numeric)
  LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(o.amount) FILTER (WHERE o.late <= 0), 0),
    coalesce(sum(o.amount) FILTER (WHERE o.late BETWEEN 1 AND 30), 0),
    coalesce(sum(o.amount) FILTER (WHERE o.late BETWEEN 31 AND 60), 0),
    coalesce(sum(o.amount) FILTER (WHERE o.late BETWEEN 61 AND 90), 0),
    coalesce(sum(o.amount) FILTER (WHERE o.late > 90), 0)
  FROM (SELECT i.total - i.allocated AS amount, as_of - i.due_on AS late FROM fees.invoice i
    WHERE i.organisation_id = school AND i.status_code = 'issued' AND i.allocated < i.total) o
$$;
COMMENT ON FUNCTION daily.fee_ageing(bigint, date) IS 'What is open at a school by how late it is: not due, up to 30, 60, 90 days, later.';

CREATE FUNCTION daily.day_book(on_day date)
  RETURNS TABLE (method_code text, payments bigint, received numeric, refunded numeric)
  LANGUAGE sql STABLE AS $$
  WITH bounds AS MATERIALIZED (SELECT tenancy.day_begins(on_day) AS since, tenancy.day_begins(on_day + 1) AS until)
  SELECT m.code, coalesce(p.payments, 0), coalesce(p.received, 0), coalesce(r.refunded, 0)
  FROM fees.payment_method m
  LEFT JOIN (SELECT x.method_code, count(*) AS payments, sum(x.amount) AS received FROM fees.payment x
    WHERE x.received_at >= (SELECT since FROM bounds) AND x.received_at < (SELECT until FROM bounds) GROUP BY x.method_code) p
    ON p.method_code = m.code
  LEFT JOIN (SELECT x.method_code, sum(x.amount) AS refunded FROM fees.refund x
    WHERE x.paid_at >= (SELECT since FROM bounds) AND x.paid_at < (SELECT until FROM bounds) GROUP BY x.method_code) r
    ON r.method_code = m.code
  ORDER BY m.code
$$;
COMMENT ON FUNCTION daily.day_book(date) IS 'Money in and out on a day of the tenant, by way of payment.';

CREATE FUNCTION daily.student_ledger(student bigint)
  RETURNS TABLE (entry_date date, number bigint, description text, amount numeric, balance numeric)
  LANGUAGE sql STABLE AS $$
  SELECT e.entry_date, e.number, e.description, l.amount, sum(l.amount) OVER (ORDER BY e.entry_date, e.number, l.line_number)
  FROM fees.journal_line l
  JOIN fees.journal_entry e ON e.tenant_id = l.tenant_id AND e.id = l.journal_entry_id
  WHERE l.person_id = student
  ORDER BY e.entry_date, e.number, l.line_number
$$;
COMMENT ON FUNCTION daily.student_ledger(bigint) IS 'A student''s account with its running balance; above zero is owed.';

-- People

CREATE FUNCTION daily.guardian_dashboard(guardian bigint, on_day date)
  RETURNS TABLE (person_id bigint, given_name text, family_name text, today text, open_amount numeric, next_due date, published_reports bigint)
  LANGUAGE sql STABLE AS $$
  SELECT p.id, p.given_name, p.family_name,
    (SELECT m.code FROM attendance.daily_mark m
     WHERE m.tenant_id = p.tenant_id AND m.person_id = p.id AND m.day = on_day LIMIT 1),
    f.open_amount, f.next_due,
    (SELECT count(*) FROM assessment.report_card c
     WHERE c.tenant_id = p.tenant_id AND c.person_id = p.id AND c.published_at IS NOT NULL)
  FROM people.guardianship g
  JOIN people.person p ON p.tenant_id = g.tenant_id AND p.id = g.person_id
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(i.total - i.allocated), 0) AS open_amount, min(i.due_on) FILTER (WHERE i.allocated < i.total) AS next_due
    FROM fees.invoice i WHERE i.tenant_id = p.tenant_id AND i.person_id = p.id AND i.status_code = 'issued') f
  WHERE g.guardian_id = guardian
  ORDER BY p.given_name
$$;
COMMENT ON FUNCTION daily.guardian_dashboard(bigint, date) IS 'What a guardian sees first: each child''s mark of the day, what is open and the reports.';

CREATE FUNCTION daily.search_people(beginning text, most integer DEFAULT 20)
  RETURNS TABLE (person_id bigint, given_name text, family_name text, identifier text)
  LANGUAGE sql STABLE AS $$
  SELECT p.id, p.given_name, p.family_name, p.identifier
  FROM people.person p
  WHERE p.search_name COLLATE "C" >= lower(beginning) COLLATE "C"
    AND p.search_name COLLATE "C" < (lower(beginning) || U&'\+10FFFF') COLLATE "C"
    AND p.record_status = 'active'
  ORDER BY p.search_name COLLATE "C"
  LIMIT most
$$;
COMMENT ON FUNCTION daily.search_people(text, integer) IS 'People whose family name, then given name, begins so.';

-- Services

CREATE FUNCTION daily.transport_manifest(trip bigint, on_day date)
  RETURNS TABLE ("position" smallint, stop text, person_id bigint, given_name text, family_name text, boarded_at timestamptz)
  LANGUAGE sql STABLE AS $$
  SELECT rs.position, s.name, p.id, p.given_name, p.family_name, b.boarded_at
  FROM transport.rider r
  JOIN transport.route_stop rs ON rs.tenant_id = r.tenant_id AND rs.id = r.route_stop_id
  JOIN transport.stop s ON s.tenant_id = rs.tenant_id AND s.id = rs.stop_id
  JOIN people.person p ON p.tenant_id = r.tenant_id AND p.id = r.person_id
  LEFT JOIN transport.boarding b ON b.tenant_id = r.tenant_id AND b.trip_id = r.trip_id AND b.person_id = r.person_id AND b.day = on_day
  WHERE r.trip_id = trip AND r.valid @> on_day
  ORDER BY rs.position, p.family_name
$$;
COMMENT ON FUNCTION daily.transport_manifest(bigint, date) IS 'Who gets on a trip, stop by stop.';

CREATE FUNCTION daily.overdue_books(school bigint, as_of date)
  RETURNS TABLE (loan_id bigint, title text, barcode text, person_id bigint, given_name text, family_name text, days_late integer)
  LANGUAGE sql STABLE AS $$
  SELECT l.id, t.name, c.barcode, p.id, p.given_name, p.family_name, as_of - l.due_on
  FROM library.loan l
  JOIN library.copy c ON c.tenant_id = l.tenant_id AND c.id = l.copy_id
  JOIN library.branch b ON b.tenant_id = c.tenant_id AND b.id = c.branch_id
  JOIN library.title t ON t.tenant_id = c.tenant_id AND t.id = c.title_id
  JOIN people.person p ON p.tenant_id = l.tenant_id AND p.id = l.person_id
  WHERE l.returned_at IS NULL AND l.due_on < as_of AND b.organisation_id = school
  ORDER BY l.due_on
$$;
COMMENT ON FUNCTION daily.overdue_books(bigint, date) IS 'Copies of a school''s libraries that should have come back.';

CREATE FUNCTION daily.audit_trail(of_table text, of_row text)
  RETURNS TABLE (changed_at timestamptz, operation text, actor_id bigint, before jsonb, after jsonb)
  LANGUAGE sql STABLE AS $$
  SELECT e.changed_at, e.operation, e.actor_id, e.before, e.after
  FROM audit.entry e
  WHERE e.table_name = of_table AND e.row_id = of_row
  ORDER BY e.changed_at
$$;
COMMENT ON FUNCTION daily.audit_trail(text, text) IS 'Every change of one record.';

GRANT USAGE ON SCHEMA daily TO erp_app, erp_analyst;
RESET ROLE;
