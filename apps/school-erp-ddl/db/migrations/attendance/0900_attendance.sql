-- The teacher's mark, the office's correction and the fact that the roll was handed in are three things in three
-- tables. Marks are split by month; their keys allow one mark a student and session.

SET LOCAL ROLE erp_owner;

CREATE SCHEMA attendance;
COMMENT ON SCHEMA attendance IS 'Who was there: students by day and by lesson, staff by day.';

CREATE TABLE attendance.code (
  tenant_id  integer NOT NULL DEFAULT tenancy.current_tenant(),
  code       text NOT NULL,
  name       text NOT NULL,
  kind       text NOT NULL,
  is_default boolean NOT NULL DEFAULT false,
  is_offered boolean NOT NULL DEFAULT true,
  position   smallint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT code_pkey PRIMARY KEY (tenant_id, code),
  CONSTRAINT code_code_check CHECK ((code ~ '^[A-Z]{1,3}$')),
  CONSTRAINT code_kind_check CHECK (kind IN ('present', 'late', 'absent', 'excused')),
  CONSTRAINT code_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenancy.tenant (id)
);
COMMENT ON TABLE attendance.code IS 'What a mark means.';
COMMENT ON COLUMN attendance.code.code IS 'Letters in the register, such as P.';
COMMENT ON COLUMN attendance.code.name IS 'Name.';
COMMENT ON COLUMN attendance.code.kind IS 'How it counts; final, because the counts of past months go by it.';
COMMENT ON COLUMN attendance.code.is_default IS 'Taken where nothing else is marked.';
COMMENT ON COLUMN attendance.code.is_offered IS 'False for a code that is no longer used; codes are never deleted.';
COMMENT ON COLUMN attendance.code.position IS 'Order in lists.';
CREATE TRIGGER code_kind_final BEFORE UPDATE OF kind ON attendance.code
  FOR EACH ROW WHEN (OLD.kind <> NEW.kind) EXECUTE FUNCTION tenancy.refuse_change('code');

CREATE TABLE attendance.daily_mark (
  tenant_id       integer NOT NULL DEFAULT tenancy.current_tenant(),
  person_id       bigint NOT NULL,
  day             date NOT NULL,
  session_code    text NOT NULL DEFAULT 'D',
  organisation_id bigint NOT NULL,
  code            text NOT NULL,
  arrived_at      time,
  noted_at        timestamptz NOT NULL DEFAULT now(),
  noted_by        bigint,
  CONSTRAINT daily_mark_pkey PRIMARY KEY (tenant_id, person_id, day, session_code),
  CONSTRAINT daily_mark_session_code_check CHECK ((session_code IN ('D', 'AM', 'PM'))),
  CONSTRAINT daily_mark_code_fkey FOREIGN KEY (tenant_id, code) REFERENCES attendance.code (tenant_id, code),
  CONSTRAINT daily_mark_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.student (tenant_id, person_id),
  CONSTRAINT daily_mark_organisation_fkey FOREIGN KEY (tenant_id, organisation_id) REFERENCES organisation.organisation (tenant_id, id)
) PARTITION BY RANGE (day);
CREATE INDEX daily_mark_school_day_idx ON attendance.daily_mark (tenant_id, organisation_id, day, code);
COMMENT ON TABLE attendance.daily_mark IS 'A student''s mark for a half-day or day.';
COMMENT ON COLUMN attendance.daily_mark.person_id IS 'Student.';
COMMENT ON COLUMN attendance.daily_mark.day IS 'Day.';
COMMENT ON COLUMN attendance.daily_mark.session_code IS 'D for the whole day, AM or PM.';
COMMENT ON COLUMN attendance.daily_mark.organisation_id IS 'School.';
COMMENT ON COLUMN attendance.daily_mark.code IS 'Mark.';
COMMENT ON COLUMN attendance.daily_mark.arrived_at IS 'When a late student came.';
COMMENT ON COLUMN attendance.daily_mark.noted_at IS 'When it was marked.';
COMMENT ON COLUMN attendance.daily_mark.noted_by IS 'Person who marked; no foreign key, because marks outlive staff.';

