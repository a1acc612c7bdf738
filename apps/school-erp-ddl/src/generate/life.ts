import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Client } from '../database.ts';
import type { OperationsOptions } from './operations.ts';
import { chance } from './step.ts';

export interface LifeOptions extends OperationsOptions {
  readonly tenant: number;
  /** Where the files go; it exists. */
  readonly folder: string;
  /** Invoices of a student in the year, a month apart. 12 where absent. */
  readonly bills?: number;
  readonly onFile?: (name: string, rows: number) => void;
}

const COMPONENTS = [
  ['TUI', 1200],
  ['LIB', 60],
  ['ACT', 40],
  ['LAB', 80],
] as const;

/** What the invoices, payments and postings below are about, so that they agree. */
const BILLS = `
  CREATE TEMPORARY TABLE life_bill AS
  SELECT row_number() OVER (ORDER BY n, e.person_id) AS number, e.person_id, e.organisation_id, e.academic_year_id,
    date '{year}' + 30 * n AS issued_on, ${COMPONENTS.reduce((sum, [, amount]) => sum + amount, 0) / 10}::numeric(14,2) AS total,
    -- Most pay, sooner or later; it is the same tenth of the families that pays half, or not at all, from some month on.
    CASE WHEN ${chance('e.person_id', '5')} < 90 OR n < ${chance('e.person_id', '9')} / 9 THEN ${chance('e.person_id', 'n::bigint')} * 8 / 10
      ELSE ${chance('e.person_id', '5')} END AS luck
  FROM enrolment.placement e CROSS JOIN generate_series(0, {bills} - 1) AS n
  WHERE e.tenant_id = {tenant} AND e.is_primary AND e.period @> date '{year}';
  CREATE TEMPORARY TABLE life_payment AS
  SELECT row_number() OVER (ORDER BY issued_on + luck / 8, number) AS receipt, number, person_id, issued_on + luck / 8 AS day,
    CASE WHEN luck < 90 THEN total ELSE total / 2 END AS amount
  FROM life_bill WHERE luck < 95;
  ANALYZE life_bill; ANALYZE life_payment`;

const MARKS = `
  SELECT e.person_id, d::date AS day, s.organisation_id,
    CASE WHEN c < 92 THEN 'P' WHEN c < 95 THEN 'L' WHEN c < 98 THEN 'A' ELSE 'E' END AS code, d + interval '8 hours' AS noted_at
  FROM (SELECT id, organisation_id FROM academics.section WHERE tenant_id = {tenant} AND class_type = 'homeroom' AND record_status = 'active') s
  JOIN enrolment.section_enrolment e ON e.tenant_id = {tenant} AND e.section_id = s.id
    AND e.role_code = 'student' AND e.record_status = 'active'
  CROSS JOIN generate_series(timestamp '{first}', timestamp '{last}', interval '1 day') AS d
  CROSS JOIN LATERAL (SELECT ${chance('e.person_id', 'extract(epoch FROM d)::bigint')} AS c) AS x
  WHERE extract(isodow FROM d) < 6
  ORDER BY e.person_id, d`;

