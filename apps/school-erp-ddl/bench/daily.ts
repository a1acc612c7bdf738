/**
 * Loads a year of a district, then asks and writes what a school does every day, as the tenant, beside a second tenant:
 * what the load costs beside a bare COPY, what each query takes, what row-level security adds.
 *
 *   ./pnpmw bench daily
 *   ERP_BENCH_SCHOOLS=50 ERP_BENCH_STUDENTS=100000 ERP_BENCH_DAYS=220 ./pnpmw bench daily    full scale: 40 GB, 20 minutes
 *   ERP_BENCH_DATA=/var/tmp/erp-bench ...    keeps the database there, and finds it again without loading
 */
import { percentile, report, time } from '@stackyard/testing/bench';
import { asTenant, type Client } from '../src/database.ts';
import { LAST_DAY, openDistrict, YEAR_START } from './support/district.ts';

const ROUNDS = 60;
const ROLL = 35;
const AT_ONCE = 10;
const SAMPLES = 400;
/** The queries that people wait for most often: 5 ms instead of 20. */
const FAST = new Set(['section_roll', 'teacher_day', 'guardian_dashboard', 'search_people']);
const [MONTH, NEXT_MONTH] = monthBefore(LAST_DAY);

type Subject = Readonly<Record<string, string>>;

/** Homerooms all over the district with somebody and something of each, so that large schools count as they weigh. */
const SUBJECTS = `
  SELECT s.id AS section, s.organisation_id AS school, e.person_id AS student, t.person_id AS teacher,
    (SELECT g.guardian_id FROM people.guardianship g WHERE g.person_id = e.person_id LIMIT 1) AS guardian,
    a.id AS paper, a.exam_id AS exam, a.section_id AS paper_section,
    c.person_id AS reported, c.academic_session_id AS term,
    (SELECT t.id FROM transport.trip t JOIN transport.route r ON r.id = t.route_id
     WHERE r.organisation_id = s.organisation_id LIMIT 1) AS trip,
    (SELECT lower(left(p.family_name, 2)) FROM people.person p WHERE p.id = e.person_id) AS beginning
  FROM academics.section s
  CROSS JOIN LATERAL (SELECT person_id FROM enrolment.section_enrolment
    WHERE section_id = s.id AND role_code = 'student' ORDER BY id LIMIT 1) e
  CROSS JOIN LATERAL (SELECT person_id FROM enrolment.section_enrolment
    WHERE section_id = s.id AND role_code = 'teacher' ORDER BY id LIMIT 1) t
  CROSS JOIN LATERAL (SELECT p.id, p.exam_id, p.section_id FROM enrolment.section_enrolment x
    JOIN assessment.paper p ON p.section_id = x.section_id WHERE x.person_id = e.person_id LIMIT 1) a
  CROSS JOIN LATERAL (SELECT r.person_id, r.academic_session_id FROM assessment.report_card r
    JOIN enrolment.placement p ON p.person_id = r.person_id WHERE p.organisation_id = s.organisation_id LIMIT 1) c
  WHERE s.class_type = 'homeroom' ORDER BY hashint8(s.id) LIMIT ${ROUNDS}`;

const QUERIES: Readonly<Record<string, (s: Subject) => string>> = {
  section_roll: (s) => `${s.section}, '${LAST_DAY}'`,
  sections_not_marked: (s) => `${s.school}, '${LAST_DAY}'`,
  absentees: (s) => `${s.school}, '${LAST_DAY}'`,
  attendance_percent: (s) => `${s.student}, '${MONTH}', '${NEXT_MONTH}'`,
  below_attendance: (s) => `${s.school}, '${MONTH}', '${NEXT_MONTH}'`,
  teacher_day: (s) => `${s.teacher}, '${LAST_DAY}'`,
  teacher_week: (s) => `${s.teacher}, '${LAST_DAY}'`,
  free_teachers: (s) => `${s.school}, '${LAST_DAY}', 540, 585`,
  free_rooms: (s) => `${s.school}, '${LAST_DAY}', 540, 585`,
  report_card: (s) => `${s.reported}, ${s.term}`,
  mark_grid: (s) => `${s.paper}`,
  class_rank: (s) => `${s.exam}, ${s.paper_section}`,
  defaulters: (s) => `${s.school}, '${LAST_DAY}'`,
  fee_ageing: (s) => `${s.school}, '${LAST_DAY}'`,
  day_book: () => `date '${YEAR_START}' + 33`,
  student_ledger: (s) => `${s.student}`,
  guardian_dashboard: (s) => `${s.guardian}, '${LAST_DAY}'`,
  search_people: (s) => `'${s.beginning}'`,
  transport_manifest: (s) => `${s.trip}, '${LAST_DAY}'`,
  overdue_books: (s) => `${s.school}, '${LAST_DAY}'`,
  audit_trail: (s) => `'people.person', '${s.student}'`,
};