CREATE TABLE attendance.period_mark (
  tenant_id    integer NOT NULL DEFAULT tenancy.current_tenant(),
  section_id   bigint NOT NULL,
  day          date NOT NULL,
  period_code  text NOT NULL,
  person_id    bigint NOT NULL,
  code         text NOT NULL,
  minutes_late smallint,
  noted_at     timestamptz NOT NULL DEFAULT now(),
  noted_by     bigint,
  CONSTRAINT period_mark_pkey PRIMARY KEY (tenant_id, section_id, day, period_code, person_id),
  CONSTRAINT period_mark_minutes_late_check CHECK ((minutes_late >= 0)),
  CONSTRAINT period_mark_code_fkey FOREIGN KEY (tenant_id, code) REFERENCES attendance.code (tenant_id, code),
  CONSTRAINT period_mark_section_fkey FOREIGN KEY (tenant_id, section_id) REFERENCES academics.section (tenant_id, id),
  CONSTRAINT period_mark_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.student (tenant_id, person_id)
) PARTITION BY RANGE (day);
CREATE INDEX period_mark_student_day_idx ON attendance.period_mark (tenant_id, person_id, day);
COMMENT ON TABLE attendance.period_mark IS 'A student''s mark for one lesson.';
COMMENT ON COLUMN attendance.period_mark.section_id IS 'Section.';
COMMENT ON COLUMN attendance.period_mark.day IS 'Day.';
COMMENT ON COLUMN attendance.period_mark.period_code IS 'Period of the bell schedule.';
COMMENT ON COLUMN attendance.period_mark.person_id IS 'Student.';
COMMENT ON COLUMN attendance.period_mark.code IS 'Mark.';
COMMENT ON COLUMN attendance.period_mark.minutes_late IS 'Minutes.';
COMMENT ON COLUMN attendance.period_mark.noted_at IS 'When it was marked.';
COMMENT ON COLUMN attendance.period_mark.noted_by IS 'Person who marked; no foreign key, because marks outlive staff.';

CALL tenancy.ensure_months('attendance.daily_mark', '2026-01-01', '2027-12-01');
CALL tenancy.ensure_months('attendance.period_mark', '2026-01-01', '2027-12-01');

-- A school's percentages are asked for by the month and the year: 6,000 students have more than 120,000 marks a month.
-- Every roll updates its rows, so pages keep room for that.
CREATE TABLE attendance.month_count (
  tenant_id       integer NOT NULL DEFAULT tenancy.current_tenant(),
  person_id       bigint NOT NULL,
  month           date NOT NULL,
  organisation_id bigint NOT NULL,
  present         smallint NOT NULL DEFAULT 0,
  late            smallint NOT NULL DEFAULT 0,
  absent          smallint NOT NULL DEFAULT 0,
  excused         smallint NOT NULL DEFAULT 0,
  halves          smallint NOT NULL DEFAULT 0,
  CONSTRAINT month_count_pkey PRIMARY KEY (tenant_id, person_id, month, organisation_id),
  CONSTRAINT month_count_month_check CHECK (extract(day FROM month) = 1),
  CONSTRAINT month_count_counts_check CHECK (least(present, late, absent, excused, halves) >= 0),
  CONSTRAINT month_count_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.student (tenant_id, person_id),
  CONSTRAINT month_count_organisation_fkey FOREIGN KEY (tenant_id, organisation_id) REFERENCES organisation.organisation (tenant_id, id)
) WITH (fillfactor = 70);
CREATE INDEX month_count_school_month_idx ON attendance.month_count (tenant_id, organisation_id, month);
COMMENT ON TABLE attendance.month_count IS 'How many marks of each kind a student has in a month; kept by triggers of daily_mark.';
COMMENT ON COLUMN attendance.month_count.person_id IS 'Student.';
COMMENT ON COLUMN attendance.month_count.month IS 'First day of the month.';
COMMENT ON COLUMN attendance.month_count.organisation_id IS 'School of the marks.';
COMMENT ON COLUMN attendance.month_count.present IS 'Marks of kind present.';
COMMENT ON COLUMN attendance.month_count.late IS 'Marks of kind late.';
COMMENT ON COLUMN attendance.month_count.absent IS 'Marks of kind absent.';
COMMENT ON COLUMN attendance.month_count.excused IS 'Marks of kind excused.';
COMMENT ON COLUMN attendance.month_count.halves IS 'How many of all these are marks of half a day.';

