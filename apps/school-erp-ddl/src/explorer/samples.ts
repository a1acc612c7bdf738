import type { Queryable } from '../database.ts';

/** A query of every day that the explorer can run. */
export interface Sample {
  readonly name: string;
  readonly about: string;
  /** A single statement; its values are found by `needs`. */
  readonly statement: string;
}

/** Rows that samples are about, so that they show something in whatever tenant they run. */
const SUBJECTS = `
  SELECT
    (SELECT s.id FROM academics.section s WHERE s.class_type = 'homeroom' AND s.record_status = 'active' ORDER BY s.id LIMIT 1) AS section,
    (SELECT s.organisation_id FROM academics.section s WHERE s.class_type = 'homeroom' ORDER BY s.id LIMIT 1) AS school,
    (SELECT max(r.day)::text FROM attendance.roll r) AS day,
    (SELECT t.person_id FROM timetable.slot_teacher t ORDER BY t.slot_id LIMIT 1) AS teacher,
    (SELECT s.person_id FROM people.student s ORDER BY s.person_id LIMIT 1) AS student,
    (SELECT g.guardian_id FROM people.guardianship g ORDER BY g.id LIMIT 1) AS guardian,
    (SELECT p.id FROM assessment.paper p ORDER BY p.id LIMIT 1) AS paper,
    (SELECT p.exam_id FROM assessment.paper p ORDER BY p.id LIMIT 1) AS exam,
    (SELECT p.section_id FROM assessment.paper p ORDER BY p.id LIMIT 1) AS paper_section`;

type Subjects = Readonly<Record<string, string | null>>;

/** The samples for the tenant of the transaction; those without a subject are left out. */
export async function samples(tx: Queryable): Promise<Sample[]> {
  const [found] = await tx.query<Subjects>(SUBJECTS);
  const all: (Sample & { readonly needs: readonly string[] })[] = [
    ['section_roll', 'Roll of a homeroom', ['section', 'day'], "{section}, '{day}'"],
    ['sections_not_marked', 'Homerooms without a roll', ['school', 'day'], "{school}, '{day}'"],
    ['absentees', 'Who is away', ['school', 'day'], "{school}, '{day}'"],
    [
      'attendance_percent',
      'Attendance of a student',
      ['student', 'day'],
      "{student}, date '{day}' - 30, date '{day}' + 1",
    ],
    [
      'below_attendance',
      'Students below 90 percent',
      ['school', 'day'],
      "{school}, date '{day}' - 30, date '{day}' + 1, 90",
    ],
    ['teacher_day', "A teacher's day", ['teacher', 'day'], "{teacher}, '{day}'"],
    ['teacher_week', "A teacher's week", ['teacher', 'day'], "{teacher}, '{day}'"],
    ['free_teachers', 'Free teachers at nine', ['school', 'day'], "{school}, '{day}', 540, 585"],
    ['free_rooms', 'Free rooms at nine', ['school', 'day'], "{school}, '{day}', 540, 585"],
    ['mark_grid', 'Marks of a paper', ['paper'], '{paper}'],
    ['class_rank', 'Ranks in an exam', ['exam', 'paper_section'], '{exam}, {paper_section}'],
    ['defaulters', 'Who owes fees', ['school', 'day'], "{school}, '{day}'"],
    ['fee_ageing', 'Open fees by age', ['school', 'day'], "{school}, '{day}'"],
    ['day_book', 'Money of a day', ['day'], "'{day}'"],
    ['student_ledger', "A student's account", ['student'], '{student}'],
    ['guardian_dashboard', "A guardian's first page", ['guardian', 'day'], "{guardian}, '{day}'"],
    ['search_people', 'People whose name begins with Ga', [], "'ga'"],
    ['overdue_books', 'Overdue books', ['school', 'day'], "{school}, '{day}'"],
  ].map(([name, about, needs, values]) => ({
    name: name as string,
    about: about as string,
    needs: needs as string[],
    statement: `SELECT * FROM daily.${name}(${(values as string).replaceAll(/\{(\w+)\}/g, (_, key: string) => found?.[key] ?? '')})`,
  }));
  return all.filter((sample) => sample.needs.every((need) => found?.[need]));
}