async function reads(db: Client, tenant: number): Promise<void> {
  const subjects = await asTenant(db, tenant, (tx) => tx.query<Subject>(SUBJECTS));
  await copyQueries(db, tenant);
  const measure = (schema: string, name: string, role: string) =>
    db.tx(async (tx) => {
      if (role !== '') await tx.execute(`SET LOCAL ROLE ${role}`);
      await tx.query('SELECT tenancy.enter($1)', [tenant]);
      const samples: number[] = [];
      for (const subject of subjects) {
        const statement = `SELECT * FROM ${schema}.${name}(${QUERIES[name]!(subject)})`;
        samples.push(await time(() => tx.query(statement)));
      }
      return samples;
    });
  let withPolicies = 0;
  let without = 0;
  for (const name of Object.keys(QUERIES)) {
    // Each way in turn, three times; the first fills the caches, and the better of the others counts.
    const rounds: { guarded: number[]; owner: number[] }[] = [];
    for (let round = 0; round < 3; round++) {
      rounds.push({
        guarded: await measure('daily', name, 'erp_app'),
        owner: await measure('unguarded', name, ''),
      });
    }
    const best = (way: 'guarded' | 'owner') =>
      Math.min(...rounds.slice(1).map((round) => percentile(round[way], 0.5)));
    withPolicies += best('guarded');
    without += best('owner');
    report({
      name: `${name}, p95`,
      value: percentile(
        rounds.slice(1).flatMap((round) => round.guarded),
        0.95,
      ),
      unit: 'ms',
      target: { value: FAST.has(name) ? 5 : 20 },
    });
  }
  await db.execute('DROP SCHEMA unguarded CASCADE');
  report({
    name: 'row-level security, medians of all queries',
    value: withPolicies,
    unit: 'ms',
    baseline: { name: 'owner, same filter', value: without },
    target: { ratio: 1.15 },
  });
}

/** The same queries with the tenant written out at every table, for a superuser, whom no policy binds. */
async function copyQueries(db: Client, tenant: number): Promise<void> {
  await db.execute('DROP SCHEMA IF EXISTS unguarded CASCADE');
  await db.execute('CREATE SCHEMA unguarded');
  const functions = await db.query<{ text: string }>(
    `SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p WHERE p.pronamespace = 'daily'::regnamespace AND p.proname = ANY ($1)`,
    [Object.keys(QUERIES)],
  );
  for (const { text } of functions) {
    const filtered = text.replaceAll(
      /\b(FROM|JOIN)\s+([a-z]+\.[a-z_]+)\s+([a-z]+)\b/g,
      `$1 (SELECT * FROM $2 WHERE tenant_id = ${tenant}) $3`,
    );
    await db.execute(filtered.replace('FUNCTION daily.', 'FUNCTION unguarded.'));
  }
}

interface Roll {
  readonly section: string;
  readonly marks: string;
}

/**
 * The first roll of each connection finds no plan, no catalog entry and no compiled function. An app's pool opens its
 * connections once and keeps them for days, so these are a figure of their own and not among the samples of the others.
 */
async function firstRolls(rolls: readonly Roll[], submit: (roll: Roll) => Promise<number>): Promise<void> {
  const first = await Promise.all(rolls.map(submit));
  report({
    name: `the first roll of ${rolls.length} connections at once, median`,
    value: percentile(first, 0.5),
    unit: 'ms',
  });
}