-- One statement for a whole roll. Rows are taken in the order of their keys, so that two rolls of the same students
-- queue instead of deadlocking. A condition of PL/pgSQL is one query: what it need not ask stands in an IF of its own,
-- because a plan of daily_mark opens every month of it.
CREATE FUNCTION attendance.count_marks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  mixed boolean;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM removed) THEN
      RETURN NULL; -- an ON CONFLICT that met nothing
    END IF;
    PERFORM FROM attendance.month_count t
    WHERE (t.tenant_id, t.person_id, t.month, t.organisation_id) IN
      (SELECT r.tenant_id, r.person_id, date_trunc('month', r.day)::date, r.organisation_id FROM removed r)
    ORDER BY t.tenant_id, t.person_id, t.month, t.organisation_id FOR UPDATE;
    UPDATE attendance.month_count t
    SET present = t.present - m.present, late = t.late - m.late, absent = t.absent - m.absent,
      excused = t.excused - m.excused, halves = t.halves - m.halves
    FROM (
      SELECT r.tenant_id, r.person_id, date_trunc('month', r.day)::date AS month, r.organisation_id,
        count(*) FILTER (WHERE c.kind = 'present') AS present, count(*) FILTER (WHERE c.kind = 'late') AS late,
        count(*) FILTER (WHERE c.kind = 'absent') AS absent, count(*) FILTER (WHERE c.kind = 'excused') AS excused,
        count(*) FILTER (WHERE r.session_code <> 'D') AS halves
      FROM removed r JOIN attendance.code c ON c.tenant_id = r.tenant_id AND c.code = r.code
      GROUP BY 1, 2, 3, 4
    ) m
    WHERE t.tenant_id = m.tenant_id AND t.person_id = m.person_id AND t.month = m.month AND t.organisation_id = m.organisation_id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    WITH counted AS (
      INSERT INTO attendance.month_count AS t (tenant_id, person_id, month, organisation_id, present, late, absent, excused, halves)
      SELECT m.tenant_id, m.person_id, date_trunc('month', m.day)::date, m.organisation_id,
        count(*) FILTER (WHERE c.kind = 'present'), count(*) FILTER (WHERE c.kind = 'late'),
        count(*) FILTER (WHERE c.kind = 'absent'), count(*) FILTER (WHERE c.kind = 'excused'),
        count(*) FILTER (WHERE m.session_code <> 'D')
      FROM added m JOIN attendance.code c ON c.tenant_id = m.tenant_id AND c.code = m.code
      GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
      ON CONFLICT (tenant_id, person_id, month, organisation_id) DO UPDATE
        SET present = t.present + EXCLUDED.present, late = t.late + EXCLUDED.late, absent = t.absent + EXCLUDED.absent,
          excused = t.excused + EXCLUDED.excused, halves = t.halves + EXCLUDED.halves
      RETURNING t.halves > 0 AND t.halves < t.present + t.late + t.absent + t.excused AS both_kinds
    )
    SELECT bool_or(both_kinds) INTO mixed FROM counted;
    -- Days are looked at only for somebody who has whole days and halves in a month. The counts are locked by now, so
    -- that two rolls of the same students see one another.
    IF mixed THEN
      IF EXISTS (
        SELECT FROM added a JOIN attendance.daily_mark m ON m.tenant_id = a.tenant_id AND m.person_id = a.person_id AND m.day = a.day
        WHERE m.organisation_id = a.organisation_id AND (m.session_code = 'D') <> (a.session_code = 'D')
      ) THEN
        RAISE EXCEPTION 'a mark of the whole day and one of a half' USING
          ERRCODE = 'check_violation', SCHEMA = 'attendance', TABLE = 'daily_mark', CONSTRAINT = 'daily_mark_halves';
      END IF;
    END IF;
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION attendance.count_marks() IS 'Keeps the counts of months up to date with the marks.';
CREATE TRIGGER daily_mark_added AFTER INSERT ON attendance.daily_mark REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION attendance.count_marks();
CREATE TRIGGER daily_mark_changed AFTER UPDATE ON attendance.daily_mark REFERENCING OLD TABLE AS removed NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION attendance.count_marks();
CREATE TRIGGER daily_mark_removed AFTER DELETE ON attendance.daily_mark REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION attendance.count_marks();

