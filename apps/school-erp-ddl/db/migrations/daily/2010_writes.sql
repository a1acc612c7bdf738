-- The writes of every day, each one statement for the application and one transaction for the database.

SET LOCAL ROLE erp_owner;

-- In PL/pgSQL, because that keeps its plans for the session: the busiest write of the morning is planned once.
CREATE FUNCTION daily.submit_roll(section bigint, on_day date, marks jsonb, teacher bigint, session text DEFAULT 'D')
  RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  noted integer;
BEGIN
  INSERT INTO attendance.roll (section_id, day, period_code, submitted_by_id) VALUES (section, on_day, session, teacher)
  ON CONFLICT (tenant_id, section_id, day, period_code) DO UPDATE SET submitted_at = now(), submitted_by_id = teacher;
  INSERT INTO attendance.daily_mark AS m (person_id, day, session_code, organisation_id, code, noted_by)
  SELECT x.person_id, on_day, session, s.organisation_id, x.code, teacher
  FROM jsonb_to_recordset(marks) AS x (person_id bigint, code text)
  JOIN academics.section s ON s.tenant_id = tenancy.current_tenant() AND s.id = section
  ON CONFLICT (tenant_id, person_id, day, session_code) DO UPDATE
    SET code = EXCLUDED.code, noted_by = EXCLUDED.noted_by, noted_at = now();
  GET DIAGNOSTICS noted = ROW_COUNT;
  RETURN noted;
END
$$;
COMMENT ON FUNCTION daily.submit_roll(bigint, date, jsonb, bigint, text) IS 'Hands in the roll of a section: marks as [{person_id, code}]. Handing it in again corrects it. Returns the number of marks.';

CREATE FUNCTION daily.take_payment(student bigint, method text, paid numeric, invoices bigint[] DEFAULT NULL)
  RETURNS TABLE (payment_id bigint, receipt_number bigint, allocated numeric) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  made record;
  bill record;
  left_over numeric := paid;
  part numeric;
BEGIN
  INSERT INTO fees.payment (person_id, method_code, amount) VALUES (student, method, paid)
  RETURNING fees.payment.id, fees.payment.receipt_number INTO made;
  -- Locked in the order of their numbers, so that two payments of the same invoices queue instead of deadlocking.
  FOR bill IN
    SELECT i.id, i.total - i.allocated AS open FROM fees.invoice i
    WHERE i.person_id = student AND i.status_code = 'issued' AND i.allocated < i.total
      AND (invoices IS NULL OR i.id = ANY (invoices))
    ORDER BY i.due_on, i.id FOR UPDATE
  LOOP
    part := least(left_over, bill.open);
    EXIT WHEN part <= 0;
    INSERT INTO fees.allocation (payment_id, invoice_id, amount) VALUES (made.id, bill.id, part);
    left_over := left_over - part;
  END LOOP;
  RETURN QUERY SELECT made.id, made.receipt_number, paid - left_over;
END
$$;
COMMENT ON FUNCTION daily.take_payment(bigint, text, numeric, bigint[]) IS 'Takes a payment at the counter and covers the oldest open invoices with it; what is left stays on the payment.';

CREATE FUNCTION daily.issue_invoices(for_structure bigint, on_day date, due date, share numeric DEFAULT 100, period text DEFAULT NULL)
  RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  for_period text := coalesce(period, to_char(on_day, 'YYYY-MM'));
  students bigint[];
  first_number bigint;
BEGIN
  -- Held until the end: a second run at the same moment sees what the first has billed, and takes no number for it.
  PERFORM FROM fees.structure s WHERE s.tenant_id = tenancy.current_tenant() AND s.id = for_structure FOR NO KEY UPDATE;
  SELECT array_agg(a.person_id) INTO students FROM fees.assignment a
  WHERE a.structure_id = for_structure AND a.valid @> on_day AND NOT EXISTS (
    SELECT FROM fees.invoice i WHERE i.tenant_id = a.tenant_id AND i.person_id = a.person_id
      AND i.structure_id = for_structure AND i.billing_period = for_period AND i.status_code <> 'cancelled');
  IF students IS NULL THEN
    RETURN 0;
  END IF;
  first_number := fees.take_numbers('invoice', cardinality(students));
  WITH billed AS (
    INSERT INTO fees.invoice (person_id, organisation_id, academic_year_id, structure_id, billing_period, number, issued_on, due_on)
    SELECT p.id, s.organisation_id, s.academic_year_id, s.id, for_period, first_number + row_number() OVER (ORDER BY p.id) - 1, on_day, due
    FROM fees.structure s CROSS JOIN unnest(students) AS p (id)
    WHERE s.tenant_id = tenancy.current_tenant() AND s.id = for_structure
    RETURNING id, tenant_id, person_id
  ), lines AS (
    SELECT b.id AS invoice_id, i.component_id, NULL::bigint AS concession_id, c.name AS description,
      round(i.amount * share / 100, 2) AS amount, i.id AS place
    FROM billed b
    JOIN fees.structure_item i ON i.tenant_id = b.tenant_id AND i.structure_id = for_structure AND NOT i.is_optional
    JOIN fees.component c ON c.tenant_id = i.tenant_id AND c.id = i.component_id
    UNION ALL
    SELECT b.id, i.component_id, k.id, t.name,
      -least(round(i.amount * share / 100, 2), coalesce(k.amount, round(i.amount * share / 100 * k.percent / 100, 2))), i.id + 1000000000000
    FROM billed b
    JOIN fees.concession k ON k.tenant_id = b.tenant_id AND k.person_id = b.person_id AND k.valid @> on_day
    JOIN fees.concession_type t ON t.tenant_id = k.tenant_id AND t.id = k.concession_type_id
    JOIN fees.structure_item i ON i.tenant_id = b.tenant_id AND i.structure_id = for_structure AND NOT i.is_optional
      AND k.component_id = i.component_id
  )
  INSERT INTO fees.invoice_line (invoice_id, position, component_id, concession_id, description, amount)
  SELECT invoice_id, row_number() OVER (PARTITION BY invoice_id ORDER BY place), component_id, concession_id, description, amount
  FROM lines;
  RETURN cardinality(students);