async function writes(db: Client, tenant: number): Promise<void> {
  const schools = await asTenant(db, tenant, (tx) =>
    tx.query<{ students: string[]; sections: string[] }>(
      `SELECT array_agg(e.person_id ORDER BY e.person_id) AS students, (SELECT array_agg(s.id ORDER BY s.id)
         FROM academics.section s WHERE s.organisation_id = e.organisation_id AND s.class_type = 'homeroom') AS sections
       FROM enrolment.placement e GROUP BY e.organisation_id`,
    ),
  );
  // Homerooms have 30 students here; a roll of 35 takes the next ones of the school.
  const ofDay: Roll[] = schools
    .flatMap(({ students, sections }) =>
      sections.map((section, i) => ({ section, students: students.slice(i * ROLL, (i + 1) * ROLL) })),
    )
    .filter(({ students }) => students.length === ROLL)
    .filter((_, i, all) => i % Math.ceil(all.length / SAMPLES) === 0)
    .map(({ section, students }) => ({
      section,
      marks: JSON.stringify(students.map((person_id) => ({ person_id, code: 'P' }))),
    }));
  const submit = (roll: Roll, day: string) =>
    time(() =>
      asTenant(db, tenant, (tx) =>
        tx.query('SELECT daily.submit_roll($1, $2, $3, NULL)', [roll.section, day, roll.marks]),
      ),
    );
  if (ofDay.length <= AT_ONCE) throw new Error('There are too few classes; ask for more students.');
  // The rolls of a day are of different students; the next day, new to all, begins when they are in.
  const rolls: number[] = [];
  while (rolls.length < SAMPLES) {
    const [{ day }] = (await asTenant(db, tenant, (tx) =>
      tx.query('SELECT (max(day) + 1)::text AS day FROM attendance.roll'),
    )) as [{ day: string }];
    const queue = [...ofDay];
    if (rolls.length === 0) await firstRolls(queue.splice(0, AT_ONCE), (roll) => submit(roll, day));
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let next = queue.pop(); next; next = queue.pop()) rolls.push(await submit(next, day));
      }),
    );
  }
  report({
    name: `submit a roll of ${ROLL}, ${AT_ONCE} at once, p95 of ${rolls.length}`,
    value: percentile(rolls, 0.95),
    unit: 'ms',
    target: { value: 30 },
  });

  let invoices = 0;
  // A period of its own, since a kept database has those of the runs before.
  const period = new Date().toISOString();
  const ms = await time(() =>
    asTenant(db, tenant, async (tx) => {
      for (const { id } of await tx.query<{ id: string }>(
        'SELECT id FROM fees.structure ORDER BY hashint8(id)',
      )) {
        if (invoices >= 2000) break;
        const [made] = await tx.query<{ n: number }>(
          `SELECT daily.issue_invoices(${id}, '${LAST_DAY}', '${LAST_DAY}', 25, '${period}') AS n`,
        );
        invoices += made!.n;
      }
    }),
  );
  report({
    name: `invoices in one run (${invoices}), for each 2,000`,
    value: (ms / invoices) * 2000,
    unit: 'ms',
    target: { value: 3000 },
  });

  const [student] = await asTenant(db, tenant, (tx) =>
    tx.query<{ id: string }>(
      'SELECT person_id AS id FROM fees.invoice WHERE allocated = 0 ORDER BY id DESC LIMIT 1',
    ),
  );
  const payments = await time(() =>
    Promise.all(
      Array.from({ length: 50 }, () =>
        asTenant(db, tenant, (tx) =>
          tx.query(`SELECT * FROM daily.take_payment(${student!.id}, 'cash', 50)`),
        ),
      ),
    ),
  );
  report({
    name: '50 counter payments of the same invoices',
    value: payments,
    unit: 'ms',
    target: { value: 3000 },
  });
  const over = await db.query('SELECT FROM fees.invoice WHERE allocated > total');
  report({
    name: 'invoices covered by more than their total',
    value: over.length,
    unit: '',
    target: { value: 0 },
  });
}

/** First days of the month before the one of a day, and of that one. */
function monthBefore(day: string): [string, string] {
  const [year, month] = day.split('-').map(Number) as [number, number];
  const first = (n: number) => new Date(Date.UTC(year, n, 1)).toISOString().slice(0, 10);
  return [first(month - 2), first(month - 1)];
}

await using district = await openDistrict();
const { client, tenant } = district;
await reads(client, tenant);
await writes(client, tenant);