CREATE TABLE attendance.roll (
  tenant_id       integer NOT NULL DEFAULT tenancy.current_tenant(),
  section_id      bigint NOT NULL,
  day             date NOT NULL,
  period_code     text NOT NULL DEFAULT 'D',
  submitted_at    timestamptz NOT NULL DEFAULT now(),
  submitted_by_id bigint,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT roll_pkey PRIMARY KEY (tenant_id, section_id, day, period_code),
  CONSTRAINT roll_section_fkey FOREIGN KEY (tenant_id, section_id) REFERENCES academics.section (tenant_id, id),
  CONSTRAINT roll_submitted_by_fkey FOREIGN KEY (tenant_id, submitted_by_id) REFERENCES people.person (tenant_id, id)
);
CREATE INDEX roll_submitted_by_idx ON attendance.roll (tenant_id, submitted_by_id);
CREATE INDEX roll_day_idx ON attendance.roll (tenant_id, day);
COMMENT ON TABLE attendance.roll IS 'That a teacher handed in the roll of a lesson.';
COMMENT ON COLUMN attendance.roll.section_id IS 'Section.';
COMMENT ON COLUMN attendance.roll.day IS 'Day.';
COMMENT ON COLUMN attendance.roll.period_code IS 'Period, or D for the daily roll.';
COMMENT ON COLUMN attendance.roll.submitted_at IS 'When.';
COMMENT ON COLUMN attendance.roll.submitted_by_id IS 'Who.';

CREATE TABLE attendance.override (
  tenant_id     integer NOT NULL DEFAULT tenancy.current_tenant(),
  person_id     bigint NOT NULL,
  day           date NOT NULL,
  session_code  text NOT NULL DEFAULT 'D',
  code          text NOT NULL,
  reason        text NOT NULL,
  decided_by_id bigint,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT override_pkey PRIMARY KEY (tenant_id, person_id, day, session_code),
  CONSTRAINT override_session_code_check CHECK ((session_code IN ('D', 'AM', 'PM'))),
  CONSTRAINT override_code_fkey FOREIGN KEY (tenant_id, code) REFERENCES attendance.code (tenant_id, code),
  CONSTRAINT override_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.student (tenant_id, person_id),
  CONSTRAINT override_decided_by_fkey FOREIGN KEY (tenant_id, decided_by_id) REFERENCES people.person (tenant_id, id)
);
CREATE INDEX override_decided_by_idx ON attendance.override (tenant_id, decided_by_id);
CREATE INDEX override_day_idx ON attendance.override (tenant_id, day);
COMMENT ON TABLE attendance.override IS 'What the office puts in place of a teacher''s mark.';
COMMENT ON COLUMN attendance.override.person_id IS 'Student.';
COMMENT ON COLUMN attendance.override.day IS 'Day.';
COMMENT ON COLUMN attendance.override.session_code IS 'D for the whole day, AM or PM.';
COMMENT ON COLUMN attendance.override.code IS 'Mark that counts.';
COMMENT ON COLUMN attendance.override.reason IS 'Why.';
COMMENT ON COLUMN attendance.override.decided_by_id IS 'Who.';

