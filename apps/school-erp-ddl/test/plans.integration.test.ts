import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { enterTenant, type Queryable } from '../src/database.ts';
import { bundleFiles } from '../src/generate/bundle.ts';
import { makeDistrict } from '../src/generate/district.ts';
import { writeLife } from '../src/generate/life.ts';
import { fillFrame } from '../src/generate/operations.ts';
import { bulkLoad } from '../src/load/bulk-load.ts';
import { sourcesIn } from '../src/load/sources.ts';
import { importBundle } from '../src/oneroster/import.ts';
import { writeBundle } from '../src/oneroster/write.ts';
import { useDatabase } from './database.ts';

// Enough rows that the planner, as it comes, has a choice: some 600,000, most of them in a few tables.
const db = useDatabase();
const DAY = '2026-10-21';
const LARGE = 2000;
let tenant: number;
let large: Set<string>;

beforeAll(async () => {
  const path = await mkdtemp(join(tmpdir(), 'erp plans '));
  try {
    await writeBundle(
      join(path, 'roster'),
      bundleFiles(makeDistrict({ schools: 16, students: 2400, seed: 3 }), { version: '1.2' }),
    );
    await importBundle(db.client, { path: join(path, 'roster'), tenant: 'plans' });
    ({ tenant } = await db.client.one<{ tenant: number }>("SELECT tenancy.tenant_number('plans') AS tenant"));
    const year = { from: '2026-08-03', to: '2026-10-30', yearStart: '2026-08-03', lessons: 2, exams: 4 };
    await db.asTenant(tenant, (tx) => fillFrame(tx, year));
    await mkdir(join(path, 'life'));
    await writeLife(db.client, { ...year, tenant, folder: join(path, 'life'), bills: 12 });
    await bulkLoad(db.client, { tenant: 'plans', sources: await sourcesIn(join(path, 'life')) });
  } finally {
    await rm(path, { recursive: true });
  }
  // Changes of names, for the trail.
  await db.asTenant(tenant, (tx) =>
    tx.execute("UPDATE people.person SET middle_name = 'M' WHERE id % 2 = 0"),
  );
  await db.client.execute('VACUUM ANALYZE');
  const tables = await db.client.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND reltuples > ${LARGE}`,
  );
  large = new Set(tables.map(({ name }) => name));
}, 120_000);

interface Node {
  readonly 'Node Type': string;
  readonly Schema?: string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly Node[];
}

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

async function plan(name: string, values: string): Promise<{ nodes: Node[]; tables: string[] }> {
  const read = async (tx: Queryable) => {
    await enterTenant(tx, tenant);
    const [row] = await tx.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
      `EXPLAIN (FORMAT JSON, VERBOSE) SELECT * FROM daily.${name}(${values})`,
    );
    return nodesOf(row!['QUERY PLAN'][0].Plan);
  };
  const nodes = await db.client.tx(read);
  const tables = nodes.flatMap((n) => (n['Relation Name'] ? [`${n.Schema}.${n['Relation Name']}`] : []));
  return { nodes, tables: [...new Set(tables)] };
}

/** Somebody and something to ask for. */
async function subject(): Promise<Record<string, string>> {
  return db.client.one<Record<string, string>>(
    `SELECT s.id AS section, s.organisation_id AS school,
       (SELECT person_id FROM enrolment.section_enrolment WHERE section_id = s.id AND role_code = 'student' LIMIT 1) AS student,
       (SELECT person_id FROM timetable.slot_teacher LIMIT 1) AS teacher,
       (SELECT guardian_id FROM people.guardianship LIMIT 1) AS guardian,
       (SELECT id FROM assessment.paper LIMIT 1) AS paper, (SELECT exam_id FROM assessment.paper LIMIT 1) AS exam,
       (SELECT section_id FROM assessment.paper LIMIT 1) AS class,
       (SELECT academic_session_id FROM assessment.report_card LIMIT 1) AS term, (SELECT id FROM transport.trip LIMIT 1) AS trip
     FROM academics.section s WHERE s.class_type = 'homeroom' LIMIT 1`,
  );
}

/** Each query with its values, the index conditions it lives by, and the partitions it may read. */
const QUERIES: readonly (readonly [name: string, values: string, conditions: RegExp[], months?: string[]])[] =
  [
    [
      'section_roll',
      `{section}, '${DAY}'`,
      [/section_id = .*role_code = /, /person_id = .*day = /],
      ['2026_10'],
    ],
    ['sections_not_marked', `{school}, '${DAY}'`, [/section_id = /]],
    ['absentees', `{school}, '${DAY}'`, [/organisation_id = .*day = /], ['2026_10']],
    [
      'attendance_percent',
      `{student}, '2026-10-01', '2026-11-01'`,
      [/person_id = .*day >= .*day < /],
      ['2026_10'],
    ],
    [
      'below_attendance',
      `{school}, '2026-09-01', '2026-11-01'`,
      [/organisation_id = .*month >= /],
      ['2026_09', '2026_10'],
    ],
    ['teacher_day', `{teacher}, '${DAY}'`, [/person_id = .*day_of_week = /]],
    ['teacher_week', `{teacher}, '${DAY}'`, [/person_id = /]],
    ['free_teachers', `{school}, '${DAY}', 540, 585`, [/organisation_id = .*role_code = /]],
    ['free_rooms', `{school}, '${DAY}', 540, 585`, []],
    ['report_card', '{student}, {term}', [/person_id = .*academic_session_id = /, /report_card_id = /]],
    ['mark_grid', '{paper}', [/section_id = .*role_code = /, /paper_id = /]],
    [
      'class_rank',
      '{exam}, {class}',
      [/section_id = .*role_code = /, /exam_id = /, /paper_id = .*person_id = /],
    ],
    ['defaulters', `{school}, '${DAY}'`, [/organisation_id = .*due_on < /]],
    ['fee_ageing', `{school}, '${DAY}'`, [/organisation_id = /]],
    ['day_book', "'2026-09-02'", [/received_at >= .*received_at < /]],
    ['student_ledger', '{student}', [/person_id = /, /id = /]],
    ['guardian_dashboard', `{guardian}, '${DAY}'`, [/guardian_id = /, /person_id = .*day = /], ['2026_10']],
    [
      'search_people',
      "'ga'",
      [/search_name\)?::text >= .*search_name\)?::text < |search_name >= .*search_name < /],
    ],
    ['transport_manifest', `{trip}, '${DAY}'`, []],
    ['overdue_books', `{school}, '${DAY}'`, []],
    ['audit_trail', "'people.person', '{student}'", [/table_name = .*row_id = /]],
  ];

test('every query of every day is here', async () => {
  const functions = await db.client.query<{ name: string }>(
    `SELECT proname AS name FROM pg_proc WHERE pronamespace = 'daily'::regnamespace AND provolatile = 's' ORDER BY 1`,
  );
  expect(functions.map(({ name }) => name)).toEqual(QUERIES.map(([name]) => name).toSorted());
  expect(large.size).toBeGreaterThan(15);
});

test.each(QUERIES as [string, string, RegExp[], string[] | undefined][])(
  '%s goes by keys, tenant first, and reads no more than its months',
  async (name, values, conditions, months) => {
    const of = await subject();
    const { nodes, tables } = await plan(
      name,
      values.replaceAll(/\{(\w+)\}/g, (_, key: string) => of[key]!),
    );
    const table = (node: Node) => `${node.Schema}.${node['Relation Name']}`;
    expect(nodes.filter((n) => n['Node Type'] === 'Seq Scan' && large.has(table(n))).map(table)).toEqual([]);

    const found = nodes.flatMap((node) => node['Index Cond'] ?? []);
    for (const condition of conditions) expect(found.join('\n')).toMatch(condition);
    // A bitmap's index is named without its table, so that only its condition can tell.
    const bare = nodes.filter((n) => n['Index Name'] && !n['Index Cond']?.includes('tenant_id = '));
    expect(bare.map((n) => [n['Index Name'], n['Index Cond']])).toEqual([]);

    const marks = tables.flatMap((t) => /^attendance\.daily_mark_(.*)/.exec(t)?.[1] ?? []);
    expect(marks.filter((month) => !(months ?? []).includes(month))).toEqual([]);
  },
);

test('the roll of a day, asked for with parameters, reads one partition too', async () => {
  const of = await subject();
  await db.client.tx(async (tx) => {
    await enterTenant(tx, tenant);
    await tx.execute('SET LOCAL plan_cache_mode = force_generic_plan');
    await tx.execute('PREPARE roll (bigint, date) AS SELECT * FROM daily.section_roll($1, $2)');
    const rows = await tx.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE) EXECUTE roll (${of.section}, '${DAY}')`,
    );
    await tx.execute('DEALLOCATE roll');
    const text = rows.map((row) => row['QUERY PLAN']).join('\n');
    const read = text
      .split('\n')
      .filter((line) => /daily_mark_\d{4}_\d{2} /.test(line) && !line.includes('never executed'));
    expect(read.length).toBe(1);
    expect(text).toMatch(/Subplans Removed: 23|daily_mark_2026_10/);
  });
});

test('a roll opens the month of its day and no other, however often the connection hands one in', async () => {
  const { section, student } = await subject();
  const marks = JSON.stringify([{ person_id: student, code: 'P' }]);
  await db.client
    .tx(async (tx) => {
      await enterTenant(tx, tenant);
      // More often than PostgreSQL tries plans of one's own before it takes one for all.
      for (let day = 2; day <= 9; day++) {
        await tx.query('SELECT daily.submit_roll($1, $2, $3, NULL)', [section, `2026-11-0${day}`, marks]);
      }
      const opened = await tx.query<{ name: string }>(
        `SELECT DISTINCT c.relname AS name FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
       WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND c.relname LIKE 'daily_mark_%'`,
      );
      expect(opened).toEqual([{ name: 'daily_mark_2026_11' }]);
      throw new Error('undone');
    })
    .catch((error: unknown) => {
      if ((error as Error).message !== 'undone') throw error;
    });
});
