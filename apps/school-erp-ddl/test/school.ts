import { expect } from 'vitest';
import type { Queryable } from '../src/database.ts';
import type { FileDatabase } from './database.ts';

/** Numbers of the rows that most tests of the schema need. */
export interface SchoolIds {
  readonly organisation: string;
  readonly calendar: string;
  readonly year: string;
  readonly grade: string;
  readonly sections: readonly string[];
  readonly students: readonly string[];
  readonly teachers: readonly string[];
  readonly timetable: string;
  readonly room: string;
  readonly paper: string;
  readonly bed: string;
  readonly copy: string;
  readonly store: string;
  readonly item: string;
  readonly component: string;
  readonly accounts: readonly string[];
}

/** A small school, made by hand as an app would make it. */
async function makeSchool(tx: Queryable): Promise<SchoolIds> {
  const ids = async (statement: string) =>
    (await tx.query<{ id: string }>(`${statement} RETURNING id`)).map((row) => row.id);
  const id = async (statement: string) => (await ids(statement))[0]!;

  const organisation = await id(
    "INSERT INTO organisation.organisation (type_code, name) VALUES ('school', 'School')",
  );
  await tx.execute(`INSERT INTO organisation.school (organisation_id) VALUES (${organisation})`);
  const calendar = await id("INSERT INTO calendar.academic_calendar (code, name) VALUES ('main', 'Main')");
  const year = await id(
    `INSERT INTO calendar.academic_session (calendar_id, kind_code, title, starts_on, ends_on, school_year)
     VALUES (${calendar}, 'schoolYear', '2026/27', '2026-08-01', '2027-07-01', 2027)`,
  );
  await tx.execute(`INSERT INTO calendar.academic_year (id) VALUES (${year})`);
  const grade = await id(
    "INSERT INTO academics.grade_level (code, name, position) VALUES ('07', 'Grade 7', 7)",
  );
  const sections = await ids(
    `INSERT INTO academics.section (organisation_id, title, class_type)
     SELECT ${organisation}, 'Section ' || n, 'scheduled' FROM generate_series(1, 3) AS n`,
  );
  const people = await ids(
    "INSERT INTO people.person (given_name, family_name) SELECT 'Given ' || n, 'Family ' || n FROM generate_series(1, 14) AS n",
  );
  const students = people.slice(0, 10);
  const teachers = people.slice(10);
  await tx.execute(`INSERT INTO people.student (person_id) SELECT unnest(ARRAY[${students}])`);
  await tx.execute(`INSERT INTO people.staff_member (person_id) SELECT unnest(ARRAY[${teachers}])`);
  const timetable = await id(
    `INSERT INTO timetable.timetable (organisation_id, academic_year_id, name, effective)
     VALUES (${organisation}, ${year}, 'Main', '[2026-08-01,2027-07-01)')`,
  );
  const room = await id(
    `INSERT INTO timetable.room (organisation_id, code, name) VALUES (${organisation}, '101', 'Room 101')`,
  );
  const exam = await id(
    `INSERT INTO assessment.exam (organisation_id, academic_session_id, name, kind) VALUES (${organisation}, ${year}, 'Final', 'final')`,
  );
  const paper = await id(
    `INSERT INTO assessment.paper (exam_id, section_id, max_score) VALUES (${exam}, ${sections[0]}, 50)`,
  );
  await tx.execute(
    `INSERT INTO attendance.code (code, name, kind) VALUES ('P', 'Present', 'present'), ('A', 'Absent', 'absent'), ('L', 'Late', 'late')`,
  );
  await tx.execute("INSERT INTO hr.leave_type (code, name) VALUES ('annual', 'Annual leave')");
  const hostel = await id(
    `INSERT INTO hostel.hostel (organisation_id, code, name, for_sex) VALUES (${organisation}, 'A', 'House A', 'mixed')`,
  );
  const dorm = await id(`INSERT INTO hostel.room (hostel_id, code) VALUES (${hostel}, '1')`);
  const bed = await id(`INSERT INTO hostel.bed (room_id, code) VALUES (${dorm}, '1')`);
  const branch = await id(
    `INSERT INTO library.branch (organisation_id, code, name) VALUES (${organisation}, 'L', 'Library')`,
  );
  const title = await id("INSERT INTO library.title (name) VALUES ('A Book')");
  const copy = await id(
    `INSERT INTO library.copy (title_id, branch_id, barcode) VALUES (${title}, ${branch}, 'B1')`,
  );
  const store = await id(
    `INSERT INTO inventory.store (organisation_id, code, name) VALUES (${organisation}, 'S', 'Store')`,
  );
  const item = await id("INSERT INTO inventory.item (code, name, unit) VALUES ('CH', 'Chalk', 'box')");
  const component = await id(
    "INSERT INTO fees.component (code, name, kind) VALUES ('T', 'Tuition', 'tuition')",
  );
  await tx.execute("INSERT INTO fees.payment_method (code, name, is_cash) VALUES ('cash', 'Cash', true)");
  const accounts = await ids(
    "INSERT INTO fees.account (code, name, kind) VALUES ('1200', 'Receivable', 'asset'), ('4000', 'Tuition', 'income'), ('1000', 'Cash', 'asset')",
  );
  return {
    organisation,
    calendar,
    year,
    grade,
    sections,
    students,
    teachers,
    timetable,
    room,
    paper,
    bed,
    copy,
    store,
    item,
    component,
    accounts,
  };
}

/** A tenant with a small school in it. */
export async function openSchool(
  db: FileDatabase,
  code: string,
): Promise<{ readonly tenant: number; readonly school: SchoolIds }> {
  const tenant = await db.tenant(code);
  return { tenant, school: await db.asTenant(tenant, makeSchool) };
}

/** Runs statements as a tenant, together in one transaction. */
export const runAs = (db: FileDatabase, tenant: number, statements: readonly string[]): Promise<void> =>
  db.asTenant(tenant, async (tx) => {
    for (const statement of statements) await tx.query(statement);
  });

/** The number of the row that an INSERT makes. */
export async function id(tx: Queryable, statement: string): Promise<string> {
  return (await tx.one<{ id: string }>(`${statement} RETURNING id`)).id;
}

/** An error that names this constraint. */
export const refusedBy = (constraint: string) => expect.objectContaining({ constraint });