CREATE TABLE attendance.absence_reason (
  tenant_id  integer NOT NULL DEFAULT tenancy.current_tenant(),
  code       text NOT NULL,
  name       text NOT NULL,
  is_excused boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT absence_reason_pkey PRIMARY KEY (tenant_id, code),
  CONSTRAINT absence_reason_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES tenancy.tenant (id)
);
COMMENT ON TABLE attendance.absence_reason IS 'Why somebody is away.';
COMMENT ON COLUMN attendance.absence_reason.code IS 'Short name.';
COMMENT ON COLUMN attendance.absence_reason.name IS 'Name.';
COMMENT ON COLUMN attendance.absence_reason.is_excused IS 'Counts as excused.';

CREATE TABLE attendance.student_leave (
  tenant_id       integer NOT NULL DEFAULT tenancy.current_tenant(),
  id              bigint GENERATED BY DEFAULT AS IDENTITY,
  person_id       bigint NOT NULL,
  reason_code     text NOT NULL,
  days            daterange NOT NULL,
  status_code     text NOT NULL DEFAULT 'requested',
  requested_by_id bigint,
  note            text,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT student_leave_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT student_leave_days_check CHECK ((NOT isempty(days))),
  CONSTRAINT student_leave_status_code_check CHECK (status_code IN ('requested', 'approved', 'refused')),
  CONSTRAINT student_leave_overlap_excl EXCLUDE USING gist (tenant_id WITH =, person_id WITH =, days WITH &&) WHERE (status_code <> 'refused') DEFERRABLE,
  CONSTRAINT student_leave_reason_fkey FOREIGN KEY (tenant_id, reason_code) REFERENCES attendance.absence_reason (tenant_id, code),
  CONSTRAINT student_leave_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.student (tenant_id, person_id),
  CONSTRAINT student_leave_requested_by_fkey FOREIGN KEY (tenant_id, requested_by_id) REFERENCES people.person (tenant_id, id)
);
CREATE INDEX student_leave_person_idx ON attendance.student_leave (tenant_id, person_id);
CREATE INDEX student_leave_requested_by_idx ON attendance.student_leave (tenant_id, requested_by_id);
CREATE INDEX student_leave_reason_idx ON attendance.student_leave (tenant_id, reason_code);
COMMENT ON TABLE attendance.student_leave IS 'A student''s leave that was asked for.';
COMMENT ON COLUMN attendance.student_leave.person_id IS 'Student.';
COMMENT ON COLUMN attendance.student_leave.reason_code IS 'Why.';
COMMENT ON COLUMN attendance.student_leave.days IS 'First day, and day after the last.';
COMMENT ON COLUMN attendance.student_leave.status_code IS 'Whether it was approved.';
COMMENT ON COLUMN attendance.student_leave.requested_by_id IS 'Who asked.';
COMMENT ON COLUMN attendance.student_leave.note IS 'What was written.';

CREATE TABLE attendance.staff_day (
  tenant_id  integer NOT NULL DEFAULT tenancy.current_tenant(),
  person_id  bigint NOT NULL,
  day        date NOT NULL,
  code       text NOT NULL,
  came_at    time,
  left_at    time,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT staff_day_pkey PRIMARY KEY (tenant_id, person_id, day),
  CONSTRAINT staff_day_times_check CHECK (left_at >= came_at),
  CONSTRAINT staff_day_code_fkey FOREIGN KEY (tenant_id, code) REFERENCES attendance.code (tenant_id, code),
  CONSTRAINT staff_day_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.staff_member (tenant_id, person_id)
);
CREATE INDEX staff_day_day_idx ON attendance.staff_day (tenant_id, day);
COMMENT ON TABLE attendance.staff_day IS 'A member of staff on a day.';
COMMENT ON COLUMN attendance.staff_day.person_id IS 'Who.';
COMMENT ON COLUMN attendance.staff_day.day IS 'Day.';
COMMENT ON COLUMN attendance.staff_day.code IS 'Mark.';
COMMENT ON COLUMN attendance.staff_day.came_at IS 'When they came.';
COMMENT ON COLUMN attendance.staff_day.left_at IS 'When they left.';

