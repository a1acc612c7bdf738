import type { Queryable } from '../database.ts';

interface Session {
  readonly sourcedId: string;
  readonly kind: string;
  readonly start: string;
  readonly end: string;
  readonly calendar: string | null;
}

/**
 * Sessions of one kind in one calendar never overlap, but a district's roster may hold the terms of schools that
 * keep different dates, or a full-year term beside two semesters. Each staged session goes into the first calendar
 * where its days are free: `main`, then `parallel-2` and so on; one that is already in a calendar stays if it can.
 */
export async function assignCalendars(db: Queryable, tenant: number, stage: string): Promise<void> {
  const staged = await db.query<Session>(
    `SELECT s.sourced_id AS "sourcedId", s.kind_code AS kind, s.starts_on::text AS start, s.ends_on::text AS end,
       c.code AS calendar
     FROM ${stage} s
     LEFT JOIN calendar.academic_session a ON a.tenant_id = $1 AND a.sourced_id = s.sourced_id
     LEFT JOIN calendar.academic_calendar c ON c.tenant_id = $1 AND c.id = a.calendar_id
     WHERE s.record_status = 'active'
     ORDER BY s.starts_on, s.ends_on DESC, s.sourced_id`,
    [tenant],
  );
  const others = await db.query<Session>(
    `SELECT a.sourced_id AS "sourcedId", a.kind_code AS kind, a.starts_on::text AS start, a.ends_on::text AS end,
       c.code AS calendar
     FROM calendar.academic_session a
     JOIN calendar.academic_calendar c ON c.tenant_id = a.tenant_id AND c.id = a.calendar_id
     WHERE a.tenant_id = $1 AND a.record_status = 'active'
       AND NOT EXISTS (SELECT FROM ${stage} s WHERE s.sourced_id = a.sourced_id)`,
    [tenant],
  );

  const taken = new Map<string, Session[]>();
  const slot = (calendar: string, kind: string) => {
    const key = `${calendar}\0${kind}`;
    const list = taken.get(key) ?? [];
    taken.set(key, list);
    return list;
  };
  for (const session of others) slot(session.calendar!, session.kind).push(session);
  const free = (calendar: string, session: Session) =>
    slot(calendar, session.kind).every((other) => session.end <= other.start || other.end <= session.start);

  const codes: string[] = [];
  for (const session of staged) {
    let code = session.calendar ?? 'main';
    for (let n = 1; !free(code, session); n++) code = n === 1 ? 'main' : `parallel-${n}`;
    slot(code, session.kind).push(session);
    codes.push(code);
  }
  await db.execute(
    `INSERT INTO calendar.academic_calendar (tenant_id, code, name)
     SELECT $1, code, initcap(replace(code, '-', ' ')) FROM (SELECT DISTINCT unnest($2::text[])) AS c (code)
     ON CONFLICT (tenant_id, code) DO NOTHING`,
    [tenant, [...codes, 'main']],
  );
  await db.execute(
    `UPDATE ${stage} s SET calendar_id = c.id
     FROM unnest($2::text[], $3::text[]) AS a (sourced_id, code)
     JOIN calendar.academic_calendar c ON c.tenant_id = $1 AND c.code = a.code
     WHERE s.sourced_id = a.sourced_id`,
    [tenant, staged.map((session) => session.sourcedId), codes],
  );
  // Withdrawn sessions are outside the rule; they need some calendar, and keep their own.
  await db.execute(
    `UPDATE ${stage} s SET calendar_id = coalesce(
       (SELECT a.calendar_id FROM calendar.academic_session a WHERE a.tenant_id = $1 AND a.sourced_id = s.sourced_id),
       (SELECT c.id FROM calendar.academic_calendar c WHERE c.tenant_id = $1 AND c.code = 'main'))
     WHERE s.calendar_id IS NULL`,
    [tenant],
  );
}