/** Tables but the daily marks, each in the order of its primary key. */
const FILES: Readonly<Record<string, string>> = {
  'attendance.roll': `
    SELECT s.id AS section_id, d::date AS day, d + interval '8 hours' AS submitted_at
    FROM academics.section s CROSS JOIN generate_series(timestamp '{from}', timestamp '{to}', interval '1 day') AS d
    WHERE s.tenant_id = {tenant} AND s.class_type = 'homeroom' AND extract(isodow FROM d) < 6
      AND (d < timestamp '{to}' OR ${chance('s.id', '3')} < 70)
    ORDER BY s.id, d`,
  'assessment.mark': `
    SELECT p.id AS paper_id, e.person_id, p.max_score,
      CASE WHEN c >= 3 THEN 30 + c * 0.7 END AS score, CASE WHEN c < 3 THEN 'absent' END AS absence_code
    FROM assessment.paper p
    JOIN enrolment.section_enrolment e ON e.tenant_id = p.tenant_id AND e.section_id = p.section_id
      AND e.role_code = 'student' AND e.record_status = 'active'
    CROSS JOIN LATERAL (SELECT ${chance('e.person_id', 'p.id')} AS c) AS x
    WHERE p.tenant_id = {tenant} ORDER BY p.id, e.person_id`,
  'fees.invoice': `
    SELECT b.number AS id, b.person_id, b.organisation_id, b.academic_year_id, b.number, b.issued_on, b.issued_on + 20 AS due_on,
      b.total, coalesce(p.amount, 0) AS allocated
    FROM life_bill b LEFT JOIN life_payment p ON p.number = b.number ORDER BY b.number`,
  'fees.invoice_line': `
    SELECT (b.number - 1) * ${COMPONENTS.length} + k.position AS id, b.number AS invoice_id, k.position, c.id AS component_id,
      c.name AS description, k.amount / 10 AS amount
    FROM life_bill b
    CROSS JOIN (VALUES ${COMPONENTS.map(([code, amount], i) => `('${code}', ${i + 1}, ${amount}::numeric)`).join(', ')}) AS k (code, position, amount)
    JOIN fees.component c ON c.tenant_id = {tenant} AND c.code = k.code
    ORDER BY b.number, k.position`,
  'fees.payment': `
    SELECT receipt AS id, person_id, CASE WHEN receipt % 2 = 0 THEN 'cash' ELSE 'bank' END AS method_code, receipt AS receipt_number,
      day + time '10:00' AS received_at, amount, amount AS allocated
    FROM life_payment ORDER BY receipt`,
  'fees.allocation': `
    SELECT receipt AS id, receipt AS payment_id, number AS invoice_id, amount, day + time '10:00' AS allocated_at
    FROM life_payment ORDER BY receipt`,
  'fees.journal_entry': `
    SELECT number AS id, number, issued_on AS entry_date, 'invoice' AS source_kind, number AS source_id, 'Invoice ' || number AS description
    FROM life_bill
    UNION ALL
    SELECT b.most + receipt, b.most + receipt, day, 'payment', receipt, 'Payment ' || receipt
    FROM life_payment CROSS JOIN (SELECT max(number) AS most FROM life_bill) b
    ORDER BY id`,
  'fees.journal_line': `
    SELECT b.number AS journal_entry_id, k.line AS line_number, a.id AS account_id,
      CASE WHEN k.line = 1 THEN b.person_id END AS person_id, CASE WHEN k.line = 1 THEN b.total ELSE -k.amount / 10 END AS amount
    FROM life_bill b
    CROSS JOIN (VALUES (1, '1200', 0::numeric), ${COMPONENTS.map(([, amount], i) => `(${i + 2}, '4000', ${amount}::numeric)`).join(', ')}) AS k (line, account, amount)
    JOIN fees.account a ON a.tenant_id = {tenant} AND a.code = k.account
    UNION ALL
    SELECT m.most + p.receipt, k.line, a.id, CASE WHEN k.line = 1 THEN p.person_id END, CASE WHEN k.line = 1 THEN -p.amount ELSE p.amount END
    FROM life_payment p CROSS JOIN (SELECT max(number) AS most FROM life_bill) m
    CROSS JOIN (VALUES (1, '1200'), (2, '1000')) AS k (line, account)
    JOIN fees.account a ON a.tenant_id = {tenant} AND a.code = k.account
    ORDER BY 1, 2`,
};

/**
 * Writes a year of made-up school life of a tenant that has its roster and frame (`fillFrame`), as files for `erp load`.
 * The same tenant gives the same files.
 */
export async function writeLife(client: Client, options: LifeOptions): Promise<void> {
  const { folder, tenant, from, to, yearStart, bills = 12 } = options;
  const filled = (statement: string) =>
    statement
      .replaceAll('{tenant}', String(tenant))
      .replaceAll('{from}', from)
      .replaceAll('{to}', to)
      .replaceAll('{year}', yearStart)
      .replaceAll('{bills}', String(bills));
  await client.connection(async (connection) => {
    const write = async (name: string, statement: string) => {
      const rows = await copyOut(connection, filled(statement), join(folder, `${name}.tsv`));
      options.onFile?.(name, rows);
    };
    await connection.query(
      `INSERT INTO fees.component (tenant_id, code, name, kind) VALUES ($1, 'ACT', 'Activities', 'other'), ($1, 'LAB', 'Laboratory', 'other')
       ON CONFLICT DO NOTHING`,
      [tenant],
    );
    for (const { first, last, partition } of months(from, to)) {
      await write(partition, MARKS.replaceAll('{first}', first).replaceAll('{last}', last));
    }
    await connection.query(filled(BILLS));
    try {
      for (const [name, statement] of Object.entries(FILES)) await write(name, statement);
    } finally {
      await connection.query('DROP TABLE IF EXISTS life_bill, life_payment');
    }
  });
}

async function copyOut(connection: ClientBase, statement: string, path: string): Promise<number> {
  const source = connection.query(copyTo(`COPY (${statement}) TO STDOUT (FORMAT text, HEADER true)`));
  await pipeline(source, createWriteStream(path, { highWaterMark: 1 << 20 }));
  return source.rowCount;
}

/** The months from one day to another, with the partition of each. */
function months(from: string, to: string): { first: string; last: string; partition: string }[] {
  const found = [];
  for (let first = from; first <= to; ) {
    const [year, month] = first.split('-').map(Number) as [number, number];
    const next = new Date(Date.UTC(year, month, 1)).toISOString().slice(0, 10);
    const end = new Date(Date.UTC(year, month, 0)).toISOString().slice(0, 10);
    found.push({
      first,
      last: end < to ? end : to,
      partition: `attendance.daily_mark_${first.slice(0, 7).replace('-', '_')}`,
    });
    first = next;
  }
  return found;
}