CREATE TABLE attendance.alert (
  tenant_id   integer NOT NULL DEFAULT tenancy.current_tenant(),
  id          bigint GENERATED BY DEFAULT AS IDENTITY,
  person_id   bigint NOT NULL,
  day         date NOT NULL,
  sent_to_id  bigint NOT NULL,
  sent_at     timestamptz NOT NULL DEFAULT now(),
  channel     text NOT NULL,
  answered_at timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT alert_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT alert_channel_check CHECK (channel IN ('sms', 'email', 'push', 'call')),
  CONSTRAINT alert_person_id_day_sent_to_id_channel_key UNIQUE (tenant_id, person_id, day, sent_to_id, channel),
  CONSTRAINT alert_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.student (tenant_id, person_id),
  CONSTRAINT alert_sent_to_fkey FOREIGN KEY (tenant_id, sent_to_id) REFERENCES people.person (tenant_id, id)
);
CREATE INDEX alert_sent_to_idx ON attendance.alert (tenant_id, sent_to_id);
COMMENT ON TABLE attendance.alert IS 'A message to a guardian about an absence.';
COMMENT ON COLUMN attendance.alert.person_id IS 'Student.';
COMMENT ON COLUMN attendance.alert.day IS 'Day.';
COMMENT ON COLUMN attendance.alert.sent_to_id IS 'Guardian.';
COMMENT ON COLUMN attendance.alert.sent_at IS 'When.';
COMMENT ON COLUMN attendance.alert.channel IS 'How.';
COMMENT ON COLUMN attendance.alert.answered_at IS 'When the guardian answered.';

CREATE TABLE attendance.gate_pass (
  tenant_id       integer NOT NULL DEFAULT tenancy.current_tenant(),
  id              bigint GENERATED BY DEFAULT AS IDENTITY,
  person_id       bigint NOT NULL,
  out_at          timestamptz NOT NULL,
  back_at         timestamptz,
  collected_by_id bigint,
  reason          text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT gate_pass_pkey PRIMARY KEY (tenant_id, id),
  CONSTRAINT gate_pass_times_check CHECK (back_at > out_at),
  CONSTRAINT gate_pass_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.student (tenant_id, person_id),
  CONSTRAINT gate_pass_collected_by_fkey FOREIGN KEY (tenant_id, collected_by_id) REFERENCES people.person (tenant_id, id)
);
CREATE INDEX gate_pass_person_idx ON attendance.gate_pass (tenant_id, person_id);
CREATE INDEX gate_pass_collected_by_idx ON attendance.gate_pass (tenant_id, collected_by_id);
COMMENT ON TABLE attendance.gate_pass IS 'A student who leaves during the day.';
COMMENT ON COLUMN attendance.gate_pass.person_id IS 'Student.';
COMMENT ON COLUMN attendance.gate_pass.out_at IS 'When they left.';
COMMENT ON COLUMN attendance.gate_pass.back_at IS 'When they came back.';
COMMENT ON COLUMN attendance.gate_pass.collected_by_id IS 'Who collected them.';
COMMENT ON COLUMN attendance.gate_pass.reason IS 'Why.';