END
$$;
COMMENT ON FUNCTION daily.issue_invoices(bigint, date, date, numeric, text) IS 'Bills everybody who pays by a structure and is not billed for the period yet (the month of the day, where none is named), for a share of the year in percent, with their discounts. Returns the number of invoices.';

CREATE FUNCTION fees.take_numbers(series text, how_many bigint) RETURNS bigint
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  INSERT INTO fees.number_series AS s (tenant_id, code, last_number) VALUES (tenancy.current_tenant(), series, how_many)
  ON CONFLICT (tenant_id, code) DO UPDATE SET last_number = s.last_number + how_many
  RETURNING last_number - how_many + 1;
END;
COMMENT ON FUNCTION fees.take_numbers(text, bigint) IS 'First of so many numbers of a series, taken at once and without gaps.';

CREATE FUNCTION daily.swap_slots(one bigint, other bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  held integer;
BEGIN
  -- Both are held before their times are read: of two swaps at the same moment, the second starts from what the first
  -- left. In the order of their numbers, so that the two queue instead of deadlocking.
  PERFORM FROM timetable.slot s WHERE s.tenant_id = tenancy.current_tenant() AND s.id IN (one, other) ORDER BY s.id FOR UPDATE;
  GET DIAGNOSTICS held = ROW_COUNT;
  IF held <> 2 THEN
    RAISE EXCEPTION '% and % are not two lessons', one, other USING ERRCODE = 'no_data_found';
  END IF;
  SET CONSTRAINTS timetable.slot_section_clash_excl, timetable.teacher_time_clash_excl, timetable.room_time_clash_excl DEFERRED;
  UPDATE timetable.slot s SET day_of_week = o.day_of_week, minutes = o.minutes, weeks = o.weeks, effective = o.effective
  FROM timetable.slot o
  WHERE o.tenant_id = s.tenant_id AND ((s.id = one AND o.id = other) OR (s.id = other AND o.id = one));
  SET CONSTRAINTS timetable.slot_section_clash_excl, timetable.teacher_time_clash_excl, timetable.room_time_clash_excl IMMEDIATE;
END
$$;
COMMENT ON FUNCTION daily.swap_slots(bigint, bigint) IS 'Exchanges the times of two lessons; refused where somebody would be booked twice.';

CREATE FUNCTION daily.promote(run bigint, first_day date) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  this enrolment.promotion_run;
  made integer;
BEGIN
  SELECT * INTO STRICT this FROM enrolment.promotion_run r
  WHERE r.tenant_id = tenancy.current_tenant() AND r.id = run AND r.status_code = 'draft' FOR UPDATE;
  -- Held before they are looked at: who is withdrawn at this moment counts as withdrawn.
  PERFORM FROM enrolment.promotion_decision d
  JOIN enrolment.placement p ON p.tenant_id = d.tenant_id AND p.id = d.placement_id
  WHERE d.tenant_id = this.tenant_id AND d.promotion_run_id = run ORDER BY p.id FOR NO KEY UPDATE OF p;
  IF EXISTS (
    SELECT FROM enrolment.promotion_decision d
    JOIN enrolment.placement p ON p.tenant_id = d.tenant_id AND p.id = d.placement_id
    WHERE d.tenant_id = this.tenant_id AND d.promotion_run_id = run AND (p.exit_code IS NOT NULL
      OR (p.person_id, p.organisation_id, p.academic_year_id) <> (d.person_id, this.organisation_id, this.from_year_id))
  ) THEN
    RAISE EXCEPTION 'promotion % decides about placements that are not of its students, school and year, or have ended', run
      USING ERRCODE = 'check_violation', SCHEMA = 'enrolment', TABLE = 'promotion_decision', CONSTRAINT = 'promotion_decision_open';
  END IF;
  -- Where the old year ended before the new one begins, the days between belong to neither.
  UPDATE enrolment.placement p
  SET period = daterange(lower(p.period), least(upper(p.period), first_day)), exit_code = d.decision
  FROM enrolment.promotion_decision d
  WHERE d.tenant_id = p.tenant_id AND d.placement_id = p.id AND d.promotion_run_id = run;
  INSERT INTO enrolment.placement (person_id, organisation_id, academic_year_id, grade_level_id, programme_id, period, entry_code)
  SELECT d.person_id, p.organisation_id, this.to_year_id, d.to_grade_level_id, p.programme_id,
    daterange(first_day, s.ends_on), CASE d.decision WHEN 'promote' THEN 'promoted' ELSE 'retained' END
  FROM enrolment.promotion_decision d
  JOIN enrolment.placement p ON p.tenant_id = d.tenant_id AND p.id = d.placement_id
  JOIN calendar.academic_session s ON s.tenant_id = d.tenant_id AND s.id = this.to_year_id
  WHERE d.promotion_run_id = run AND d.decision IN ('promote', 'retain');
  GET DIAGNOSTICS made = ROW_COUNT;
  UPDATE enrolment.promotion_run SET status_code = 'applied', applied_at = now()
  WHERE tenant_id = this.tenant_id AND id = run;
  RETURN made;
END
$$;
COMMENT ON FUNCTION daily.promote(bigint, date) IS 'Applies a promotion run: ends the placements of the old year and begins those of the new. Returns how many began.';

RESET ROLE;