CREATE TABLE attendance.mark_note (
  tenant_id    integer NOT NULL DEFAULT tenancy.current_tenant(),
  person_id    bigint NOT NULL,
  day          date NOT NULL,
  session_code text NOT NULL DEFAULT 'D',
  reason_code  text,
  note         text,
  noted_by_id  bigint,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT mark_note_pkey PRIMARY KEY (tenant_id, person_id, day, session_code),
  CONSTRAINT mark_note_session_code_check CHECK (session_code IN ('D', 'AM', 'PM')),
  CONSTRAINT mark_note_person_fkey FOREIGN KEY (tenant_id, person_id) REFERENCES people.student (tenant_id, person_id) ON DELETE CASCADE,
  CONSTRAINT mark_note_reason_fkey FOREIGN KEY (tenant_id, reason_code) REFERENCES attendance.absence_reason (tenant_id, code),
  CONSTRAINT mark_note_noted_by_fkey FOREIGN KEY (tenant_id, noted_by_id) REFERENCES people.person (tenant_id, id)
);
CREATE INDEX mark_note_reason_idx ON attendance.mark_note (tenant_id, reason_code);
CREATE INDEX mark_note_noted_by_idx ON attendance.mark_note (tenant_id, noted_by_id);
COMMENT ON TABLE attendance.mark_note IS 'Why a mark is what it is; most marks need none.';
COMMENT ON COLUMN attendance.mark_note.person_id IS 'Student.';
COMMENT ON COLUMN attendance.mark_note.day IS 'Day.';
COMMENT ON COLUMN attendance.mark_note.session_code IS 'Day or half-day.';
COMMENT ON COLUMN attendance.mark_note.reason_code IS 'Reason.';
COMMENT ON COLUMN attendance.mark_note.note IS 'What was said.';
COMMENT ON COLUMN attendance.mark_note.noted_by_id IS 'Who noted it.';

INSERT INTO tenancy.constraint_message (schema_name, table_name, constraint_name, message) VALUES
  ('attendance', 'code', 'code_pkey', 'This code exists already.'),
  ('attendance', 'code', 'code_code_check', 'An attendance code is one to three capital letters.'),
  ('attendance', 'code', 'code_kind_check', 'Code: kind must be one of present, late, absent, excused.'),
  ('attendance', 'code', 'code_tenant_fkey', 'The tenant does not exist.'),
  ('attendance', 'code', 'code_kind_final', 'The kind of a code is final; make another code.'),
  ('attendance', 'month_count', 'month_count_pkey', 'The marks of this month are counted already.'),
  ('attendance', 'month_count', 'month_count_month_check', 'A month is named by its first day.'),
  ('attendance', 'month_count', 'month_count_counts_check', 'A count of marks is not negative.'),
  ('attendance', 'month_count', 'month_count_person_fkey', 'The person of this month count does not exist, or is still in use.'),
  ('attendance', 'month_count', 'month_count_organisation_fkey', 'The organisation of this month count does not exist, or is still in use.'),
  ('attendance', 'daily_mark', 'daily_mark_halves', 'A day is marked as a whole or in halves, not both.'),
  ('attendance', 'daily_mark', 'daily_mark_pkey', 'This daily mark exists already.'),
  ('attendance', 'daily_mark', 'daily_mark_session_code_check', 'A session is D, AM or PM.'),
  ('attendance', 'daily_mark', 'daily_mark_code_fkey', 'There is no such attendance code.'),
  ('attendance', 'daily_mark', 'daily_mark_person_fkey', 'The person of this daily mark does not exist, or is still in use.'),
  ('attendance', 'daily_mark', 'daily_mark_organisation_fkey', 'The organisation of this daily mark does not exist, or is still in use.'),
  ('attendance', 'period_mark', 'period_mark_pkey', 'This period mark exists already.'),
  ('attendance', 'period_mark', 'period_mark_minutes_late_check', 'Minutes are not negative.'),
  ('attendance', 'period_mark', 'period_mark_code_fkey', 'There is no such attendance code.'),
  ('attendance', 'period_mark', 'period_mark_section_fkey', 'The section of this period mark does not exist, or is still in use.'),
  ('attendance', 'period_mark', 'period_mark_person_fkey', 'The person of this period mark does not exist, or is still in use.'),
  ('attendance', 'roll', 'roll_pkey', 'This roll exists already.'),
  ('attendance', 'roll', 'roll_section_fkey', 'The section of this roll does not exist, or is still in use.'),
  ('attendance', 'roll', 'roll_submitted_by_fkey', 'The submitted by of this roll does not exist, or is still in use.'),
  ('attendance', 'override', 'override_pkey', 'This override exists already.'),
  ('attendance', 'override', 'override_session_code_check', 'A session is D, AM or PM.'),
  ('attendance', 'override', 'override_code_fkey', 'There is no such attendance code.'),
  ('attendance', 'override', 'override_person_fkey', 'The person of this override does not exist, or is still in use.'),
  ('attendance', 'override', 'override_decided_by_fkey', 'The decided by of this override does not exist, or is still in use.'),
  ('attendance', 'absence_reason', 'absence_reason_pkey', 'This absence reason exists already.'),
  ('attendance', 'absence_reason', 'absence_reason_tenant_fkey', 'The tenant does not exist.'),
  ('attendance', 'student_leave', 'student_leave_pkey', 'This student leave exists already.'),
  ('attendance', 'student_leave', 'student_leave_days_check', 'A leave lasts at least a day.'),
  ('attendance', 'student_leave', 'student_leave_status_code_check', 'Student leave: status code must be one of requested, approved, refused.'),
  ('attendance', 'student_leave', 'student_leave_overlap_excl', 'The student has leave on some of these days already.'),
  ('attendance', 'student_leave', 'student_leave_reason_fkey', 'There is no such reason.'),
  ('attendance', 'student_leave', 'student_leave_person_fkey', 'The person of this student leave does not exist, or is still in use.'),
  ('attendance', 'student_leave', 'student_leave_requested_by_fkey', 'The requested by of this student leave does not exist, or is still in use.'),
  ('attendance', 'staff_day', 'staff_day_pkey', 'This staff day exists already.'),
  ('attendance', 'staff_day', 'staff_day_times_check', 'Nobody leaves before they come.'),
  ('attendance', 'staff_day', 'staff_day_code_fkey', 'There is no such attendance code.'),
  ('attendance', 'staff_day', 'staff_day_person_fkey', 'The person of this staff day does not exist, or is still in use.'),
  ('attendance', 'alert', 'alert_pkey', 'This alert exists already.'),
  ('attendance', 'alert', 'alert_channel_check', 'Alert: channel must be one of sms, email, push, call.'),
  ('attendance', 'alert', 'alert_person_id_day_sent_to_id_channel_key', 'There is already an alert with the same person, day, sent to, channel.'),
  ('attendance', 'alert', 'alert_person_fkey', 'The person of this alert does not exist, or is still in use.'),
  ('attendance', 'alert', 'alert_sent_to_fkey', 'The sent to of this alert does not exist, or is still in use.'),
  ('attendance', 'gate_pass', 'gate_pass_pkey', 'This gate pass exists already.'),
  ('attendance', 'gate_pass', 'gate_pass_times_check', 'A student comes back after leaving.'),
  ('attendance', 'gate_pass', 'gate_pass_person_fkey', 'The person of this gate pass does not exist, or is still in use.'),
  ('attendance', 'gate_pass', 'gate_pass_collected_by_fkey', 'The collected by of this gate pass does not exist, or is still in use.'),
  ('attendance', 'mark_note', 'mark_note_pkey', 'This mark note exists already.'),
  ('attendance', 'mark_note', 'mark_note_session_code_check', 'Mark note: session code must be one of D, AM, PM.'),
  ('attendance', 'mark_note', 'mark_note_person_fkey', 'The person of this mark note does not exist, or is still in use.'),
  ('attendance', 'mark_note', 'mark_note_reason_fkey', 'The reason of this mark note does not exist, or is still in use.'),
  ('attendance', 'mark_note', 'mark_note_noted_by_fkey', 'The noted by of this mark note does not exist, or is still in use.');

CALL tenancy.protect_schema('attendance');

-- A code that marks go by stays; so no index has to serve its deletion on tables of millions of marks.
REVOKE DELETE ON attendance.code FROM erp_app;
REVOKE UPDATE ON attendance.code FROM erp_app;
GRANT UPDATE (name, kind, is_default, is_offered, position) ON attendance.code TO erp_app;
REVOKE INSERT, UPDATE, DELETE ON attendance.month_count FROM erp_app;

RESET ROLE;
